//! Runs: the queue, the history and the kept attempts share their columns, and the two macros that map them.

use baton_domain::{
    error::StoreError,
    ids::{EndpointId, HintId, JobId, PlanId, RunId, UserId},
    ports::StoreResult,
    run::{Cause, ClampedFrom, LiveRun, Missed, Run, RunStatus, Slot, Source, lane_of},
    time::Timestamp,
};

use super::{broken, duration, duration_opt, micros_opt, number, word};
use crate::entity::{live_run, run_attempt, run_history};

/// Stands for the number of the writing transaction until the row is written.
pub const UNSTAMPED: i64 = 0;

/// Builds a row of one of the three tables: the columns named, and those of the run.
macro_rules! run_row {
    ($table:ident, $run:expr, { $($column:ident: $value:expr),* $(,)? }) => {
        $table::Model {
            $($column: $value,)*
            endpoint_id: $run.endpoint_id.0,
            job_id: $run.job_id.map(|job| job.0),
            user_id: $run.user_id.0.clone(),
            status: $run.status.as_str().to_owned(),
            source: $run.source.as_str().to_owned(),
            cause: $run.cause.as_str().to_owned(),
            clamped_from_us: micros_opt($run.clamped_from.and_then(clamped_interval)),
            clamped_from_at: $run.clamped_from.and_then(clamped_time),
            planned_at: $run.planned_at,
            due_at: $run.due_at,
            started_at: $run.started_at,
            finished_at: $run.finished_at,
            duration_us: micros_opt($run.duration),
            attempt: i64::from($run.attempt),
            status_code: $run.status_code.map(i32::from),
            error: $run.error.clone(),
            response: Some($run.response.clone()).filter(|response| !response.is_empty()),
            response_truncated: $run.response_truncated,
            reason: $run.reason.clone(),
            missed_first: $run.missed.map(|missed| missed.first),
            missed_last: $run.missed.map(|missed| missed.last),
            missed_count: $run.missed.map(|missed| i64::from(missed.count)),
            hint_id: $run.hint_id.map(|hint| hint.0),
            plan_id: $run.plan_id.map(|plan| plan.0),
            step: $run.step.map(i64::from),
            plan_reason: $run.plan_reason.clone(),
        }
    };
}

/// Reads the run from a row of one of the three tables.
macro_rules! run_from {
    ($id:expr, $row:expr) => {
        Run {
            id: RunId($id),
            endpoint_id: EndpointId($row.endpoint_id),
            job_id: $row.job_id.map(JobId),
            user_id: UserId($row.user_id),
            status: word("runs.status", &$row.status, RunStatus::parse)?,
            source: Source::parse(&$row.source),
            cause: word("runs.cause", &$row.cause, Cause::parse)?,
            clamped_from: clamped_of($row.clamped_from_us, $row.clamped_from_at)?,
            planned_at: $row.planned_at,
            due_at: $row.due_at,
            started_at: $row.started_at,
            finished_at: $row.finished_at,
            duration: duration_opt("runs.duration_us", $row.duration_us)?,
            attempt: number("runs.attempt", $row.attempt)?,
            status_code: $row
                .status_code
                .map(|code| number("runs.status_code", i64::from(code)))
                .transpose()?,
            error: $row.error,
            response: $row.response.unwrap_or_default(),
            response_truncated: $row.response_truncated,
            reason: $row.reason,
            missed: missed_of($row.missed_first, $row.missed_last, $row.missed_count)?,
            hint_id: $row.hint_id.map(HintId),
            plan_id: $row.plan_id.map(PlanId),
            step: $row.step.map(|step| number("runs.step", step)).transpose()?,
            plan_reason: $row.plan_reason,
        }
    };
}

pub fn live_row(live: &LiveRun) -> live_run::Model {
    run_row!(live_run, live.run, {
        id: live.run.id.0,
        slot: live.slot.as_str().to_owned(),
        lane: i16::from(lane_of(&live.run.user_id)),
        fence: live.fence,
        losses: i64::from(live.losses),
        lease_owner: live.lease_owner.clone(),
        lease_until: live.lease_until,
        one_shot_id: live.one_shot_id.map(|hint| hint.0),
        trace_parent: live.trace_parent.clone(),
        host: live.host.clone(),
        changed_in: UNSTAMPED,
    })
}

pub fn live_of(row: live_run::Model) -> StoreResult<LiveRun> {
    Ok(LiveRun {
        slot: word("live_runs.slot", &row.slot, Slot::parse)?,
        fence: row.fence,
        losses: number("live_runs.losses", row.losses)?,
        lease_owner: row.lease_owner,
        lease_until: row.lease_until,
        one_shot_id: row.one_shot_id.map(HintId),
        trace_parent: row.trace_parent,
        host: row.host,
        run: run_from!(row.id, row),
    })
}

pub fn history_row(run: &Run) -> run_history::Model {
    run_row!(run_history, run, { id: run.id.0, changed_in: UNSTAMPED })
}

/// Also for rows of the queue that were read with the history's columns.
pub fn run_of(row: run_history::Model) -> StoreResult<Run> {
    Ok(run_from!(row.id, row))
}

/// The `id` is the database's to give.
pub fn attempt_row(run: &Run) -> run_attempt::Model {
    run_row!(run_attempt, run, { id: 0, run_id: run.id.0 })
}

pub fn attempt_of(row: run_attempt::Model) -> StoreResult<Run> {
    Ok(run_from!(row.run_id, row))
}

fn clamped_interval(from: ClampedFrom) -> Option<std::time::Duration> {
    match from {
        ClampedFrom::Interval(interval) => Some(interval),
        ClampedFrom::Time(_) => None,
    }
}

fn clamped_time(from: ClampedFrom) -> Option<Timestamp> {
    match from {
        ClampedFrom::Interval(_) => None,
        ClampedFrom::Time(at) => Some(at),
    }
}

fn clamped_of(interval: Option<i64>, at: Option<Timestamp>) -> StoreResult<Option<ClampedFrom>> {
    match (interval, at) {
        (None, None) => Ok(None),
        (Some(interval), None) => Ok(Some(ClampedFrom::Interval(duration("runs.clamped_from_us", interval)?))),
        (None, Some(at)) => Ok(Some(ClampedFrom::Time(at))),
        (Some(_), Some(_)) => Err(broken("runs.clamped_from_us, clamped_from_at", "both are filled")),
    }
}

fn missed_of(
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    count: Option<i64>,
) -> Result<Option<Missed>, StoreError> {
    match (first, last, count) {
        (None, None, None) => Ok(None),
        (Some(first), Some(last), Some(count)) => Ok(Some(Missed {
            first,
            last,
            count: number("runs.missed_count", count)?,
        })),
        _ => Err(broken(
            "runs.missed_first, missed_last, missed_count",
            "only some are filled",
        )),
    }
}
