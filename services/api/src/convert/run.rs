//! Runs and planned runs between their proto and domain forms.

use baton_domain::{
    error::{Error, Violations},
    governor::Next,
    ids::{EndpointId, JobId, PlanId, UserId},
    limits,
    ports::{ChangeCursor, ChangedRun, RunFilter},
    run::{Cause, ClampedFrom, Missed, Run, RunStatus, Source},
    services::{Idempotency, Purpose, RunRequest, check_planned_at},
    time::Timestamp,
};
use baton_proto::v1 as pb;

use pb::watch_runs_response::Event;

use super::{Fields, page::Paging, repeat, time, watch};
use crate::trace;

/// Sources are short kebab-case words.
const SOURCE_CHARS: usize = 64;

pub(crate) fn read_submit(
    fields: &mut Fields,
    request: &pb::SubmitRunRequest,
    trace_parent: Option<String>,
) -> (RunRequest, Idempotency) {
    let run = RunRequest {
        endpoint_id: fields.id("endpoint_id", &request.endpoint_id, EndpointId),
        purpose: Purpose::Work,
        planned_at: fields.timestamp("planned_time", request.planned_time.as_ref()),
        trace_parent,
    };
    (run, repeat::read(fields, request))
}

pub(crate) fn read_test(request: &pb::TestEndpointRequest) -> Result<(RunRequest, Idempotency), Error> {
    let mut fields = Fields::default();
    let run = RunRequest {
        endpoint_id: fields.id("endpoint_id", &request.endpoint_id, EndpointId),
        purpose: Purpose::Test,
        planned_at: None,
        trace_parent: trace::parent(),
    };
    let idempotency = repeat::read(&mut fields, request);
    fields.done()?;
    Ok((run, idempotency))
}

/// Everything that is wrong with a submission of which something could not be read.
pub(crate) fn refuse_submit(fields: Fields, run: &RunRequest, now: Timestamp) -> Error {
    let check = |violations: &mut Violations| check_planned_at(run.planned_at.unwrap_or(now), now, violations);
    fields.refusal_with(check)
}

pub(crate) fn read_list(user: UserId, request: &pb::ListRunsRequest) -> Result<(RunFilter, Paging), Error> {
    let mut fields = Fields::default();
    let paging = Paging::read(&mut fields, request);
    let filter = RunFilter {
        user_id: user,
        job_id: fields.optional_id("job_id", request.job_id.as_deref(), JobId),
        endpoint_id: fields.optional_id("endpoint_id", request.endpoint_id.as_deref(), EndpointId),
        source: read_source(&mut fields, request.source.as_deref()),
        statuses: read_statuses(&mut fields, &request.statuses),
        plan_id: fields.optional_id("plan_id", request.plan_id.as_deref(), PlanId),
        from: fields.timestamp("from_time", request.from_time.as_ref()),
        to: fields.timestamp("to_time", request.to_time.as_ref()),
    };
    fields.done()?;
    Ok((filter, paging))
}

pub(super) fn read_source(fields: &mut Fields, source: Option<&str>) -> Option<Source> {
    let source = source?;
    let is_kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !(1..=SOURCE_CHARS).contains(&source.len()) || !source.bytes().all(is_kebab) {
        fields.push("source", "must be a word in kebab-case, such as baseline or ai-hint");
    }
    Some(Source::parse(source))
}

pub(super) fn read_statuses(fields: &mut Fields, statuses: &[i32]) -> Vec<RunStatus> {
    let mut read = Vec::with_capacity(RunStatus::ALL.len());
    for (index, status) in statuses.iter().enumerate() {
        match status_of_proto(*status) {
            Some(status) if read.contains(&status) => {}
            Some(status) => read.push(status),
            None => fields.push(
                &format!("statuses[{index}]"),
                format!("{status} is not a RunStatus to filter by"),
            ),
        }
    }
    read
}

fn status_of_proto(status: i32) -> Option<RunStatus> {
    match pb::RunStatus::try_from(status).ok()? {
        pb::RunStatus::Unspecified => None,
        pb::RunStatus::Planned => Some(RunStatus::Planned),
        pb::RunStatus::Running => Some(RunStatus::Running),
        pb::RunStatus::Succeeded => Some(RunStatus::Succeeded),
        pb::RunStatus::Failed => Some(RunStatus::Failed),
        pb::RunStatus::Cancelled => Some(RunStatus::Cancelled),
        pb::RunStatus::Skipped => Some(RunStatus::Skipped),
    }
}

/// How many times PreviewSchedule is to give.
pub(crate) fn read_count(fields: &mut Fields, count: i32) -> usize {
    match usize::try_from(count) {
        Ok(0) => limits::PREVIEW_DEFAULT,
        Ok(count) if count <= limits::PREVIEW_MAX => count,
        Ok(_) | Err(_) => {
            fields.push("count", format!("must be 0 to {}", limits::PREVIEW_MAX));
            limits::PREVIEW_DEFAULT
        }
    }
}

pub(crate) fn to_proto(run: &Run) -> pb::Run {
    pb::Run {
        id: run.id.to_string(),
        endpoint_id: run.endpoint_id.to_string(),
        job_id: run.job_id.map(|id| id.to_string()),
        status: status_to_proto(run.status).into(),
        source: run.source.as_str().to_owned(),
        cause: cause_to_proto(run.cause).into(),
        clamped_from: run.clamped_from.map(clamped_to_proto),
        planned_time: Some(time::timestamp(run.planned_at)),
        due_time: Some(time::timestamp(run.due_at)),
        start_time: run.started_at.map(time::timestamp),
        finish_time: run.finished_at.map(time::timestamp),
        duration: run.duration.map(time::duration),
        attempt: i32::try_from(run.attempt).unwrap_or(i32::MAX),
        status_code: run.status_code.map(i32::from),
        error: run.error.clone().unwrap_or_default(),
        response: run.response.clone(),
        response_truncated: run.response_truncated,
        reason: run.reason.clone().unwrap_or_default(),
        missed: run.missed.map(missed_to_proto),
        hint_id: run.hint_id.map(|id| id.to_string()),
        plan_id: run.plan_id.map(|id| id.to_string()),
        step: run.step.map(|step| i32::try_from(step).unwrap_or(i32::MAX)),
        plan_reason: run.plan_reason.clone().unwrap_or_default(),
    }
}

/// A change, with the cursor from which a watch goes on after it.
pub(crate) fn change_to_proto(changed: &ChangedRun) -> pb::WatchRunsResponse {
    pb::WatchRunsResponse {
        event: Some(Event::Run(to_proto(&changed.run))),
        cursor: watch::cursor(changed.at),
    }
}

/// A run of a snapshot.
pub(crate) fn snapshot_to_proto(changed: &ChangedRun) -> pb::WatchRunsResponse {
    pb::WatchRunsResponse {
        cursor: String::new(),
        ..change_to_proto(changed)
    }
}

/// What tells of no run, with the cursor from which a watch goes on.
pub(crate) fn progress_to_proto(event: Event, at: ChangeCursor) -> pb::WatchRunsResponse {
    pb::WatchRunsResponse {
        event: Some(event),
        cursor: watch::cursor(at),
    }
}

/// An endpoint's plan row.
pub(crate) fn planned_to_proto(run: &Run) -> pb::PlannedRun {
    pb::PlannedRun {
        planned_time: Some(time::timestamp(run.planned_at)),
        due_time: Some(time::timestamp(run.due_at)),
        source: run.source.as_str().to_owned(),
        cause: cause_to_proto(run.cause).into(),
        clamped_from: run.clamped_from.map(clamped_to_proto),
    }
}

/// A run that a preview foresees.
pub(crate) fn next_to_proto(next: &Next) -> pb::PlannedRun {
    pb::PlannedRun {
        planned_time: Some(time::timestamp(next.planned_at)),
        due_time: Some(time::timestamp(next.due_at)),
        source: next.source.as_str().to_owned(),
        cause: cause_to_proto(next.cause).into(),
        clamped_from: next.clamped_from.map(clamped_to_proto),
    }
}

pub(crate) fn status_to_proto(status: RunStatus) -> pb::RunStatus {
    match status {
        RunStatus::Planned => pb::RunStatus::Planned,
        RunStatus::Running => pb::RunStatus::Running,
        RunStatus::Succeeded => pb::RunStatus::Succeeded,
        RunStatus::Failed => pb::RunStatus::Failed,
        RunStatus::Cancelled => pb::RunStatus::Cancelled,
        RunStatus::Skipped => pb::RunStatus::Skipped,
    }
}

fn cause_to_proto(cause: Cause) -> pb::Cause {
    match cause {
        Cause::Cron => pb::Cause::Cron,
        Cause::Interval => pb::Cause::Interval,
        Cause::HintInterval => pb::Cause::HintInterval,
        Cause::HintOneShot => pb::Cause::HintOneshot,
        Cause::PlanStep => pb::Cause::PlanStep,
        Cause::Manual => pb::Cause::Manual,
        Cause::Retry => pb::Cause::Retry,
        Cause::Test => pb::Cause::Test,
    }
}

fn clamped_to_proto(clamped: ClampedFrom) -> pb::ClampedFrom {
    use pb::clamped_from::Original;
    let original = match clamped {
        ClampedFrom::Interval(interval) => Original::Interval(time::duration(interval)),
        ClampedFrom::Time(at) => Original::Time(time::timestamp(at)),
    };
    pb::ClampedFrom {
        original: Some(original),
    }
}

fn missed_to_proto(missed: Missed) -> pb::MissedWindow {
    pb::MissedWindow {
        first_time: Some(time::timestamp(missed.first)),
        last_time: Some(time::timestamp(missed.last)),
        count: i32::try_from(missed.count).unwrap_or(i32::MAX),
    }
}
