//! Rows 1 to 4 and 6 to 9: the next time that a cron, an interval or an interval hint gives.
//!
//! Called by the governor for the next run, and by the account of passed times, which asks with a state in the past.

use std::time::Duration;

use crate::{
    endpoint::{Baseline, Endpoint},
    hint::{Author, Hint},
    limits,
    run::{Cause, ClampedFrom},
    time::{Timestamp, after, from_micros, micros},
};

use super::{Candidate, Inputs, behind_last_run};

/// The next cadence time as seen at `now`. `paused` is the later end of the pauses.
pub(super) fn candidate<'a>(inputs: Inputs<'a>, paused: Option<Timestamp>, now: Timestamp) -> Option<Candidate<'a>> {
    let view = View::new(inputs, paused);
    let hinted_or_interval = view.hinted_or_interval(now);
    let Baseline::Cron(cron) = &inputs.endpoint.baseline else {
        return hinted_or_interval;
    };
    // Times recorded as skipped behind one that still waits are over, though the cursor has not moved yet.
    let accounted = view.cursor.max(inputs.state.anchor);
    let cron = cron.next_after(accounted).map(|planned_at| Candidate {
        planned_at,
        key: planned_at,
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

/// The even gap at which times follow a candidate, and until when that holds. `None` where they have to be walked.
pub(super) fn stride(inputs: Inputs<'_>, candidate: &Candidate<'_>) -> Option<(Duration, Timestamp)> {
    if let Some(hint) = candidate.hint {
        let alone = !matches!(inputs.endpoint.baseline, Baseline::Cron(_));
        let step = inputs.endpoint.clamp_hint_interval(hint.interval()?);
        return alone.then_some((step, hint.expires_at));
    }
    let step = backed_off(inputs.endpoint, inputs.endpoint.interval()?, inputs.state.failures).0;
    interval_hint(inputs.hints, candidate.key)
        .is_none()
        .then_some((step, Timestamp::MAX_UTC))
}

/// What the rules for intervals look at.
#[derive(Clone, Copy)]
struct View<'a> {
    inputs: Inputs<'a>,
    /// Times up to here are over; the end of a pause counts.
    cursor: Timestamp,
    /// Nothing starts before this.
    floor: Timestamp,
}

impl<'a> View<'a> {
    fn new(inputs: Inputs<'a>, paused: Option<Timestamp>) -> Self {
        let floor = paused.unwrap_or(Timestamp::MIN_UTC);
        let cursor = inputs.state.cursor.max(floor);
        Self { inputs, cursor, floor }
    }

    /// Rows 2, 3, 4 and 9: the interval hint in force, or behind its expiry the next one, or the baseline interval.
    fn hinted_or_interval(self, now: Timestamp) -> Option<Candidate<'a>> {
        let mut view = self;
        loop {
            let Some(hint) = interval_hint(self.inputs.hints, view.floor.max(now)) else {
                return view.baseline();
            };
            let candidate = view.hinted(hint)?;
            if candidate.planned_at <= hint.expires_at {
                return Some(candidate);
            }
            view.floor = hint.expires_at;
        }
    }

    /// Rows 2 and 8.
    fn baseline(self) -> Option<Candidate<'a>> {
        let Inputs { endpoint, state, .. } = self.inputs;
        let (step, clamped_from) = backed_off(endpoint, endpoint.interval()?, state.failures);
        let planned_at = phase_after(after(state.anchor, step), step, self.cursor);
        Some(Candidate {
            planned_at,
            key: planned_at.max(self.floor),
            cause: Cause::Interval,
            clamped_from,
            hint: None,
        })
    }

    /// Rows 4, 6, 7 and 8.
    fn hinted(self, hint: &'a Hint) -> Option<Candidate<'a>> {
        let Inputs { endpoint, state, .. } = self.inputs;
        let asked = hint.interval()?;
        let step = endpoint.clamp_hint_interval(asked);
        let phase = hinted_phase(state.anchor, step, hint.written_at, self.cursor);
        let planned_at = behind_last_run(endpoint, state.last_planned_at, phase);
        let moved = (planned_at != phase).then_some(ClampedFrom::Time(phase));
        let hinted = Candidate {
            planned_at,
            key: planned_at.max(self.floor),
            cause: Cause::HintInterval,
            clamped_from: if step == asked {
                moved
            } else {
                Some(ClampedFrom::Interval(asked))
            },
            hint: Some(hint),
        };
        // The limit of row 7, for a time that is not void anyway.
        let floor = self.floor.max(phase);
        let gives_way = moved.is_some() && phase <= hint.expires_at;
        let baseline = Self { floor, ..self }.baseline().filter(|_| gives_way);
        Some(baseline.filter(|baseline| baseline.key < hinted.key).unwrap_or(hinted))
    }
}

/// The fresh interval hint of the highest rank.
fn interval_hint(hints: &[Hint], at: Timestamp) -> Option<&Hint> {
    let fresh = hints
        .iter()
        .filter(|hint| hint.interval().is_some() && hint.expires_at > at);
    fresh.min_by_key(|hint| rank(hint))
}

/// A person's hint outranks a planner's.
pub(super) fn rank(hint: &Hint) -> u8 {
    match hint.author {
        Author::Person => 0,
        Author::Planner => 1,
    }
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

/// Row 8 for a hint: a first time that had passed when it was written starts at once, and its cadence is anchored there.
fn hinted_phase(anchor: Timestamp, step: Duration, written_at: Timestamp, cursor: Timestamp) -> Timestamp {
    let first = after(anchor, step);
    if first > written_at {
        return phase_after(first, step, cursor);
    }
    // Written in the very instant that the cursor stands for: it has not been passed yet.
    if cursor == written_at {
        return written_at;
    }
    phase_after(written_at, step, cursor)
}

/// The first of `first`, `first + step`, `first + 2 × step` … that is later than `cursor`.
pub(super) fn phase_after(first: Timestamp, step: Duration, cursor: Timestamp) -> Timestamp {
    if first > cursor {
        return first;
    }
    let step = micros(step).max(1);
    let behind = cursor.timestamp_micros() - first.timestamp_micros();
    let steps = (behind / step).saturating_add(1);
    from_micros(first.timestamp_micros().saturating_add(steps.saturating_mul(step)))
}
