//! Rows of the hot path's tables on rusqlite, stored as SeaORM stores them, and the statements that write one.
//!
//! Which columns there are is told in `tables`. What writes says `OR FAIL`: a transaction that meets an error is
//! rolled back as a whole, so no statement need keep copies of pages to undo itself alone.

use std::ops::RangeFrom;

use chrono::{DateTime, SecondsFormat, Utc};
use rusqlite::{
    Row, Statement, ToSql,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};
use uuid::Uuid;

use crate::tables::{Table, quoted};

/// A row that can be written.
pub trait Bound: Table {
    /// Binds the columns to the first parameters, in their order.
    fn bind(&self, statement: &mut Statement<'_>) -> rusqlite::Result<()>;
}

/// A row that can be read.
pub trait Fetched: Table {
    /// Reads a row whose next columns are these, in their order.
    fn fetch(row: &Row<'_>, place: &mut RangeFrom<usize>) -> rusqlite::Result<Self>;
}

/// A value of a column.
pub trait Cell: Sized {
    fn stored(&self) -> rusqlite::Result<ToSqlOutput<'_>>;
    fn read(value: ValueRef<'_>) -> FromSqlResult<Self>;
}

macro_rules! as_rusqlite_does {
    ($($kind:ty),+) => {
        $(impl Cell for $kind {
            fn stored(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                self.to_sql()
            }

            fn read(value: ValueRef<'_>) -> FromSqlResult<Self> {
                Self::column_result(value)
            }
        })+
    };
}

as_rusqlite_does!(bool, i16, i32, i64, String, Vec<u8>, Uuid);

impl Cell for DateTime<Utc> {
    fn stored(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_rfc3339_opts(SecondsFormat::AutoSi, false).into())
    }

    fn read(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let read = DateTime::parse_from_rfc3339(value.as_str()?);
        read.map(|at| at.to_utc()).map_err(FromSqlError::other)
    }
}

impl Cell for serde_json::Value {
    fn stored(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }

    fn read(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map_err(FromSqlError::other)
    }
}

impl<T: Cell> Cell for Option<T> {
    fn stored(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Some(value) => value.stored(),
            None => Ok(ToSqlOutput::Borrowed(ValueRef::Null)),
        }
    }

    fn read(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }
}

/// Binds the value of the next parameter.
pub fn bind(statement: &mut Statement<'_>, place: &mut RangeFrom<usize>, value: &impl Cell) -> rusqlite::Result<()> {
    statement.raw_bind_parameter(place.next().unwrap_or(usize::MAX), value.stored()?)
}

/// The value of a row's next column.
pub fn next<T: Cell>(row: &Row<'_>, place: &mut RangeFrom<usize>) -> rusqlite::Result<T> {
    let place = place.next().unwrap_or(usize::MAX);
    let value = row.get_ref(place)?;
    T::read(value).map_err(|error| rusqlite::Error::FromSqlConversionFailure(place, value.data_type(), Box::new(error)))
}

/// Adds a row; the parameters are those of [`Bound::bind`].
pub fn insert_of<T: Table>() -> String {
    insert_and::<T>(&[])
}

/// Like [`insert_of`], for runs: the parameter behind the row's is the number of the transaction.
pub fn add_of<T: Table>() -> String {
    insert_and::<T>(&["changed_in"])
}

fn insert_and<T: Table>(more: &[&str]) -> String {
    let columns = [T::COLUMNS, more].concat();
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
    let (table, columns, places) = (T::TABLE, quoted(&columns), places.join(", "));
    format!("INSERT OR FAIL INTO {table} ({columns}) VALUES ({places})")
}

/// Writes every column of the row that `key` finds; the parameters are those of [`Bound::bind`].
pub fn update_of<T: Table>(key: &str) -> String {
    update_and::<T>(key, |_| true, "")
}

/// Like [`update_of`], for runs: the parameter behind the row's is the number of the transaction. Writes the columns that
/// `is_written` tells: each that stands in an index costs one entry out and one in, though it be the same.
pub fn change_of<T: Table>(key: &str, is_written: impl Fn(&str) -> bool) -> String {
    update_and::<T>(key, is_written, &format!(", changed_in = ?{}", T::COLUMNS.len() + 1))
}

fn update_and<T: Table>(key: &str, is_written: impl Fn(&str) -> bool, more: &str) -> String {
    let mut find = String::new();
    let mut set = Vec::new();
    for (place, column) in (1..).zip(T::COLUMNS) {
        if *column == key {
            find = format!("\"{column}\" = ?{place}");
        } else if is_written(column) {
            set.push(format!("\"{column}\" = ?{place}"));
        }
    }
    format!("UPDATE OR FAIL {} SET {}{more} WHERE {find}", T::TABLE, set.join(", "))
}
