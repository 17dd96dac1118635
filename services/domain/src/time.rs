//! Time as the domain sees it: UTC instants in whole microseconds, and where the current one comes from.

use std::time::Duration;

use chrono::{DateTime, SubsecRound as _, TimeZone as _, Utc};

/// An instant in UTC. Stores keep whole microseconds, so every instant that enters is truncated by [`truncate`].
pub type Timestamp = DateTime<Utc>;

/// Says what time it is. On PostgreSQL the database's clock is asked instead.
pub trait Clock: Send + Sync {
    /// The current time in whole microseconds.
    fn now(&self) -> Timestamp;
}

/// Drops what is finer than a microsecond.
pub fn truncate(at: Timestamp) -> Timestamp {
    at.trunc_subsecs(6)
}

/// `at + by`, or the far end of time when that overflows.
pub fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add_signed(signed(by)).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `at - by`, or the far start of time when that overflows.
pub fn before(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub_signed(signed(by)).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// `to - from`, or zero when `to` is not later.
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    (to - from).to_std().unwrap_or_default()
}

/// Whole microseconds of a duration, saturating.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The instant that is this many microseconds after the epoch.
pub fn from_micros(micros: i64) -> Timestamp {
    match Utc.timestamp_micros(micros) {
        chrono::LocalResult::Single(at) => at,
        chrono::LocalResult::None | chrono::LocalResult::Ambiguous(..) => DateTime::<Utc>::MAX_UTC,
    }
}

fn signed(duration: Duration) -> chrono::TimeDelta {
    chrono::TimeDelta::from_std(duration).unwrap_or(chrono::TimeDelta::MAX)
}
