//! Cron expressions in a time zone: parsing, refusal of dates that never come, and the next time.
//!
//! croner does the calendar; this module fixes the dialect and turns its answers into instants.

use std::sync::Arc;

use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use crate::time::Timestamp;

/// A parsed cron expression with its zone.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    expression: String,
    zone: Tz,
    /// Shared: a parsed pattern is large, and endpoints are cloned.
    pattern: Arc<Cron>,
}

impl PartialEq for CronSchedule {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression && self.zone == other.zone
    }
}

/// Why an expression or a zone is refused, in words for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    #[error("is not a cron expression of five fields, or six with leading seconds: {0}")]
    Expression(String),
    #[error("names a date that never comes")]
    Never,
    #[error("is not an IANA time zone")]
    Zone,
}

impl CronSchedule {
    /// Parses five fields, or six with leading seconds. An empty zone means UTC. `from` anchors the check that the
    /// expression has a next time at all.
    pub fn parse(expression: &str, zone: &str, from: Timestamp) -> Result<Self, CronError> {
        let schedule = Self::restore(expression, zone)?;
        match schedule.next_after(from) {
            Some(_) => Ok(schedule),
            None => Err(CronError::Never),
        }
    }

    /// Parses what was checked when it was stored.
    pub fn restore(expression: &str, zone: &str) -> Result<Self, CronError> {
        let zone = parse_zone(zone)?;
        let pattern = CronParser::builder()
            .seconds(Seconds::Optional)
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|error| CronError::Expression(error.to_string()))?;
        Ok(Self {
            expression: expression.to_owned(),
            zone,
            pattern: Arc::new(pattern),
        })
    }

    /// The first time strictly after `at`, or `None` when no such date comes.
    pub fn next_after(&self, at: Timestamp) -> Option<Timestamp> {
        let local = at.with_timezone(&self.zone);
        let next = self.pattern.find_next_occurrence(&local, false).ok()?;
        Some(next.to_utc())
    }

    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// IANA name of the zone.
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }
}

/// An IANA zone by name; empty means UTC.
pub fn parse_zone(zone: &str) -> Result<Tz, CronError> {
    if zone.is_empty() {
        return Ok(Tz::UTC);
    }
    zone.parse().map_err(|_| CronError::Zone)
}

#[cfg(test)]
mod tests;
