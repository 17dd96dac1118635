//! Where a look at the queue may begin.
//!
//! A row that is claimed or over leaves its entries in the indexes until the next vacuum, a minute's worth of them at
//! times, and whoever looks for the first row walks over them all. What was first at the last look is first still, or was:
//! leases begin in the present, and most rows are planned for a time to come. Where a row turns up that is older by more
//! than [`MARGIN`], it is found by the next look that begins at the beginning: there is one after [`LASTS`].

use std::sync::{Mutex, MutexGuard, PoisonError};

use baton_domain::time::Timestamp;
use tokio_postgres::{Row, types::Type};

use super::columns::{Param, param};

/// How far before what was first a look begins.
const MARGIN: &str = "INTERVAL '2 seconds'";
/// How long after a look that began at the beginning others may begin later.
const LASTS: &str = "INTERVAL '1 second'";

/// What a look tells the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    /// When somebody last looked from the beginning.
    looked_at: Timestamp,
    /// The time of the first row that was there; that of the look when there was none.
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
}

/// The parameters of [`floor_of`].
pub(crate) fn params(floor: Option<Floor>) -> [Param; 2] {
    [
        param(floor.map(|floor| floor.looked_at), Type::TIMESTAMPTZ),
        param(floor.map(|floor| floor.first), Type::TIMESTAMPTZ),
    ]
}

/// The time at which a look at `clock.now` begins, from the two parameters of a floor.
pub(super) fn floor_of(looked_at: &str, first: &str) -> String {
    format!(
        "CASE WHEN {looked_at}::timestamptz BETWEEN clock.now - {LASTS} AND clock.now
                THEN {first}::timestamptz - {MARGIN}
                ELSE '-infinity'::timestamptz END"
    )
}

/// A floor that each look replaces.
#[derive(Debug, Default)]
pub(crate) struct LastFloor(Mutex<Option<Floor>>);

impl LastFloor {
    pub(crate) fn get(&self) -> Option<Floor> {
        *self.lock()
    }

    pub(crate) fn set(&self, floor: Option<Floor>) {
        *self.lock() = floor;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Floor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
