//! How long a claim takes before its commit, as the last ones did.
//!
//! What comes due meanwhile would wait for the end of this claim and for the next one: it is taken along (see `claim`).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use baton_domain::time::micros;

use super::claim::HEAD_START;

/// How much one claim tells of the next: a quarter.
const WEIGHT: u64 = 4;

/// In microseconds; claimers of one queue may lose a claim of each other.
#[derive(Debug, Default)]
pub(super) struct Pace(AtomicU64);

impl Pace {
    pub(super) fn expected(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    /// More than a claim's head start counts as that: what is due now would wait for longer.
    pub(super) fn took(&self, duration: Duration) {
        let took = u64::try_from(micros(duration.min(HEAD_START))).unwrap_or_default();
        let before = self.0.load(Ordering::Relaxed);
        let after = (before * (WEIGHT - 1) + took) / WEIGHT;
        self.0.store(after, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_claim_is_expected_to_take_as_long_as_the_last_ones() {
        let millis = Duration::from_millis;
        let pace = Pace::default();
        assert_eq!(pace.expected(), Duration::ZERO);
        for _ in 0..20 {
            pace.took(millis(2));
        }
        assert!((1_900..=2_000).contains(&pace.expected().as_micros()));
        pace.took(millis(3));
        assert!((2_100..=2_300).contains(&pace.expected().as_micros()));
        for _ in 0..50 {
            pace.took(millis(300));
        }
        assert!(pace.expected() <= HEAD_START && pace.expected() > millis(3));
    }
}
