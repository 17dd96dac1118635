//! What became of a hint, read from the record of schedule changes. Pure.

use std::time::Duration;

use uuid::Uuid;

use crate::{
    hint::{Author, Hint, Instruction},
    ids::{EndpointId, HintId},
    schedule::{HintTerms, ScheduleChange, Trigger},
    time::Timestamp,
};

/// How a hint ended, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintFate {
    InForce,
    /// A one-shot that a run used up.
    Used,
    Expired,
    /// By another hint of the same kind and author.
    Replaced,
    /// By a call that clears hints.
    Cleared,
    /// By a plan that did not repeat it.
    LeftOut,
    /// With its endpoint or job.
    Gone,
}

/// A hint as it was written, and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintRecord {
    /// `reason` and `plan_id` are known only while it stands.
    pub hint: Hint,
    pub fate: HintFate,
    /// When it ended; `None` while it is in force.
    pub ended_at: Option<Timestamp>,
}

/// The record of a hint. `standing` are the endpoint's hints now, `changes` its changes, newest first. `None` when neither
/// knows the hint.
pub(super) fn record_of(
    id: HintId,
    endpoint: EndpointId,
    standing: &[Hint],
    changes: &[ScheduleChange],
    now: Timestamp,
) -> Option<HintRecord> {
    let (later, terms) = last_named(id.0, changes);
    let stands = standing.iter().find(|hint| hint.id == id).cloned();
    let hint = stands.clone().or_else(|| hint_of(terms?, endpoint))?;
    let used = changes.iter().find(|change| change.hint_id == Some(id));
    let (fate, ended_at) = match (used, stands, later) {
        (Some(used), _, _) => (HintFate::Used, Some(used.at)),
        (None, Some(hint), _) if hint.held || hint.expires_at > now => (HintFate::InForce, None),
        (None, None, Some(end)) if end.at < hint.expires_at => (ended_by(end.trigger), Some(end.at)),
        (None, None, None) if hint.expires_at > now => (HintFate::InForce, None),
        (None, _, _) => (HintFate::Expired, Some(hint.expires_at)),
    };
    Some(HintRecord { hint, fate, ended_at })
}

/// The last terms that name the hint, and the change that ended them, if one did.
fn last_named(id: Uuid, changes: &[ScheduleChange]) -> (Option<&ScheduleChange>, Option<&HintTerms>) {
    let mut later = None;
    for change in changes.iter().filter(|change| change.hint_id.is_none()) {
        let hints = change.terms.as_ref().map_or(&[][..], |terms| &terms.hints);
        if let Some(named) = hints.iter().find(|hint| hint.id == id) {
            return (later, Some(named));
        }
        later = Some(change);
    }
    (None, None)
}

fn ended_by(trigger: Trigger) -> HintFate {
    match trigger {
        Trigger::HintApplied => HintFate::Replaced,
        Trigger::HintsCleared => HintFate::Cleared,
        Trigger::PlanAccepted => HintFate::LeftOut,
        Trigger::HintUsed => HintFate::Used,
        Trigger::Archived | Trigger::Deleted | Trigger::JobStatus => HintFate::Gone,
        Trigger::Created
        | Trigger::Redefined
        | Trigger::Assigned
        | Trigger::Paused
        | Trigger::Resumed
        | Trigger::FailuresReset
        | Trigger::Due
        | Trigger::RunEnded => HintFate::Expired,
    }
}

/// `None` when the record was written in a form that this program does not know.
fn hint_of(terms: &HintTerms, endpoint: EndpointId) -> Option<Hint> {
    let interval = terms.interval_us.and_then(|micros| u64::try_from(micros).ok());
    let instruction = match (terms.kind.as_str(), interval, terms.one_shot_at) {
        ("interval", Some(micros), _) => Instruction::Interval(Duration::from_micros(micros)),
        ("one-shot", _, Some(at)) => Instruction::OneShot(at),
        ("pause", _, _) => Instruction::Pause,
        _ => return None,
    };
    Some(Hint {
        id: HintId(terms.id),
        endpoint_id: endpoint,
        author: Author::parse(&terms.author)?,
        instruction,
        written_at: terms.written_at,
        expires_at: terms.expires_at,
        reason: String::new(),
        plan_id: None,
        held: false,
    })
}

#[cfg(test)]
mod tests;
