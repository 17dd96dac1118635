//! Plans between their proto and domain forms.

use std::time::Duration;

use baton_domain::{
    error::Error,
    ids::{EndpointId, PlanId},
    limits::PlanLimits,
    plan::{HintWish, ModelCall, PlanHint, PlanStep, Verdict},
    services::{Answer, check_answer, check_decision, check_failure},
};
use baton_proto::v1 as pb;

use super::Fields;
use crate::trace;

mod output;

pub(crate) use output::{hint_to_proto, to_proto, view_to_proto};

/// The last wave that any plan has.
const WAVES: i32 = baton_domain::limits::PLAN_WAVES.cast_signed();

pub(crate) fn read_submit(request: pb::SubmitPlanRequest, limits: &PlanLimits) -> Result<(PlanId, Answer), Error> {
    let mut fields = Fields::default();
    let id = fields.id("plan_id", &request.plan_id, PlanId);
    let steps = request.steps.iter().enumerate();
    let steps = steps.map(|(index, step)| read_step(&mut fields, index, step)).collect();
    let hints = request.hints.iter().enumerate();
    let hints = hints.map(|(index, hint)| read_hint(&mut fields, index, hint)).collect();
    let review = fields.require("review_after", request.review_after.as_ref());
    let answer = Answer {
        definition_revision: request.definition_revision,
        steps,
        hints,
        rationale: request.rationale,
        // In the place of one that cannot be read stands one that fits.
        review_after: fields.duration("review_after", review).unwrap_or(limits.review_min),
        call: read_call(&mut fields, request.call),
        trace_parent: trace::parent(),
    };
    fields.done_or(|violations| check_answer(&answer, limits, violations))?;
    Ok((id, answer))
}

fn read_step(fields: &mut Fields, index: usize, step: &pb::PlanStep) -> PlanStep {
    let at = |name: &str| format!("steps[{index}].{name}");
    PlanStep {
        step: u32::try_from(index + 1).unwrap_or(u32::MAX),
        wave: fields.unsigned(&at("wave"), step.wave),
        endpoint_id: fields.id(&at("endpoint_id"), &step.endpoint_id, EndpointId),
        delay: fields.duration(&at("delay"), step.delay.as_ref()).unwrap_or_default(),
        reason: step.reason.clone(),
        verdict: Verdict::accepted(),
        run_id: None,
    }
}

fn read_hint(fields: &mut Fields, index: usize, hint: &pb::PlanHint) -> PlanHint {
    use pb::plan_hint::Instruction;
    let at = |name: &str| format!("hints[{index}].{name}");
    let mut duration = |name: &str, value| fields.duration(&at(name), Some(value)).unwrap_or_default();
    let wish = match &hint.instruction {
        Some(Instruction::Interval(value)) => Some(HintWish::Interval(duration("interval", value))),
        Some(Instruction::OneShotDelay(value)) => Some(HintWish::OneShotAfter(duration("one_shot_delay", value))),
        Some(Instruction::Pause(value)) => Some(HintWish::PauseFor(duration("pause", value))),
        None => fields.require(&at("instruction"), None),
    };
    PlanHint {
        endpoint_id: fields.id(&at("endpoint_id"), &hint.endpoint_id, EndpointId),
        wish: wish.unwrap_or(HintWish::Interval(Duration::ZERO)),
        ttl: fields.duration(&at("ttl"), hint.ttl.as_ref()).unwrap_or_default(),
        reason: hint.reason.clone(),
        verdict: Verdict::accepted(),
    }
}

/// An absent call is one of which nothing is known.
fn read_call(fields: &mut Fields, call: Option<pb::ModelCall>) -> ModelCall {
    let call = call.unwrap_or_default();
    ModelCall {
        input_tokens: fields.unsigned("call.input_tokens", call.input_tokens),
        output_tokens: fields.unsigned("call.output_tokens", call.output_tokens),
        latency: fields
            .duration("call.latency", call.latency.as_ref())
            .unwrap_or_default(),
        requests: fields.unsigned("call.requests", call.requests),
        model: call.model,
        prompt_digest: call.prompt_digest,
        raw_answer: call.raw_answer,
        cost_micros: call.cost_micros.map(|cost| fields.unsigned("call.cost_micros", cost)),
    }
}

/// What FailPlan is to record.
pub(crate) struct Failure {
    pub id: PlanId,
    pub verdict: String,
    pub detail: String,
    pub call: ModelCall,
}

pub(crate) fn read_fail(request: pb::FailPlanRequest) -> Result<Failure, Error> {
    let mut fields = Fields::default();
    let failure = Failure {
        id: fields.id("plan_id", &request.plan_id, PlanId),
        verdict: request.verdict,
        detail: request.detail,
        call: read_call(&mut fields, request.call),
    };
    fields.done_or(|violations| check_failure(&failure.verdict, &failure.detail, &failure.call, violations))?;
    Ok(failure)
}

pub(crate) fn read_advance(request: &pb::AdvancePlanRequest) -> Result<(PlanId, u32), Error> {
    let mut fields = Fields::default();
    let id = fields.id("plan_id", &request.plan_id, PlanId);
    if !(2..=WAVES).contains(&request.wave) {
        fields.push("wave", format!("must be 2 to {WAVES}"));
    }
    fields.done()?;
    Ok((id, request.wave.unsigned_abs()))
}

/// The plan that a person has decided on.
pub(crate) fn read_decision(plan_id: &str, reason: &str) -> Result<PlanId, Error> {
    let mut fields = Fields::default();
    let id = fields.id("plan_id", plan_id, PlanId);
    fields.done_or(|violations| check_decision(reason, violations))?;
    Ok(id)
}
