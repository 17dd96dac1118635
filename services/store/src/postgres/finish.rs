//! Ends of runs, a batch in one transaction of sets of rows.
//!
//! Plain ends go first, without a look at what they do not touch (see `plain`). What the others mean is decided in [`judge`];
//! how their rows are loaded and written is in `schedules`: locks and loads are one round trip, all writes another.

use baton_domain::{
    ids::Chance,
    ports::{StoreResult, Topic},
    schedule::FinishedRun,
};

use super::{
    floor::LastFloor,
    plain::end_plainly,
    schedules::{load, steps},
    session::{Hot, Step, Work, notify},
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
    let plain = end_plainly(&work, reports, hot.now()).await?;
    let rest = plain.rest_of(reports);
    let (answers, mut steps) = end_rest(&work, hot, floor, &rest, chance).await?;
    if steps.is_empty() && !plain.is_empty() {
        steps.push(notify(Topic::Queue));
    }
    let written = !steps.is_empty();
    work.all_and_commit(steps).await?;
    if written {
        hot.wake(Topic::Queue);
    }
    Ok(plain.and(answers, reports))
}

/// What remains to be written, last of all that the transaction does.
async fn end_rest(
    work: &Work,
    hot: &Hot,
    floor: &LastFloor,
    reports: &[FinishedRun],
    chance: &dyn Chance,
) -> StoreResult<(Answers, Vec<Step>)> {
    if reports.is_empty() {
        return Ok(Default::default());
    }
    let endpoints = by_endpoint(reports).into_keys().collect();
    let runs = reports.iter().map(|report| report.run_id).collect();
    let loaded = load(work, Requests::Left, endpoints, runs, hot.now()).await?;
    let (answers, writes) = judge(reports, loaded, chance);
    // Before anybody can see them.
    floor.lower(
        writes
            .plan_rows
            .iter()
            .chain(&writes.live)
            .map(|row| (row.lane, row.due_at)),
    );
    Ok((answers, steps(writes)))
}
