//! Where looks at the queue begin while they would walk over much that is over.
//!
//! A row that was claimed or is over leaves its entries in the indexes until a vacuum removes them, and none may while
//! somebody holds an old snapshot: a backup, a report. Whoever looks for the first row of a lane walks over all of them; after
//! minutes that takes longer than anything else a claim does. So once a look was slow, the next one reads where the lanes
//! begin, and for a while looks begin there. It helps little in a lane whose first row may not start for long: what is over
//! behind that row is walked over still.
//!
//! That hides nothing for long. A row that waits is no earlier than the first of its lane. What ends of runs add may be long
//! due, as a run may take longer than its interval; this queue's ends tell of it (`LastFloor::lower`). Any other row that
//! turns up with a time that was over by more than a second is found when the lanes are read again, and nobody waits longer
//! than until then.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use baton_domain::{ports::StoreResult, time::Timestamp};
use tokio_postgres::{Row, types::Type};

use super::{
    columns::param,
    seldom::rest_after,
    session::{Hot, Step, micros_as_float},
};
use crate::{error::postgres_error, tx::unexpected};

/// A look that takes longer walks over much.
const SLOW: Duration = Duration::from_millis(2);
/// How long a floor is good at least.
const SHORTEST: Duration = Duration::from_millis(200);

/// One row: by lane the time of its first waiting row, or the present when that is earlier; the end of the first lease, or of
/// one of $1 microseconds that begins now when that is earlier; each less a second, as transactions that write what is due
/// now may still be open. And how many microseconds the database took: what comes last is told last.
pub const READ: &str = "
WITH clock AS MATERIALIZED (
    SELECT CLOCK_TIMESTAMP() AS now
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
       COALESCE(LEAST(clock.now + $1 * INTERVAL '1 microsecond',
                      (SELECT lease_until
                         FROM live_runs
                        WHERE status = 'running'
                        ORDER BY lease_until
                        LIMIT 1)),
                clock.now) - INTERVAL '1 second' AS leases,
       CAST(EXTRACT(EPOCH FROM CLOCK_TIMESTAMP() - clock.now) * 1000000 AS BIGINT) AS took_us
  FROM clock";

/// Nothing that a look is for is earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Floor {
    /// By lane.
    pub lanes: Vec<Timestamp>,
    pub leases: Timestamp,
}

/// How long the database took, and what it said.
async fn read(hot: &Hot, lease: Option<Duration>) -> StoreResult<(Duration, Floor)> {
    let params = vec![param(lease.map(micros_as_float), Type::FLOAT8)];
    let rows = hot.glance(Step::new(READ, params)).await?;
    let row = rows
        .first()
        .ok_or_else(|| unexpected("one row tells where the lanes begin"))?;
    let (took, floor) = floor_of(row).map_err(|error| postgres_error(&error))?;
    Ok((Duration::from_micros(u64::try_from(took).unwrap_or_default()), floor))
}

fn floor_of(row: &Row) -> Result<(i64, Floor), tokio_postgres::Error> {
    let floor = Floor {
        lanes: row.try_get("lanes")?,
        leases: row.try_get("leases")?,
    };
    Ok((row.try_get("took_us")?, floor))
}

/// The floor of one queue.
#[derive(Debug, Default)]
pub(super) struct LastFloor(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    /// A look has been slow since.
    slow: bool,
    /// Until when what was read is good, and what that was if looks are to begin there.
    read: Option<(Instant, Option<Floor>)>,
    /// The earliest rows that this queue has added since it began to read, by lane.
    added: BTreeMap<i16, Timestamp>,
}

impl LastFloor {
    /// Where to begin, if not at the beginning, and for how long that is good. Reads it when it is time to; `lease` is how
    /// long claims are for, when they are asked for: leases of others that are shorter are met when it is read again.
    ///
    /// An injected clock stands still or leaps: no time that passes says how long a floor is good then.
    pub(super) async fn get(&self, hot: &Hot, lease: Option<Duration>) -> Option<(Floor, Duration)> {
        if hot.now().is_some() {
            return None;
        }
        if self.lock().begin(Instant::now()) {
            match read(hot, lease).await {
                Ok((took, floor)) => self.lock().set(floor, took, Instant::now()),
                Err(error) => tracing::warn!(%error, "where the queue's lanes begin could not be read"),
            }
        }
        self.lock().valid(Instant::now())
    }

    /// Tells how long a look took.
    pub(super) fn looked(&self, took: Duration) {
        if took >= SLOW {
            self.lock().slow = true;
        }
    }

    /// Tells of rows that are about to wait, by lane and time.
    pub(super) fn lower(&self, rows: impl Iterator<Item = (i16, Timestamp)>) {
        let mut last = self.lock();
        for (lane, due_at) in rows {
            let first = last.added.entry(lane).or_insert(due_at);
            *first = due_at.min(*first);
        }
    }

    /// Rows wait again that did before.
    pub(super) fn forget(&self) {
        self.lock().read = None;
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Last {
    fn valid(&self, now: Instant) -> Option<(Floor, Duration)> {
        let (until, floor) = self.read.as_ref()?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        let mut floor = floor.clone()?;
        for (lane, first) in (0..).zip(&mut floor.lanes) {
            *first = self.added.get(&lane).copied().map_or(*first, |added| added.min(*first));
        }
        Some((floor, left))
    }

    /// Whether it is time to read; if so, what is added from now on may be missing there.
    fn begin(&mut self, now: Instant) -> bool {
        let pinned = self.read.as_ref().is_some_and(|(_, floor)| floor.is_some());
        let over = self.read.as_ref().is_none_or(|(until, _)| now >= *until);
        let wanted = over && (pinned || self.slow);
        if wanted {
            self.added.clear();
        }
        wanted
    }

    /// A look was slow for another reason when this was not.
    fn set(&mut self, floor: Floor, took: Duration, now: Instant) {
        let until = now + rest_after(took).max(SHORTEST);
        self.read = Some((until, (took >= SLOW).then_some(floor)));
        self.slow = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_millis(200);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + chrono::TimeDelta::seconds(seconds)
    }

    fn floor() -> Floor {
        Floor {
            lanes: vec![at(100); 64],
            leases: at(100),
        }
    }

    #[test]
    fn looks_begin_at_the_beginning_as_long_as_they_are_quick() {
        let last = LastFloor::default();
        last.looked(QUICK);
        assert!(!last.lock().begin(Instant::now()));
        last.looked(SLOW);
        assert!(last.lock().begin(Instant::now()));
    }

    #[test]
    fn a_floor_is_good_for_a_multiple_of_what_it_took() {
        let (mut last, now) = (Last::default(), Instant::now());
        last.set(floor(), LONG, now);
        let rest = rest_after(LONG);
        assert_eq!(last.valid(now), Some((floor(), rest)));
        assert_eq!(last.valid(now + LONG), Some((floor(), rest - LONG)));
        assert!(!last.begin(now + LONG));
        assert_eq!(last.valid(now + rest), None);
        assert!(
            last.begin(now + rest),
            "what was pinned a moment ago is likely to be so still"
        );
    }

    #[test]
    fn what_was_slow_for_another_reason_is_not_asked_again_at_once() {
        let (mut last, now) = (Last::default(), Instant::now());
        last.set(floor(), QUICK, now);
        assert_eq!(last.valid(now), None, "looks begin at the beginning");
        assert!(!last.begin(now + SHORTEST));
        last.slow = true;
        assert!(!last.begin(now));
        assert!(last.begin(now + SHORTEST));
    }

    #[test]
    fn what_the_queue_adds_lowers_a_floor_that_is_being_read() {
        let (last, now) = (LastFloor::default(), Instant::now());
        last.lower([(3, at(1))].into_iter());
        last.looked(SLOW);
        assert!(
            last.lock().begin(now),
            "what was added before is seen by what is read now"
        );
        last.lower([(7, at(90)), (7, at(80)), (7, at(95)), (8, at(300))].into_iter());
        last.lock().set(floor(), LONG, now);
        let mut lowered = floor();
        lowered.lanes[7] = at(80);
        assert_eq!(last.lock().valid(now).map(|(floor, _)| floor), Some(lowered));
        last.forget();
        assert_eq!(last.lock().valid(now), None);
    }
}
