//! The governor: the pure function from an endpoint, its hints and a time to the endpoint's next run and its cause.
//!
//! Called by everything that plans a run and by previews; it never reads a clock or a store. Row numbers in comments are
//! those of the table in the crate documentation of [`crate::schedule`].

use std::time::Duration;

use crate::{
    endpoint::{Baseline, Endpoint, EndpointState, EndpointStatus, Pause},
    hint::{Author, Hint},
    ids::{HintId, PlanId},
    job::JobStatus,
    limits,
    run::{Cause, ClampedFrom, Missed, Source},
    time::{Timestamp, after, from_micros, micros},
};

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

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
    let cadence = cadence(inputs, paused, now);
    let one_shot = one_shot(inputs, paused, now);
    match (cadence, one_shot) {
        (None, None) => None,
        (Some(cadence), None) => Some(settled(&cadence, now, None)),
        (None, Some(shot)) => Some(settled(&shot, now, shot.hint)),
        // Equal instants: the cadence goes first and uses the one-shot up.
        (Some(cadence), Some(shot)) if cadence.key == shot.key => Some(settled(&cadence, now, shot.hint)),
        (Some(cadence), Some(shot)) if cadence.key < shot.key => Some(settled(&cadence, now, None)),
        (Some(_), Some(shot)) => Some(settled(&shot, now, shot.hint)),
    }
}

/// The next `count` runs if nothing else happened: the governor applied to its own answers.
pub fn preview(inputs: Inputs<'_>, now: Timestamp, count: usize) -> Vec<Next> {
    let mut state = inputs.state.clone();
    let mut hints = inputs.hints.to_vec();
    let mut now = now;
    let mut runs = Vec::new();
    while runs.len() < count {
        let Some(run) = next(
            Inputs {
                state: &state,
                hints: &hints,
                ..inputs
            },
            now,
        ) else {
            break;
        };
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

/// The cadence times after the anchor and the last change, up to and including `until`: how many, the first, the last.
pub fn passed_over(inputs: Inputs<'_>, until: Timestamp) -> Option<(Missed, Next)> {
    let mut state = inputs.state.clone();
    state.cursor = state.cursor.max(state.anchor).max(state.changed_at);
    let first = cadence_step(inputs, &state, until)?;
    let mut missed = Missed {
        first: first.planned_at,
        last: first.planned_at,
        count: 1,
    };
    advance(&mut state, &first);
    if let Some(rest) = skip_evenly(inputs, &state, until) {
        missed.last = rest.last;
        missed.count = missed.count.saturating_add(rest.count);
        return Some((missed, settled(&first, until, None)));
    }
    while let Some(candidate) = cadence_step(inputs, &state, until) {
        missed.last = candidate.planned_at;
        missed.count = missed.count.saturating_add(1);
        advance(&mut state, &candidate);
    }
    Some((missed, settled(&first, until, None)))
}

/// The next cadence time as it was due in its own time, if that was not after `until`.
fn cadence_step<'a>(inputs: Inputs<'a>, state: &EndpointState, until: Timestamp) -> Option<Candidate<'a>> {
    let Inputs {
        endpoint,
        job_status,
        hints,
        ..
    } = inputs;
    let paused = pause_end(inputs)?;
    let then = Inputs {
        endpoint,
        job_status,
        state,
        hints,
    };
    let candidate = cadence_of(then, endpoint, hints, paused, state.cursor)?;
    (candidate.key <= until).then_some(candidate)
}

fn advance(state: &mut EndpointState, candidate: &Candidate<'_>) {
    state.anchor = candidate.planned_at;
    state.cursor = candidate.key;
    state.last_planned_at = Some(candidate.planned_at);
}

/// For a plain interval without hints or pauses the remaining times are counted, not walked.
fn skip_evenly(inputs: Inputs<'_>, state: &EndpointState, until: Timestamp) -> Option<Missed> {
    let interval = inputs.endpoint.interval()?;
    if inputs.hints.iter().any(|hint| hint.interval().is_some())
        || pause_end(inputs)?.is_some_and(|end| end > state.cursor)
    {
        return None;
    }
    let step = micros(backed_off(inputs.endpoint, interval, state.failures).0);
    let span = (until - state.anchor).num_microseconds()?;
    let count = (span / step).max(0);
    let last = from_micros(state.anchor.timestamp_micros() + count * step);
    Some(Missed {
        first: last,
        last,
        count: u32::try_from(count).unwrap_or(u32::MAX),
    })
}

/// Rows 10 and 11. `None`: no next time at all. `Some(None)`: never paused. Otherwise the later end of the pauses.
fn pause_end(inputs: Inputs<'_>) -> Option<Option<Timestamp>> {
    let gone = inputs.endpoint.status == EndpointStatus::Archived
        || inputs.job_status.is_some_and(|status| status != JobStatus::Active);
    if gone || inputs.endpoint.pause == Some(Pause::UntilResumed) {
        return None;
    }
    let own = match inputs.endpoint.pause {
        Some(Pause::Until(end)) => Some(end),
        Some(Pause::UntilResumed) | None => None,
    };
    let hinted = inputs
        .hints
        .iter()
        .filter(|hint| hint.is_pause())
        .map(|hint| hint.expires_at)
        .max();
    Some(own.max(hinted))
}

/// Rows 1 to 4, 8 and 9.
fn cadence<'a>(inputs: Inputs<'a>, paused: Option<Timestamp>, now: Timestamp) -> Option<Candidate<'a>> {
    cadence_of(inputs, inputs.endpoint, inputs.hints, paused, now)
}

fn cadence_of<'a>(
    inputs: Inputs<'_>,
    endpoint: &'a Endpoint,
    hints: &'a [Hint],
    paused: Option<Timestamp>,
    now: Timestamp,
) -> Option<Candidate<'a>> {
    let state = inputs.state;
    let cursor = paused.map_or(state.cursor, |end| state.cursor.max(end));
    let floor = paused.unwrap_or(Timestamp::MIN_UTC);
    let hinted_or_interval = interval_like(endpoint, state, hints, cursor, floor, now);
    let Baseline::Cron(cron) = &endpoint.baseline else {
        return hinted_or_interval;
    };
    let cron = cron.next_after(cursor).map(|planned_at| Candidate {
        planned_at,
        key: planned_at.max(floor),
        cause: Cause::Cron,
        clamped_from: None,
        hint: None,
    });
    match (cron, hinted_or_interval) {
        (Some(cron), Some(hinted)) if hinted.key < cron.key => Some(hinted),
        (Some(cron), _) => Some(cron),
        (None, hinted) => hinted,
    }
}

/// Rows 2, 3, 4 and 9: the interval hint in force, or behind its expiry the next one, or the baseline interval.
fn interval_like<'a>(
    endpoint: &'a Endpoint,
    state: &EndpointState,
    hints: &'a [Hint],
    cursor: Timestamp,
    floor: Timestamp,
    now: Timestamp,
) -> Option<Candidate<'a>> {
    let mut floor = floor;
    loop {
        let Some(hint) = interval_hint(hints, floor.max(now)) else {
            return baseline_interval(endpoint, state, cursor, floor);
        };
        let candidate = hinted_interval(endpoint, state, hint, cursor, floor)?;
        if candidate.planned_at <= hint.expires_at {
            return Some(candidate);
        }
        floor = hint.expires_at;
    }
}

/// The fresh interval hint of the highest rank.
fn interval_hint(hints: &[Hint], at: Timestamp) -> Option<&Hint> {
    hints
        .iter()
        .filter(|hint| hint.interval().is_some() && hint.expires_at > at)
        .min_by_key(|hint| rank(hint))
}

fn rank(hint: &Hint) -> u8 {
    match hint.author {
        Author::Person => 0,
        Author::Planner => 1,
    }
}

/// Rows 2 and 8.
fn baseline_interval<'a>(
    endpoint: &Endpoint,
    state: &EndpointState,
    cursor: Timestamp,
    floor: Timestamp,
) -> Option<Candidate<'a>> {
    let interval = endpoint.interval()?;
    let (step, clamped_from) = backed_off(endpoint, interval, state.failures);
    let planned_at = phase_after(after(state.anchor, step), step, cursor);
    Some(Candidate {
        planned_at,
        key: planned_at.max(floor),
        cause: Cause::Interval,
        clamped_from,
        hint: None,
    })
}

/// The interval after `failures`, and what it would be without max_interval. Never below the interval itself.
fn backed_off(endpoint: &Endpoint, interval: Duration, failures: u32) -> (Duration, Option<ClampedFrom>) {
    let doubled = interval.saturating_mul(1 << failures.min(limits::BACKOFF_DOUBLINGS));
    let wanted = doubled.min(interval.max(limits::BACKOFF_CAP));
    let bounded = endpoint
        .max_interval
        .map_or(wanted, |max| wanted.min(max).max(interval));
    (bounded, (bounded != wanted).then_some(ClampedFrom::Interval(wanted)))
}

/// Rows 4, 6, 7 and 8.
fn hinted_interval<'a>(
    endpoint: &Endpoint,
    state: &EndpointState,
    hint: &'a Hint,
    cursor: Timestamp,
    floor: Timestamp,
) -> Option<Candidate<'a>> {
    let asked = hint.interval()?;
    let step = endpoint.clamp_hint_interval(asked);
    let first = after(state.anchor, step);
    // A first time already past when the hint was written: it starts at once and its cadence is anchored there.
    let first = if first <= hint.written_at {
        hint.written_at
    } else {
        first
    };
    let phase = phase_after(first, step, cursor);
    let planned_at = behind_last_run(endpoint, state, phase);
    let clamped_from = if step == asked {
        (planned_at != phase).then_some(ClampedFrom::Time(phase))
    } else {
        Some(ClampedFrom::Interval(asked))
    };
    Some(Candidate {
        planned_at,
        key: planned_at.max(floor),
        cause: Cause::HintInterval,
        clamped_from,
        hint: Some(hint),
    })
}

/// Rows 5, 7 and 9: the earliest one-shot that is not void; a person's goes first on equal times.
fn one_shot<'a>(inputs: Inputs<'a>, paused: Option<Timestamp>, now: Timestamp) -> Option<Candidate<'a>> {
    let Inputs {
        endpoint, state, hints, ..
    } = inputs;
    let floor = paused.unwrap_or(Timestamp::MIN_UTC);
    let candidates = hints.iter().filter_map(|hint| {
        let asked = hint.one_shot()?;
        let moved = behind_last_run(endpoint, state, asked);
        let key = moved.max(floor);
        let void = key.max(now) > hint.expires_at && !hint.held;
        let clamped_from = (moved != asked).then_some(ClampedFrom::Time(asked));
        let candidate = Candidate {
            planned_at: key.max(now),
            key,
            cause: Cause::HintOneShot,
            clamped_from,
            hint: Some(hint),
        };
        (!void).then_some((rank(hint), candidate))
    });
    candidates
        .min_by_key(|(rank, candidate)| (candidate.key, *rank))
        .map(|(_, candidate)| candidate)
}

/// Row 7: at least min_interval after the planned time of the last claimed run.
fn behind_last_run(endpoint: &Endpoint, state: &EndpointState, at: Timestamp) -> Timestamp {
    state
        .last_planned_at
        .map_or(at, |last| at.max(after(last, endpoint.min_interval)))
}

/// When a one-shot comes due, guardrails included, whatever the present.
pub fn one_shot_due(endpoint: &Endpoint, state: &EndpointState, asked: Timestamp) -> Timestamp {
    behind_last_run(endpoint, state, asked)
}

/// The first of `first`, `first + step`, `first + 2 × step` … that is later than `cursor`.
fn phase_after(first: Timestamp, step: Duration, cursor: Timestamp) -> Timestamp {
    if first > cursor {
        return first;
    }
    let step = micros(step);
    let behind = cursor.timestamp_micros() - first.timestamp_micros();
    from_micros(
        first
            .timestamp_micros()
            .saturating_add((behind / step + 1).saturating_mul(step)),
    )
}

fn settled(candidate: &Candidate<'_>, now: Timestamp, one_shot: Option<&Hint>) -> Next {
    let hint = candidate.hint;
    Next {
        planned_at: candidate.planned_at,
        due_at: candidate.key.max(now),
        cause: candidate.cause,
        source: hint.map_or(Source::BASELINE, |hint| hint.author.source()),
        clamped_from: candidate.clamped_from,
        hint_id: hint.map(|hint| hint.id),
        plan_id: hint.and_then(|hint| hint.plan_id),
        reason: hint.map(|hint| hint.reason.clone()).filter(|reason| !reason.is_empty()),
        one_shot_id: one_shot.map(|hint| hint.id),
    }
}
