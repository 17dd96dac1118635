//! Claims of single rows within a claim's transaction, by the domain's own transition.
//!
//! For the few rows that the claim's statement leaves: their endpoint's next time is planned at once, or a cooldown may
//! stand against them, which is the domain's to decide. Their endpoints are locked already; called by `queue`.

use baton_domain::{
    ids::{Chance, EndpointId, RunId},
    ports::StoreResult,
    run::RunStatus,
    services::{Claim, ClaimedRun},
    time::Timestamp,
};

use super::{
    columns::Place,
    schedules::{load, steps},
    session::Work,
};
use crate::hot::{Loaded, Requests, Writes};

/// A row that was due when its endpoint was locked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DueRow {
    pub run: RunId,
    pub endpoint: EndpointId,
    /// Of the row, as it was seen before the lock.
    pub place: Place,
    /// Of the endpoint's state.
    pub state: Place,
}

/// What became of the rows.
#[derive(Default)]
pub(crate) struct Apart {
    pub claimed: Vec<ClaimedRun>,
    /// A cooldown stands against these; they are as they were. What it makes of them may concern plans, which are not the
    /// hot path's.
    pub cooling: Vec<RunId>,
}

/// Hands the rows over at `now`, as far as they may start, and writes what that changes.
pub(crate) async fn claim_apart(
    work: &Work,
    claim: &Claim,
    due: &[DueRow],
    now: Timestamp,
    chance: &dyn Chance,
) -> StoreResult<Apart> {
    let endpoints = due.iter().map(|row| row.endpoint).collect();
    let runs = due.iter().map(|row| row.run).collect();
    let Loaded {
        mut schedules,
        mut rows,
        ..
    } = load(work, Requests::Read, endpoints, runs, Some(now)).await?;
    let holder = claim.holder(now);
    let mut writes = Writes::default();
    let mut apart = Apart::default();
    for DueRow { run, endpoint, .. } in due {
        // At most one row an endpoint is due.
        let (Some(row), Some(mut schedule)) = (rows.remove(run), schedules.remove(endpoint)) else {
            continue;
        };
        if row.run.status != RunStatus::Planned || row.run.due_at > now {
            // Claimed or moved just before the lock.
            continue;
        }
        if schedule.cooling(&row, now).is_some() {
            apart.cooling.push(*run);
            continue;
        }
        let row = schedule.claim(row, &holder, now, chance);
        apart.claimed.push(ClaimedRun::of(&row, &schedule));
        writes.add_live(&row);
        writes.add_schedule(&schedule);
    }
    work.all(steps(writes)).await?;
    Ok(apart)
}
