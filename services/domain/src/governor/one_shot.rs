//! Rows 5, 7 and 9 for one-shot hints: the earliest that is not void.

use crate::{
    hint::Hint,
    run::{Cause, ClampedFrom},
    time::Timestamp,
};

use super::{Candidate, Inputs, behind_last_run, cadence::rank, pause_end};

/// The earliest one-shot as seen at `now`; a person's goes first on equal times.
pub(super) fn candidate<'a>(inputs: Inputs<'a>, paused: Option<Timestamp>, now: Timestamp) -> Option<Candidate<'a>> {
    let candidates = inputs.hints.iter().filter_map(|hint| {
        let (asked, start, moved) = moved(inputs, hint)?;
        let key = moved.max(paused.unwrap_or(Timestamp::MIN_UTC));
        let planned_at = key.max(now);
        let void = planned_at > hint.expires_at && !hint.held;
        let candidate = Candidate {
            planned_at,
            key,
            cause: Cause::HintOneShot,
            clamped_from: (moved != start).then_some(ClampedFrom::Time(asked)),
            hint: Some(hint),
        };
        (!void).then_some((rank(hint), candidate))
    });
    candidates
        .min_by_key(|(rank, candidate)| (candidate.key, *rank))
        .map(|(_, candidate)| candidate)
}

/// When a one-shot comes due, guardrails and pauses included, whatever the present. `None` for other hints, and while
/// the endpoint has no next time at all.
pub fn one_shot_due(inputs: Inputs<'_>, hint: &Hint) -> Option<Timestamp> {
    let paused = pause_end(inputs)?;
    let (_, _, moved) = moved(inputs, hint)?;
    Some(moved.max(paused.unwrap_or(Timestamp::MIN_UTC)))
}

/// The instant asked for; that or the time of writing, whichever is later; and where row 7 puts it.
fn moved(inputs: Inputs<'_>, hint: &Hint) -> Option<(Timestamp, Timestamp, Timestamp)> {
    let asked = hint.one_shot()?;
    let start = asked.max(hint.written_at);
    let moved = behind_last_run(inputs.endpoint, inputs.state.last_planned_at, start);
    Some((asked, start, moved))
}
