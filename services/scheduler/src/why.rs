//! What the record says about one time, in sentences. Called by the command `why`; pure.

use baton_domain::{
    ports::TimeRecord,
    run::{Run, RunStatus},
    schedule::{BaselineTerms, ScheduleChange, Terms},
    time::Timestamp,
};

/// One line for each run, or one that says what was in force instead.
pub fn sentences(record: &TimeRecord, at: Timestamp) -> Vec<String> {
    if !record.runs.is_empty() {
        return record.runs.iter().map(of_run).collect();
    }
    let change = record.change.as_ref();
    vec![change.map_or_else(
        || "nothing is recorded that early".to_owned(),
        |change| of_change(change, at),
    )]
}

fn of_run(run: &Run) -> String {
    let cause = run.cause.as_str();
    let reason = run.reason.as_deref().unwrap_or("no reason recorded");
    let error = run
        .error
        .as_deref()
        .map(|error| format!(": {error}"))
        .unwrap_or_default();
    let lateness = run
        .started_at
        .map(|start| seconds(run.planned_at, start))
        .unwrap_or_default();
    let head = format!("run {} ({cause}, {})", run.id.0, run.source.as_str());
    match (run.status, run.missed) {
        (RunStatus::Skipped, Some(missed)) => format!(
            "{head}: skipped because of {reason}, with {} time(s) from {} to {}",
            missed.count,
            missed.first.to_rfc3339(),
            missed.last.to_rfc3339()
        ),
        (RunStatus::Skipped | RunStatus::Cancelled, _) => {
            format!("{head}: {} because of {reason}", run.status.as_str())
        }
        (RunStatus::Planned, _) if run.started_at.is_none() => {
            format!("{head}: waits, may start from {}", run.due_at.to_rfc3339())
        }
        (RunStatus::Planned, _) => format!("{head}: waits for attempt {}{error}", run.attempt + 1),
        (RunStatus::Running | RunStatus::Succeeded | RunStatus::Failed, _) => {
            let (status, attempt) = (run.status.as_str(), run.attempt);
            format!("{head}: {status} in attempt {attempt}, started {lateness} after its time{error}")
        }
    }
}

fn of_change(change: &ScheduleChange, at: Timestamp) -> String {
    let since = format!("since {} ({})", change.at.to_rfc3339(), change.trigger.as_str());
    match &change.terms {
        None => format!("not due: no schedule is recorded {since}"),
        Some(terms) => format!("not due: {} {since}", in_force(terms, at)),
    }
}

fn in_force(terms: &Terms, at: Timestamp) -> String {
    let mut pauses = terms
        .hints
        .iter()
        .filter(|hint| hint.kind == "pause" && hint.expires_at > at);
    if !terms.active {
        return "the endpoint is archived".to_owned();
    }
    if !terms.job_runs {
        return "its job is paused or archived".to_owned();
    }
    if let Some(pause) = terms.pause.filter(|pause| pause.until.is_none_or(|end| end > at)) {
        let end = pause.until.map_or("it is resumed".to_owned(), |end| end.to_rfc3339());
        return format!("the endpoint is paused until {end}");
    }
    if let Some(pause) = pauses.next() {
        return format!("a planner pauses the endpoint until {}", pause.expires_at.to_rfc3339());
    }
    match &terms.baseline {
        BaselineTerms::Cron { expression, zone } => format!("the schedule is cron {expression:?} in {zone}"),
        BaselineTerms::Interval { interval_us } => format!("the interval is {}", span(*interval_us)),
        BaselineTerms::Dormant => "the endpoint has no schedule of its own".to_owned(),
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> String {
    span((to - from).num_microseconds().unwrap_or(i64::MAX))
}

fn span(micros: i64) -> String {
    format!("{}.{:06} s", micros / 1_000_000, (micros % 1_000_000).abs())
}
