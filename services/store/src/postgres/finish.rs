//! Ends of runs, a batch in one transaction of sets of rows.
//!
//! What an end means is decided by the domain, in [`settle`]; how its rows are loaded and written is in `schedules`: locks
//! and loads are one round trip, all writes another. Ends that concern planners touch rows that are not the hot path's; they
//! are left to the general way, an endpoint at a time, so that reports of one endpoint are never reordered.

use std::collections::BTreeMap;

use baton_domain::{
    error::StoreError,
    ids::{Chance, EndpointId},
    ports::{StoreResult, Topic},
    schedule::{FinishedRun, Settled},
    services::settle,
};

use super::{
    schedules::{Requests, Writes, load},
    session::Hot,
};

/// What became of a batch: an answer for each report, `None` for those that are left to the general way.
pub(crate) type Answers = Vec<Option<Settled>>;

/// Records what can be recorded here, in one transaction. Fails as a whole.
pub(crate) async fn finish(hot: &Hot, reports: &[FinishedRun], chance: &dyn Chance) -> StoreResult<Answers> {
    let work = hot.work().await?;
    let endpoints = by_endpoint(reports).into_keys().collect();
    let runs = reports.iter().map(|report| report.run_id).collect();
    let mut loaded = load(&work, Requests::Left, endpoints, runs, hot.now()).await?;
    let mut answers: Answers = vec![None; reports.len()];
    let mut writes = Writes::default();
    for positions in by_endpoint(reports).into_values() {
        let theirs: Vec<FinishedRun> = positions.iter().map(|position| reports[*position].clone()).collect();
        let now = loaded.now;
        let (settled, ends) = settle(&theirs, &mut loaded.schedules, &mut loaded.rows, now, chance);
        let schedule = loaded.schedules.remove(&theirs[0].endpoint_id);
        let elsewhere = ends.over.iter().any(|over| over.concerns_planners())
            || schedule.as_ref().is_some_and(|schedule| schedule.dirty.endpoint);
        if elsewhere {
            continue;
        }
        for (position, settled) in positions.into_iter().zip(settled) {
            answers[position] = Some(settled);
        }
        if let Some(schedule) = &schedule {
            writes.add_schedule(schedule);
        }
        writes.add_ends(ends);
    }
    let steps = writes.into_steps();
    let written = !steps.is_empty();
    work.all_and_commit(steps).await?;
    if written {
        hot.wake(Topic::Queue);
    }
    Ok(answers)
}

/// The positions of the reports of each endpoint, in order.
fn by_endpoint(reports: &[FinishedRun]) -> BTreeMap<EndpointId, Vec<usize>> {
    let mut positions: BTreeMap<EndpointId, Vec<usize>> = BTreeMap::new();
    for (position, report) in reports.iter().enumerate() {
        positions.entry(report.endpoint_id).or_default().push(position);
    }
    positions
}

/// True when the same batch may fail again for what one of its reports carries; not when the database is away.
pub(crate) fn is_about_rows(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) => false,
        StoreError::Conflict(_) | StoreError::Broken(_) => true,
    }
}
