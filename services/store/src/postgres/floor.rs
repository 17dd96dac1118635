//! Where looks at the queue begin while they would walk over much that is over.
//!
//! A row that was claimed or is over leaves its entries in the indexes until a vacuum removes them, and none may while
//! somebody holds an old snapshot: a backup, a report. Whoever looks for the first row of a lane walks over all of them; after
//! minutes that takes longer than anything else a claim does. So once a look was slow, the next claim reads where the lanes
//! begin, and for a while looks begin there.
//!
//! That hides nothing for long. A row that waits is no earlier than the first of its lane; one that turns up later, with a
//! time that was over by more than a second already, is found when the lanes are read again. Meanwhile looks are as fast
//! as they ever are, and reading takes a small part of the time.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use baton_domain::{ports::StoreResult, time::Timestamp};
use tokio_postgres::{Row, types::Type};

use super::{
    columns::param,
    seldom::TIMES,
    session::{Hot, Step, micros_as_float},
};
use crate::{error::postgres_error, tx::unexpected};

/// A look that takes longer walks over much.
const SLOW: Duration = Duration::from_millis(2);
/// How long looks begin at a floor: [`TIMES`] what it took to read it, within bounds.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// One row: by lane the time of its first waiting row, no later than $1 or, when that is NULL, the database's clock; and the
/// end of the first lease, no later than that of one of $2 microseconds that begins now. Each less a second: transactions
/// that write what is due now may still be open, and leases of another scheduler may be shorter.
pub const READ: &str = "
WITH clock AS MATERIALIZED (
    SELECT COALESCE($1::timestamptz, CLOCK_TIMESTAMP()) AS now
)
SELECT ARRAY(
           SELECT LEAST(clock.now,
                        (SELECT r.due_at
                           FROM live_runs r
                          WHERE r.lane = every.lane
                            AND r.status = 'planned'
                          ORDER BY r.due_at, r.id
                          LIMIT 1)) - INTERVAL '1 second'
             FROM (SELECT number::smallint AS lane FROM GENERATE_SERIES(0, 63) AS number) every
       ) AS lanes,
       LEAST(clock.now + $2 * INTERVAL '1 microsecond',
             (SELECT lease_until
                FROM live_runs
               WHERE status = 'running'
               ORDER BY lease_until
               LIMIT 1)) - INTERVAL '1 second' AS leases
  FROM clock";

/// Nothing that a look is for is earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Floor {
    /// By lane.
    pub lanes: Vec<Timestamp>,
    pub leases: Timestamp,
}

impl Floor {
    async fn read(hot: &Hot, lease: Duration) -> StoreResult<Self> {
        let params = vec![
            param(hot.now(), Type::TIMESTAMPTZ),
            param(micros_as_float(lease), Type::FLOAT8),
        ];
        let rows = hot.glance(Step::new(READ, params)).await?;
        let row = rows
            .first()
            .ok_or_else(|| unexpected("one row tells where the lanes begin"))?;
        Self::of(row).map_err(|error| postgres_error(&error))
    }

    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            lanes: row.try_get("lanes")?,
            leases: row.try_get("leases")?,
        })
    }
}

/// The floor of one queue.
#[derive(Debug, Default)]
pub(super) struct LastFloor(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// A look has been slow since.
    slow: bool,
    /// When it was read, how long that is good for, and what it said if looks are to begin there.
    read: Option<(Instant, Duration, Option<Floor>)>,
}

impl LastFloor {
    /// Where to begin, if not at the beginning.
    pub(super) fn get(&self) -> Option<Floor> {
        self.lock().valid(Instant::now())?.clone()
    }

    /// The same for a claim, which reads where that is when it is time to; `lease` is how long claims are for. An injected
    /// clock stands still or leaps: no time that passes says how long a floor is good then.
    pub(super) async fn renewed(&self, hot: &Hot, lease: Duration) -> StoreResult<Option<Floor>> {
        if hot.now().is_some() {
            return Ok(None);
        }
        if !self.lock().wanted(Instant::now()) {
            return Ok(self.get());
        }
        let asked = Instant::now();
        let floor = Floor::read(hot, lease).await?;
        self.lock().set(floor, asked, asked.elapsed());
        Ok(self.get())
    }

    /// Tells how long a look took.
    pub(super) fn looked(&self, took: Duration) {
        if took >= SLOW {
            self.lock().slow = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn valid(&self, now: Instant) -> Option<&Option<Floor>> {
        let (asked, lasts, floor) = self.read.as_ref()?;
        (now.duration_since(*asked) < *lasts).then_some(floor)
    }

    fn wanted(&self, now: Instant) -> bool {
        let pinned = self.read.as_ref().is_some_and(|(_, _, floor)| floor.is_some());
        (pinned || self.slow) && self.valid(now).is_none()
    }

    /// A look was slow for another reason when this was not.
    fn set(&mut self, floor: Floor, asked: Instant, took: Duration) {
        let lasts = (took * TIMES).clamp(SHORTEST, LONGEST);
        self.read = Some((asked, lasts, (took >= SLOW).then_some(floor)));
        self.slow = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_millis(200);

    fn floor() -> Floor {
        Floor {
            lanes: vec![Timestamp::UNIX_EPOCH; 64],
            leases: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn looks_begin_at_the_beginning_as_long_as_they_are_quick() {
        let last = LastFloor::default();
        last.looked(QUICK);
        assert!(!last.lock().wanted(Instant::now()));
        last.looked(SLOW);
        assert!(last.lock().wanted(Instant::now()));
    }

    #[test]
    fn a_floor_is_good_for_a_multiple_of_what_it_took() {
        let (mut last, asked) = (Last::default(), Instant::now());
        last.slow = true;
        last.set(floor(), asked, LONG);
        let (within, over) = (asked + LONG * (TIMES - 1), asked + LONG * TIMES);
        assert_eq!(last.valid(within), Some(&Some(floor())));
        assert!(!last.wanted(within));
        assert_eq!(last.valid(over), None);
        assert!(
            last.wanted(over),
            "what was pinned a moment ago is likely to be so still"
        );
    }

    #[test]
    fn what_was_slow_for_another_reason_is_not_asked_again_at_once() {
        let (mut last, asked) = (Last::default(), Instant::now());
        last.slow = true;
        last.set(floor(), asked, QUICK);
        assert_eq!(last.valid(asked), Some(&None), "looks begin at the beginning");
        last.slow = true;
        assert!(!last.wanted(asked));
        assert!(last.wanted(asked + SHORTEST));
        last.slow = false;
        assert!(!last.wanted(asked + SHORTEST));
    }
}
