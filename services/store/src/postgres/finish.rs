//! Ends of runs, a batch in one transaction of sets of rows.
//!
//! What an end means is decided in [`judge`]; how its rows are loaded and written is in `schedules`: locks and loads are one
//! round trip, all writes another.

use baton_domain::{
    ids::Chance,
    ports::{StoreResult, Topic},
    schedule::FinishedRun,
};

use super::{
    floor::LastFloor,
    schedules::{load, steps},
    session::Hot,
};
use crate::hot::{Answers, Requests, by_endpoint, judge};

/// Records what can be recorded here, in one transaction. Fails as a whole.
pub(super) async fn finish(
    hot: &Hot,
    floor: &LastFloor,
    reports: &[FinishedRun],
    chance: &dyn Chance,
) -> StoreResult<Answers> {
    let work = hot.work().await?;
    let endpoints = by_endpoint(reports).into_keys().collect();
    let runs = reports.iter().map(|report| report.run_id).collect();
    let loaded = load(&work, Requests::Left, endpoints, runs, hot.now()).await?;
    let (answers, writes) = judge(reports, loaded, chance);
    // Before anybody can see them.
    floor.lower(
        writes
            .plan_rows
            .iter()
            .chain(&writes.live)
            .map(|row| (row.lane, row.due_at)),
    );
    let steps = steps(writes);
    let written = !steps.is_empty();
    work.all_and_commit(steps).await?;
    if written {
        hot.wake(Topic::Queue);
    }
    Ok(answers)
}
