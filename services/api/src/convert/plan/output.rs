//! Plans and their steps, hints and verdicts as callers see them.

use baton_domain::{
    plan::{HintWish, ModelCall, Plan, PlanHint, PlanState, PlanStep, Verdict, VerdictCode},
    run::Run,
    services::PlanView,
};
use baton_proto::v1 as pb;

use super::super::{run, time};

/// A plan with what came of its steps.
pub(crate) fn view_to_proto(view: &PlanView) -> pb::Plan {
    let steps = view
        .plan
        .steps
        .iter()
        .map(|step| step_to_proto(step, view.run(step.run_id)));
    pb::Plan {
        steps: steps.collect(),
        ..to_proto(&view.plan)
    }
}

/// A plan as stored: its steps name their runs, and not what came of them.
pub(crate) fn to_proto(plan: &Plan) -> pb::Plan {
    pb::Plan {
        id: plan.id.to_string(),
        job_id: plan.job_id.to_string(),
        state: state_to_proto(plan.state).into(),
        definition_revision: plan.definition_revision,
        context_revision: plan.context_revision,
        ask_reasons: plan.ask_reasons.clone(),
        replaces_plan_id: plan.replaces.map(|id| id.to_string()),
        planner: plan.planner.clone(),
        lease_expire_time: Some(time::timestamp(plan.lease_until)),
        steps: plan.steps.iter().map(|step| step_to_proto(step, None)).collect(),
        hints: plan.hints.iter().map(hint_to_proto).collect(),
        rationale: plan.rationale.clone(),
        wave: number(plan.wave),
        waves: number(plan.waves),
        call: Some(call_to_proto(&plan.call)),
        verdict: plan.verdict.clone(),
        detail: plan.detail.clone(),
        create_time: Some(time::timestamp(plan.created_at)),
        answer_time: plan.answered_at.map(time::timestamp),
        end_time: plan.ended_at.map(time::timestamp),
        review_time: plan.review_at.map(time::timestamp),
        context_digest: plan.context_digest.clone(),
        context_json: String::new(),
        decision_time: plan.decided_at.map(time::timestamp),
        decision_reason: plan.decision_reason.clone(),
    }
}

fn step_to_proto(step: &PlanStep, run: Option<&Run>) -> pb::PlanStep {
    let status = run.map_or(pb::RunStatus::Unspecified, |run| run::status_to_proto(run.status));
    pb::PlanStep {
        wave: number(step.wave),
        endpoint_id: step.endpoint_id.to_string(),
        delay: Some(time::duration(step.delay)),
        reason: step.reason.clone(),
        step: number(step.step),
        verdict: Some(verdict_to_proto(&step.verdict)),
        run_id: step.run_id.map(|id| id.to_string()),
        run_status: status.into(),
        run_status_code: run.and_then(|run| run.status_code).map(i32::from),
        run_error: run.and_then(|run| run.error.clone()).unwrap_or_default(),
    }
}

pub(crate) fn hint_to_proto(hint: &PlanHint) -> pb::PlanHint {
    use pb::plan_hint::Instruction;
    let instruction = match hint.wish {
        HintWish::Interval(interval) => Instruction::Interval(time::duration(interval)),
        HintWish::OneShotAfter(delay) => Instruction::OneShotDelay(time::duration(delay)),
        HintWish::PauseFor(pause) => Instruction::Pause(time::duration(pause)),
    };
    pb::PlanHint {
        endpoint_id: hint.endpoint_id.to_string(),
        instruction: Some(instruction),
        ttl: Some(time::duration(hint.ttl)),
        reason: hint.reason.clone(),
        verdict: Some(verdict_to_proto(&hint.verdict)),
    }
}

fn verdict_to_proto(verdict: &Verdict) -> pb::Verdict {
    let code = match verdict.code {
        VerdictCode::Accepted => pb::VerdictCode::Accepted,
        VerdictCode::Clamped => pb::VerdictCode::Clamped,
        VerdictCode::Cooldown => pb::VerdictCode::Cooldown,
        VerdictCode::Budget => pb::VerdictCode::Budget,
        VerdictCode::Paused => pb::VerdictCode::Paused,
        VerdictCode::Starve => pb::VerdictCode::Starve,
        VerdictCode::OutOfRange => pb::VerdictCode::OutOfRange,
        VerdictCode::Archived => pb::VerdictCode::Archived,
        VerdictCode::UnknownEndpoint => pb::VerdictCode::UnknownEndpoint,
        VerdictCode::Duplicate => pb::VerdictCode::Duplicate,
        VerdictCode::TooMany => pb::VerdictCode::TooMany,
    };
    pb::Verdict {
        code: code.into(),
        message: verdict.message.clone(),
        until: verdict.until.map(time::timestamp),
    }
}

fn call_to_proto(call: &ModelCall) -> pb::ModelCall {
    pb::ModelCall {
        model: call.model.clone(),
        prompt_digest: call.prompt_digest.clone(),
        input_tokens: i64::try_from(call.input_tokens).unwrap_or(i64::MAX),
        output_tokens: i64::try_from(call.output_tokens).unwrap_or(i64::MAX),
        latency: Some(time::duration(call.latency)),
        requests: number(call.requests),
        raw_answer: call.raw_answer.clone(),
        cost_micros: call.cost_micros.map(|cost| i64::try_from(cost).unwrap_or(i64::MAX)),
    }
}

fn state_to_proto(state: PlanState) -> pb::PlanState {
    match state {
        PlanState::Asking => pb::PlanState::Asking,
        PlanState::Running => pb::PlanState::Running,
        PlanState::Completed => pb::PlanState::Completed,
        PlanState::Stopped => pb::PlanState::Stopped,
        PlanState::Superseded => pb::PlanState::Superseded,
        PlanState::Refused => pb::PlanState::Refused,
        PlanState::Failed => pb::PlanState::Failed,
        PlanState::Expired => pb::PlanState::Expired,
        PlanState::Suggested => pb::PlanState::Suggested,
        PlanState::Observed => pb::PlanState::Observed,
        PlanState::Rejected => pb::PlanState::Rejected,
    }
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
