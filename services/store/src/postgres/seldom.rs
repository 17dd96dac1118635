//! What is worth doing now and then, however long it takes.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
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
        let rest: Duration = begun.elapsed() * TIMES;
        *self.lock() = Some(begun + rest);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
