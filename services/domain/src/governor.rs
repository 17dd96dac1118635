//! The governor: the pure function from an endpoint, its hints and a time to the endpoint's next run and its cause.
//!
//! Called by everything that plans a run and by previews; it never reads a clock or a store. What it decides, by row:
//!
//! | row | given | the next run |
//! |---|---|---|
//! | 1 | a cron baseline | at the cron's next time in its zone, never backed off |
//! | 2 | an interval baseline | a whole number of intervals after the anchor; the interval doubles with each failure in a row, up to five times and an hour |
//! | 3 | no baseline | none, until somebody asks for one |
//! | 4 | an interval hint in force | a whole number of hinted intervals after the anchor, instead of rows 2 and 3; beside a cron whichever comes first. A person's hint outranks a planner's |
//! | 5 | a one-shot hint | at its instant, if that is before the cadence of rows 1 to 4; a cadence time at the same instant uses it up, and one that is already due goes first |
//! | 6 | an interval outside the guardrails | a hinted one is moved inside; of a backed-off one only what backoff added is. The original is kept beside the cause |
//! | 7 | a hinted time closer than min_interval to the last claimed run | moved to that distance; a one-shot in the past means now |
//! | 8 | a cadence time | the first that is later than the cursor; when that has passed it is due at once and keeps its time. A hint whose first time had passed when it was written starts at once |
//! | 9 | a hinted time later than the hint's expiry | void: the rows above without that hint; an interval baseline not before the expiry |
//! | 10 | a pause | nothing before its end; times within it never come due |
//! | 11 | an archived endpoint or job, or a pause without end | none |
//!
//! Row 7 has one limit, so that plan steps in quick succession cannot push a hint's cadence ahead of them for ever: a
//! hinted time that would be moved behind the baseline's own gives way to the baseline.

mod cadence;
mod one_shot;
mod passed;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;

pub use one_shot::one_shot_due;
pub use passed::{behind_run, due_cadence, passed_over};

use crate::{
    endpoint::{Endpoint, EndpointState, EndpointStatus, Pause},
    hint::Hint,
    ids::{HintId, PlanId},
    job::JobStatus,
    run::{Cause, ClampedFrom, Source},
    time::{Timestamp, after},
};

/// Everything the next run depends on, but the time.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    pub endpoint: &'a Endpoint,
    /// `None` for an endpoint without a job.
    pub job_status: Option<JobStatus>,
    pub state: &'a EndpointState,
    /// In any order; expired ones are ignored.
    pub hints: &'a [Hint],
}

/// The next run of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The time that a cadence or hint names; it may have passed.
    pub planned_at: Timestamp,
    /// When it may start: not before `planned_at`, the end of a pause, or now.
    pub due_at: Timestamp,
    /// Since when it may start, where that has passed: `due_at` without the present.
    pub due_since: Timestamp,
    pub cause: Cause,
    pub source: Source,
    /// What was asked for, where a guardrail moved it.
    pub clamped_from: Option<ClampedFrom>,
    pub hint_id: Option<HintId>,
    pub plan_id: Option<PlanId>,
    pub reason: Option<String>,
    /// The one-shot that this run uses up: itself, or one that falls on the same instant.
    pub one_shot_id: Option<HintId>,
}

/// A possible next run, not yet weighed against the others.
#[derive(Debug, Clone)]
struct Candidate<'a> {
    planned_at: Timestamp,
    /// `planned_at`, moved behind pauses and expiries but not behind the present: what candidates are compared by.
    key: Timestamp,
    cause: Cause,
    clamped_from: Option<ClampedFrom>,
    hint: Option<&'a Hint>,
}

/// The next run as seen at `now`, or `None` when nothing will happen until somebody changes something.
pub fn next(inputs: Inputs<'_>, now: Timestamp) -> Option<Next> {
    let paused = pause_end(inputs)?;
    let cadence = cadence::candidate(inputs, paused, now);
    let one_shot = one_shot::candidate(inputs, paused, now);
    let since = inputs.state.changed_at;
    match (cadence, one_shot) {
        (None, None) => None,
        (Some(cadence), None) => Some(cadence.settled(since, now, None)),
        (None, Some(shot)) => Some(shot.settled(since, now, shot.hint)),
        // Equal instants: the cadence goes first and uses the one-shot up.
        (Some(cadence), Some(shot)) if cadence.key == shot.key => Some(cadence.settled(since, now, shot.hint)),
        // A one-shot in the past means now: a cadence time that is due goes before it.
        (Some(cadence), Some(shot)) if cadence.key <= shot.planned_at => Some(cadence.settled(since, now, None)),
        (Some(_), Some(shot)) => Some(shot.settled(since, now, shot.hint)),
    }
}

/// The next `count` runs if nothing else happened: the governor applied to its own answers.
pub fn preview(inputs: Inputs<'_>, now: Timestamp, count: usize) -> Vec<Next> {
    let mut state = inputs.state.clone();
    let mut hints = inputs.hints.to_vec();
    let mut now = now;
    let mut runs = Vec::new();
    while runs.len() < count {
        let then = Inputs {
            state: &state,
            hints: &hints,
            ..inputs
        };
        let Some(run) = next(then, now) else { break };
        now = run.due_at;
        state.last_planned_at = Some(run.planned_at);
        hints.retain(|hint| Some(hint.id) != run.one_shot_id);
        if run.cause.is_cadence() {
            state.anchor = run.planned_at;
            state.cursor = run.due_at;
        }
        runs.push(run);
    }
    runs
}

impl Candidate<'_> {
    fn settled(&self, changed_at: Timestamp, now: Timestamp, one_shot: Option<&Hint>) -> Next {
        let hint = self.hint;
        Next {
            planned_at: self.planned_at,
            due_at: self.key.max(now),
            due_since: self.planned_at.max(self.key).max(changed_at),
            cause: self.cause,
            source: hint.map_or(Source::BASELINE, |hint| hint.author.source()),
            clamped_from: self.clamped_from,
            hint_id: hint.map(|hint| hint.id),
            plan_id: hint.and_then(|hint| hint.plan_id),
            reason: hint.map(|hint| hint.reason.clone()).filter(|reason| !reason.is_empty()),
            one_shot_id: one_shot.map(|hint| hint.id),
        }
    }
}

/// Rows 10 and 11. `None`: no next time at all. `Some(None)`: never paused. Otherwise the later end of the pauses.
fn pause_end(inputs: Inputs<'_>) -> Option<Option<Timestamp>> {
    let gone = inputs.endpoint.status == EndpointStatus::Archived
        || inputs.job_status.is_some_and(|status| status != JobStatus::Active);
    let own = match inputs.endpoint.pause {
        _ if gone => return None,
        Some(Pause::UntilResumed) => return None,
        Some(Pause::Until(end)) => Some(end),
        None => None,
    };
    let hinted = inputs.hints.iter().filter(|hint| hint.is_pause());
    Some(own.max(hinted.map(|hint| hint.expires_at).max()))
}

/// Row 7: at least min_interval after the planned time of the last claimed run.
pub(crate) fn behind_last_run(endpoint: &Endpoint, last: Option<Timestamp>, at: Timestamp) -> Timestamp {
    last.map_or(at, |last| at.max(after(last, endpoint.min_interval)))
}
