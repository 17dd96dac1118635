//! What is worth doing now and then, however long it takes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many times as long as it took it is before something is done again.
const TIMES: u32 = 16;
/// But no longer than this.
const LONGEST: Duration = Duration::from_secs(5);

/// How long to leave something that took so long.
pub(super) fn rest_after(took: Duration) -> Duration {
    (took * TIMES).min(LONGEST)
}

/// When to do it again.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    pub(super) fn is_time(&self) -> bool {
        self.lock().is_none_or(|next| Instant::now() >= next)
    }

    /// It took so long, until now.
    pub(super) fn done(&self, took: Duration) {
        *self.lock() = Some(Instant::now() + rest_after(took));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_rests_for_longer_within_bounds() {
        assert_eq!(rest_after(Duration::from_millis(10)), Duration::from_millis(160));
        assert_eq!(rest_after(Duration::from_secs(30)), LONGEST);
        let seldom = Seldom::default();
        assert!(seldom.is_time());
        seldom.done(LONGEST);
        assert!(!seldom.is_time());
        seldom.done(Duration::ZERO);
        assert!(seldom.is_time());
    }
}
