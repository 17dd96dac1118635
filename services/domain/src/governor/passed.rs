//! The account of cadence times that have passed: which were due, judged by the hints of their own time.
//!
//! Called by the schedule whenever it moves past times that will not run any more. Times that follow each other evenly
//! are counted, not walked: a long outage of a fast endpoint costs a few steps. Only crons are walked.

use crate::{
    endpoint::EndpointState,
    run::Missed,
    time::{Timestamp, after, elapsed, from_micros, micros},
};

use super::{Candidate, Inputs, Next, cadence, one_shot, pause_end};

/// The cadence time that has come due by `now` and waits, as it was planned after the last change: hints that have
/// expired since count as long as they are there.
pub fn due_cadence(inputs: Inputs<'_>, now: Timestamp) -> Option<Next> {
    let paused = pause_end(inputs)?;
    let then = accounted(inputs.state);
    let candidate = cadence::candidate(inputs, paused, then).filter(|candidate| candidate.key <= now)?;
    let shot = one_shot::candidate(inputs, paused, candidate.key).filter(|shot| shot.key == candidate.key);
    Some(candidate.settled(inputs.state.changed_at, now, shot.and_then(|shot| shot.hint)))
}

/// The state as it counts for what follows a cadence run in flight: times up to the last change are over.
pub fn behind_run(state: &EndpointState) -> EndpointState {
    EndpointState {
        cursor: accounted(state),
        ..state.clone()
    }
}

/// The cadence times after the anchor and the last change, up to and including `until`: how many, the first and the last.
/// The `Next` is the first of them as it would have run.
pub fn passed_over(inputs: Inputs<'_>, until: Timestamp) -> Option<(Missed, Next)> {
    let paused = pause_end(inputs)?;
    let mut state = behind_run(inputs.state);
    let mut passed: Option<(Missed, Next)> = None;
    loop {
        let then = Inputs {
            state: &state,
            ..inputs
        };
        let due = cadence::candidate(then, paused, state.cursor).filter(|candidate| candidate.key <= until);
        let Some(candidate) = due else { return passed };
        let (last, count) = run_of_times(then, &candidate, until);
        let (missed, _) = passed.get_or_insert_with(|| {
            let missed = Missed {
                first: candidate.planned_at,
                last,
                count: 0,
            };
            (missed, candidate.settled(state.changed_at, until, None))
        });
        missed.last = last;
        missed.count = missed.count.saturating_add(count);
        let key = candidate.key;
        move_to(&mut state, last, key);
    }
}

/// Times up to here have run, been recorded, or been overtaken by a change.
fn accounted(state: &EndpointState) -> Timestamp {
    state.cursor.max(state.anchor).max(state.changed_at)
}

fn move_to(state: &mut EndpointState, last: Timestamp, key: Timestamp) {
    state.anchor = last;
    state.cursor = key.max(last);
    state.last_planned_at = Some(last);
}

/// The candidate and what follows it evenly up to `until`: the last of them, and how many they are.
fn run_of_times(inputs: Inputs<'_>, candidate: &Candidate<'_>, until: Timestamp) -> (Timestamp, u32) {
    let alone = (candidate.planned_at, 1);
    let Some((step, end)) = cadence::stride(inputs, candidate) else {
        return alone;
    };
    let end = end.min(until);
    let second = cadence::phase_after(after(candidate.planned_at, step), step, candidate.key);
    if second > end {
        return alone;
    }
    let step = micros(step).max(1);
    let more = micros(elapsed(second, end)) / step;
    let last = from_micros(second.timestamp_micros() + more * step);
    (last, u32::try_from(more).unwrap_or(u32::MAX).saturating_add(2))
}
