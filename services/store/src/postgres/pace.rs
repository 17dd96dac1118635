//! How long a claim takes before its commit, as the last ones did, and whether it is one of many.
//!
//! What comes due meanwhile would wait for the end of this claim and for the next one: it is taken along (see `claim`).
//!
//! Where few users have very much due, one claim follows the other, each with their share, and what others have due a moment
//! later would wait for the rest of one and for all of the next. Such a claim waits for the first of that instead, for as long as
//! another claim would take, and has less of the flood: the others start at their time, and find cores and a disk that are not
//! all the flood's.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use baton_domain::time::micros;

use super::claim::HEAD_START;

/// How much one claim tells of the next: a quarter.
const WEIGHT: u64 = 4;

/// No claim counts as longer than this.
const LONGEST: Duration = Duration::from_millis(10);

/// Claimers of one queue may lose a claim of each other.
#[derive(Debug, Default)]
pub(super) struct Pace {
    took_us: AtomicU64,
    /// A set of lanes, by the bits of their numbers.
    flooded: AtomicI64,
}

/// How long a claim in a flood waits, and for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    /// What comes due within this time from now is waited for.
    pub within: Duration,
    /// The set of lanes with the flood: who is in another is waited for.
    pub flooded: i64,
}

impl Pace {
    /// No more than a claim's head start: what is due now would wait for longer.
    pub(super) fn expected(&self) -> Duration {
        self.took().min(HEAD_START)
    }

    /// `None` where there is no flood.
    pub(super) fn patience(&self) -> Option<Patience> {
        let flooded = self.flooded.load(Ordering::Relaxed);
        let within = self.took() * 2;
        (flooded != 0).then_some(Patience { within, flooded })
    }

    pub(super) fn note(&self, took: Duration) {
        let took = u64::try_from(micros(took.min(LONGEST))).unwrap_or_default();
        let before = self.took_us.load(Ordering::Relaxed);
        let after = (before * (WEIGHT - 1) + took) / WEIGHT;
        self.took_us.store(after, Ordering::Relaxed);
    }

    /// Which lanes have more due than their share of the last claim, while that had room for more.
    pub(super) fn note_flood(&self, lanes: i64) {
        self.flooded.store(lanes, Ordering::Relaxed);
    }

    fn took(&self) -> Duration {
        Duration::from_micros(self.took_us.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_next_claim_is_expected_to_take_as_long_as_the_last_ones() {
        let pace = Pace::default();
        assert_eq!(pace.expected(), Duration::ZERO);
        for _ in 0..20 {
            pace.note(millis(2));
        }
        assert!((1_900..=2_000).contains(&pace.expected().as_micros()));
        pace.note(millis(3));
        assert!((2_100..=2_300).contains(&pace.expected().as_micros()));
        for _ in 0..50 {
            pace.note(millis(300));
        }
        assert!(pace.expected() <= HEAD_START && pace.expected() > millis(3));
    }

    #[test]
    fn in_a_flood_another_claim_s_time_is_waited_and_not_for_ever() {
        let pace = Pace::default();
        for _ in 0..50 {
            pace.note(millis(6));
        }
        assert_eq!(pace.patience(), None);
        pace.note_flood(0b100);
        let patience = pace.patience().expect("it is a flood");
        assert_eq!(patience.flooded, 0b100);
        assert!(
            patience.within > millis(11) && patience.within <= millis(12),
            "{patience:?}"
        );
        for _ in 0..50 {
            pace.note(millis(300));
        }
        let patience = pace.patience().expect("it is a flood");
        assert!(patience.within <= 2 * LONGEST);
        pace.note_flood(0);
        assert_eq!(pace.patience(), None);
    }
}
