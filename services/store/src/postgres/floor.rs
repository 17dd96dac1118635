//! Where a look at the queue may begin.
//!
//! A row that is claimed or over leaves its entries in the indexes until the next vacuum, a minute's worth of them at
//! times, and whoever looks for the first row walks over them all. What was first at the last look is first still, or was:
//! leases begin in the present, and most rows are planned for a time to come. A row that turns up before is found by the
//! next look that begins at the beginning: there is one after [`LASTS`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use baton_domain::time::Timestamp;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::columns::{Param, param};

/// How far before what was first a look at leases begins: those of another scheduler may be shorter.
const MARGIN: &str = "INTERVAL '2 seconds'";
/// How long after a look that began at the beginning others may begin later.
const LASTS: &str = "INTERVAL '1 second'";

const LANES: usize = 64;

/// What a look at leases tells the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    /// When somebody last looked from the beginning.
    looked_at: Timestamp,
    /// When the first lease ended; the time of the look when there was none.
    first: Timestamp,
}

impl Floor {
    /// From a row with both, as columns of these names.
    pub(crate) fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            looked_at: row.try_get("looked_at")?,
            first: row.try_get("first")?,
        })
    }

    /// The parameters of [`floor_of`].
    pub(crate) fn params(floor: Option<Self>) -> [Param; 2] {
        [
            param(floor.map(|floor| floor.looked_at), Type::TIMESTAMPTZ),
            param(floor.map(|floor| floor.first), Type::TIMESTAMPTZ),
        ]
    }
}

/// The time at which a look at `clock.now` begins, from the two parameters of a floor.
pub(super) fn floor_of(looked_at: &str, first: &str) -> String {
    format!(
        "CASE WHEN {} THEN {first}::timestamptz - {MARGIN} ELSE '-infinity'::timestamptz END",
        lasts(looked_at)
    )
}

/// Whether a look at `clock.now` may begin where that at `looked_at` did.
pub(super) fn lasts(looked_at: &str) -> String {
    format!("COALESCE({looked_at}::timestamptz BETWEEN clock.now - {LASTS} AND clock.now, FALSE)")
}

/// Where the lanes begin: what a look at waiting rows tells the next one.
#[derive(Debug, Clone)]
pub(crate) struct Starts {
    /// When somebody last looked from the beginning.
    looked_at: Timestamp,
    /// The first row of each lane that had one.
    due_at: Vec<Option<Timestamp>>,
    ids: Vec<Option<Uuid>>,
}

impl Starts {
    /// From the first row of a look, `None` where no lane had anything.
    pub(crate) fn of(row: &Row) -> Result<Option<Self>, tokio_postgres::Error> {
        let lanes: Option<Vec<i16>> = row.try_get("lanes")?;
        let Some(lanes) = lanes else {
            return Ok(None);
        };
        let firsts: Vec<Timestamp> = row.try_get("firsts")?;
        let first_ids: Vec<Uuid> = row.try_get("first_ids")?;
        let (mut due_at, mut ids) = (vec![None; LANES], vec![None; LANES]);
        for ((lane, first), id) in lanes.into_iter().zip(firsts).zip(first_ids) {
            let lane = usize::try_from(lane).unwrap_or(LANES);
            if let (Some(due_at), Some(place)) = (due_at.get_mut(lane), ids.get_mut(lane)) {
                *due_at = Some(first);
                *place = Some(id);
            }
        }
        Ok(Some(Self {
            looked_at: row.try_get("looked_at")?,
            due_at,
            ids,
        }))
    }

    /// Parameters: the time of the look, and by lane the times and ids to begin with.
    pub(crate) fn params(starts: Option<Self>) -> [Param; 3] {
        let (looked_at, due_at, ids) = starts.map_or((None, None, None), |starts| {
            (Some(starts.looked_at), Some(starts.due_at), Some(starts.ids))
        });
        [
            param(looked_at, Type::TIMESTAMPTZ),
            param(due_at, Type::TIMESTAMPTZ_ARRAY),
            param(ids, Type::UUID_ARRAY),
        ]
    }
}

/// What each look replaces.
#[derive(Debug)]
pub(crate) struct Last<T>(Mutex<Option<T>>);

impl<T> Default for Last<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Last<T> {
    pub(crate) fn get(&self) -> Option<T> {
        self.lock().clone()
    }

    pub(crate) fn set(&self, last: Option<T>) {
        *self.lock() = last;
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
