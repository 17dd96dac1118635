//! What a proposal decides, by endpoint: made to run, or held back, and in which wave.
//!
//! Taken from the very proposal that would go to the scheduler. A step, a one-shot, or an interval hint under which the
//! endpoint runs more often than by its baseline makes it run; a pause, or an interval longer than the baseline, holds
//! it back. A hint that the planner already has in force says nothing new: it is kept apart as a repeat.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use baton_proto::v1::{PlanHint, plan_hint::Instruction};

use super::case::{Author, Case, Endpoint, HintWord};
use crate::{check::Proposal, scale::duration};

/// What happens to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    Run,
    Hold,
}

/// The decisions of one answer, with endpoints by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    pub made: BTreeSet<(String, Effect)>,
    /// Hints in force that were repeated.
    pub repeated: BTreeSet<(String, Effect)>,
    /// The first wave of every endpoint with a step.
    pub waves: BTreeMap<String, i32>,
}

impl Decisions {
    /// The decisions of a proposal about a case. Its endpoint ids are names.
    pub fn of(proposal: &Proposal, case: &Case) -> Self {
        let mut decisions = Self::default();
        for step in &proposal.steps {
            decisions.made.insert((step.endpoint_id.clone(), Effect::Run));
            let wave = decisions.waves.entry(step.endpoint_id.clone()).or_insert(step.wave);
            *wave = (*wave).min(step.wave);
        }
        for hint in &proposal.hints {
            let endpoint = case.endpoints.iter().find(|endpoint| endpoint.name == hint.endpoint_id);
            if let Some((endpoint, effect)) = endpoint.and_then(|endpoint| Some((endpoint, effect(hint, endpoint)?))) {
                let decision = (hint.endpoint_id.clone(), effect);
                if is_in_force(hint, endpoint) {
                    decisions.repeated.insert(decision);
                } else {
                    decisions.made.insert(decision);
                }
            }
        }
        decisions
    }

    /// Whether this is decided, anew or again.
    pub fn has(&self, endpoint: &str, effect: Effect) -> bool {
        let decision = (endpoint.to_owned(), effect);
        self.made.contains(&decision) || self.repeated.contains(&decision)
    }

    /// Jaccard similarity of two answers' decisions, waves included: 1 when they are the same.
    pub fn similarity(&self, other: &Self) -> f64 {
        let (ours, theirs) = (self.placed(), other.placed());
        let union = ours.union(&theirs).count();
        if union == 0 {
            return 1.0;
        }
        ours.intersection(&theirs).count() as f64 / union as f64
    }

    fn placed(&self) -> BTreeSet<(&str, Effect, i32)> {
        let all = self.made.iter().chain(&self.repeated);
        all.map(|(endpoint, effect)| {
            let wave = self.waves.get(endpoint).filter(|_| *effect == Effect::Run);
            (endpoint.as_str(), *effect, wave.copied().unwrap_or_default())
        })
        .collect()
    }
}

/// `None` for an interval that changes nothing.
fn effect(hint: &PlanHint, endpoint: &Endpoint) -> Option<Effect> {
    match hint.instruction.as_ref()? {
        Instruction::OneShotDelay(_) => Some(Effect::Run),
        Instruction::Pause(_) => Some(Effect::Hold),
        Instruction::Interval(interval) => match endpoint.every_s {
            // Beside a cron, and on a dormant endpoint, an interval only adds runs.
            None => Some(Effect::Run),
            Some(every_s) => {
                let interval_s = duration(interval).as_secs_f64();
                match interval_s.total_cmp(&every_s) {
                    std::cmp::Ordering::Less => Some(Effect::Run),
                    std::cmp::Ordering::Equal => None,
                    std::cmp::Ordering::Greater => Some(Effect::Hold),
                }
            }
        },
    }
}

fn is_in_force(hint: &PlanHint, endpoint: &Endpoint) -> bool {
    let ours = endpoint.hints.iter().filter(|known| known.by == Author::Planner);
    ours.into_iter().any(|known| match (&hint.instruction, known.kind) {
        (Some(Instruction::Interval(interval)), HintWord::Interval) => {
            let known = Duration::try_from_secs_f64(known.seconds.unwrap_or_default()).unwrap_or_default();
            duration(interval).abs_diff(known) <= known / 100
        }
        (Some(Instruction::OneShotDelay(_)), HintWord::OneShot) | (Some(Instruction::Pause(_)), HintWord::Pause) => {
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests;
