//! Between rows and the domain: one module a topic, called by the repos only.
//!
//! Writing cannot fail but for numbers beyond what a column holds; reading fails with [`StoreError::Broken`] naming the
//! column. Empty responses are stored as NULL.

pub mod endpoints;
pub mod jobs;
pub mod plans;
pub mod records;
pub mod runs;
pub mod sales;
pub mod tokens;

use std::{fmt::Display, time::Duration};

use baton_domain::{error::StoreError, ports::StoreResult, time::micros};

/// A value that cannot be read back.
fn broken(column: &str, detail: impl Display) -> StoreError {
    StoreError::Broken(format!("column {column}: {detail}"))
}

/// A duration from whole microseconds.
pub fn duration(column: &str, stored: i64) -> StoreResult<Duration> {
    u64::try_from(stored)
        .map(Duration::from_micros)
        .map_err(|_| broken(column, format!("negative duration {stored}")))
}

fn duration_opt(column: &str, stored: Option<i64>) -> StoreResult<Option<Duration>> {
    stored.map(|stored| duration(column, stored)).transpose()
}

fn micros_opt(duration: Option<Duration>) -> Option<i64> {
    duration.map(micros)
}

/// A number of a narrower type than its column.
pub fn number<T: TryFrom<i64>>(column: &str, stored: i64) -> StoreResult<T> {
    T::try_from(stored).map_err(|_| broken(column, format!("{stored} is out of range")))
}

/// A word of a closed set.
fn word<T>(column: &str, stored: &str, parse: impl FnOnce(&str) -> Option<T>) -> StoreResult<T> {
    parse(stored).ok_or_else(|| broken(column, format!("unknown word {stored:?}")))
}

/// Both parts of a pair of columns that are filled together.
fn together<A, B>(columns: &str, first: Option<A>, second: Option<B>) -> StoreResult<Option<(A, B)>> {
    match (first, second) {
        (Some(first), Some(second)) => Ok(Some((first, second))),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(broken(columns, "one is missing")),
    }
}

/// A list of words from a JSON column.
fn words(column: &str, stored: serde_json::Value) -> StoreResult<Vec<String>> {
    serde_json::from_value(stored).map_err(|error| broken(column, error))
}
