//! Runs go before plans: how much of a server's time planners may take.
//!
//! A start must not be late because a planner calls, however often it does. So planners' calls are made one after the
//! other, and, once they have taken more than a burst, for no more than a share of the time; the rest waits in line. A
//! planner that asks when there is something to ask hardly waits; one that never stops cannot get in the way. Each
//! credential has a line of its own, and the lines take turns, so that one planner does not keep out another.
//!
//! Counted is the time that calls take, and not their number: what costs more counts more, on a slow database too. All of it
//! is the back-pressure of one server, forgotten at its end; the budgets that must last are in the database. Used by the
//! handlers of PlansService.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Mutex as Head, OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

/// What planners may take at once after having been quiet. With a tenth of the time it is 200 ms of calls: a plan from its
/// question to its end, asked of a server that has just started and of a database that has none of its statements ready.
const BURST: Duration = Duration::from_secs(2);
/// What a call counts for at most. On a database far away it waits more than it works.
const COUNTED: Duration = Duration::from_millis(50);
/// Calls of one credential that wait. Far fewer than the server takes in all, so that a planner keeps nobody else out.
const LINE: usize = 64;

/// The line of the caller is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineIsFull;

/// Lets planners' calls begin. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Of the time, when planners call without end.
    share: f64,
    lines: Mutex<HashMap<Arc<str>, Arc<Line>>>,
    /// Held by the call under way. It is fair: whoever waits longest is next.
    place: Arc<Semaphore>,
    /// When all that calls have taken is their share of the time.
    even_at: Mutex<Instant>,
}

/// The callers of one credential that wait: whoever is at the head waits for the place.
#[derive(Debug)]
struct Line {
    head: Head<()>,
    room: Semaphore,
}

impl Pace {
    /// `share` is above 0 and at most 1.
    pub fn new(share: f64) -> Self {
        Self(Arc::new(Shared {
            share,
            lines: Mutex::default(),
            place: Arc::new(Semaphore::new(1)),
            even_at: Mutex::new(Instant::now()),
        }))
    }

    /// Waits for the caller's turn. Its call is under way until the turn is dropped.
    pub async fn turn(&self, credential: &Arc<str>) -> Result<Turn, LineIsFull> {
        let line = self.line(credential);
        let _room = line.room.try_acquire().map_err(|_| LineIsFull)?;
        let _head = line.head.lock().await;
        let place = Arc::clone(&self.0.place).acquire_owned().await;
        let even_at = *lock(&self.0.even_at);
        sleep_until(even_at.checked_sub(BURST).unwrap_or(even_at)).await;
        Ok(Turn {
            pace: self.clone(),
            began: Instant::now(),
            _place: place.expect("the semaphore is never closed"),
        })
    }

    fn line(&self, credential: &Arc<str>) -> Arc<Line> {
        let mut lines = lock(&self.0.lines);
        // Those in which nobody stands any more.
        lines.retain(|_, line| Arc::strong_count(line) > 1);
        let line = lines.entry(Arc::clone(credential)).or_insert_with(|| {
            Arc::new(Line {
                head: Head::new(()),
                room: Semaphore::new(LINE),
            })
        });
        Arc::clone(line)
    }
}

/// A call of a planner that is under way.
#[derive(Debug)]
pub(crate) struct Turn {
    pace: Pace,
    began: Instant,
    _place: OwnedSemaphorePermit,
}

impl Drop for Turn {
    /// Before the place is given back, so that the next call knows what this one took.
    fn drop(&mut self) {
        let shared = &self.pace.0;
        let counted = self.began.elapsed().min(COUNTED);
        let mut even_at = lock(&shared.even_at);
        *even_at = (*even_at).max(self.began) + counted.div_f64(shared.share);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
