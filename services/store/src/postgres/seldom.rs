//! What is worth doing now and then, however long it takes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// How many times as long as it took it is before something is done again.
pub(super) const TIMES: u32 = 16;

/// When to do it again.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>);

impl Seldom {
    pub(super) fn is_time(&self) -> bool {
        self.lock().is_none_or(|next| Instant::now() >= next)
    }

    /// It was begun then, and is done.
    pub(super) fn done(&self, begun: Instant) {
        *self.lock() = Some(begun + begun.elapsed() * TIMES);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_took_long_rests_for_long() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert!(seldom.is_time());
        let begun = now
            .checked_sub(Duration::from_secs(10))
            .expect("the machine runs for longer");
        seldom.done(begun);
        assert!(!seldom.is_time());
        assert!(*seldom.lock() >= Some(begun + Duration::from_secs(10) * TIMES));
    }
}
