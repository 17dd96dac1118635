//! The change feed of runs: what a watch reads, in an order that everybody who shares the store agrees on.
//!
//! Each write transaction has a number, and each run carries that of the last one that changed it. Changes are read by
//! (number, run id), and only below the number of the oldest transaction that is still open: what a slower transaction
//! is about to add never falls behind a reader. A run that changed again has moved on in the order, so a reader gets each
//! run as it is, and the end of a run, after which nothing changes, exactly once.

use async_trait::async_trait;
use uuid::Uuid;

use crate::{ids::UserId, run::Run};

use super::StoreResult;

/// A place between two changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeCursor {
    /// Number of a transaction.
    pub number: i64,
    /// The run whose change in it was the last before this place; nil before the first.
    pub run: Uuid,
}

impl ChangeCursor {
    /// Before everything that was ever changed.
    pub const START: Self = Self::before(0);

    /// Before the first change of a transaction.
    pub const fn before(number: i64) -> Self {
        Self {
            number,
            run: Uuid::nil(),
        }
    }
}

/// Which changes to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Only changes beyond this place.
    pub after: ChangeCursor,
    /// Only changes up to this place.
    pub until: Option<ChangeCursor>,
    /// Only runs that are not over.
    pub live_only: bool,
    /// Whose runs; those of others are passed over.
    pub users: Vec<UserId>,
    /// How many changes to look at, of whomever.
    pub limit: usize,
    /// Ends the reading before the responses it gives, and [`RUN_BYTES`](super::RUN_BYTES) for each, exceed this; the first is given
    /// in any case.
    pub bytes: usize,
}

/// A run as a change left it, and the place right after that change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedRun {
    pub at: ChangeCursor,
    pub run: Run,
}

/// A stretch of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In order.
    pub runs: Vec<ChangedRun>,
    /// Where to read on: everything before this place has been looked at.
    pub next: ChangeCursor,
    /// True when nothing more was there to be read.
    pub is_last: bool,
}

/// What a place in the feed gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    Changes(Changes),
    /// Changes beyond the place have been removed by retention.
    Dropped,
    /// The place is ahead of everything: it is of another database, or of one before it was restored.
    Ahead,
}

/// The feed. An endpoint's plan row is not in it: it is rewritten whenever its schedule moves.
#[async_trait]
pub trait ChangesRepo {
    /// The place beyond everything that is final by now.
    async fn change_head(&mut self) -> StoreResult<ChangeCursor>;
    async fn read_changes(&mut self, query: &ChangeQuery) -> StoreResult<Feed>;
}
