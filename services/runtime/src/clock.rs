//! The real clock and the real randomness behind the domain's ports.
//!
//! The binaries hand these to everything that needs them. No other code in the workspace asks the operating system for
//! the time of day or for random bits.

use std::time::Duration;

use baton_domain::{
    ids::Chance,
    time::{Clock, Timestamp, after, truncate},
};
use chrono::Utc;

/// The operating system's clock, in whole microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that may read the system's clock"
    )]
    fn now(&self) -> Timestamp {
        truncate(Utc::now())
    }
}

/// The operating system's clock as one that is set wrong would tell it: ahead by this much. For tests of what a wrong
/// clock may not do.
#[derive(Debug, Clone, Copy, Default)]
pub struct ShiftedClock(pub Duration);

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        after(SystemClock.now(), self.0)
    }
}

/// A generator seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    #[expect(clippy::disallowed_methods, reason = "the one place that may draw random bits")]
    fn bits(&self) -> u128 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use baton_domain::ids::uuid_at;

    use super::*;

    #[test]
    fn times_are_whole_microseconds() {
        // A nanosecond clock would have to end in 000 by chance a hundred times in a row.
        for _ in 0..100 {
            assert_eq!(SystemClock.now().timestamp_subsec_nanos() % 1_000, 0);
        }
    }

    #[test]
    fn ids_minted_at_one_instant_differ() {
        let at = SystemClock.now();
        assert_ne!(uuid_at(at, &SystemChance), uuid_at(at, &SystemChance));
    }
}
