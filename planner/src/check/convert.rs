//! Turns a checked answer into the parts of SubmitPlan: aliases into ids, shown seconds into real durations.

use std::time::Duration;

use baton_proto::v1::{PlanHint, PlanStep, plan_hint::Instruction};

use super::frame::Frame;
use crate::{
    answer::{Answer, Hint, HintKind, Step},
    scale::wire_duration,
};

/// What the model wants, in the scheduler's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// In the order in which the model gave them.
    pub steps: Vec<PlanStep>,
    /// The whole wanted set of the job.
    pub hints: Vec<PlanHint>,
    pub rationale: String,
    pub review_after: Duration,
}

/// Only for an answer without violations. Bounds are applied once more because rounding may pass them by a millisecond.
pub(super) fn proposal(answer: &Answer, frame: &Frame<'_>) -> Proposal {
    let bounds = frame.bounds;
    let review_after = frame
        .scale
        .real(answer.review_after_s)
        .min(bounds.max_review_after)
        .max(bounds.min_review_after);
    Proposal {
        steps: answer.steps.iter().map(|step| plan_step(step, frame)).collect(),
        hints: answer.hints.iter().map(|hint| plan_hint(hint, frame)).collect(),
        rationale: answer.assessment.clone(),
        review_after,
    }
}

fn plan_step(step: &Step, frame: &Frame<'_>) -> PlanStep {
    let delay = frame.scale.real(step.delay_s).min(frame.bounds.max_step_delay);
    PlanStep {
        wave: i32::try_from(step.wave).unwrap_or(i32::MAX),
        endpoint_id: endpoint_id(&step.endpoint, frame),
        delay: Some(wire_duration(delay)),
        reason: step.reason.clone(),
        ..PlanStep::default()
    }
}

fn plan_hint(hint: &Hint, frame: &Frame<'_>) -> PlanHint {
    let ttl = frame.scale.real(hint.ttl_s).min(frame.bounds.max_hint_ttl);
    let real = frame.scale.real(hint.seconds);
    let instruction = match hint.kind {
        HintKind::Interval => Instruction::Interval(wire_duration(real)),
        HintKind::OneShot => Instruction::OneShotDelay(wire_duration(real.min(ttl))),
        HintKind::Pause => Instruction::Pause(wire_duration(real)),
    };
    PlanHint {
        endpoint_id: endpoint_id(&hint.endpoint, frame),
        instruction: Some(instruction),
        ttl: (hint.kind != HintKind::Pause).then(|| wire_duration(ttl)),
        reason: hint.reason.clone(),
        ..PlanHint::default()
    }
}

fn endpoint_id(alias: &str, frame: &Frame<'_>) -> String {
    let endpoint = frame.endpoint(alias).and_then(|endpoint| endpoint.endpoint.as_ref());
    endpoint.map(|endpoint| endpoint.id.clone()).unwrap_or_default()
}
