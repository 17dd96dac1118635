//! Plans with their steps and hints.

use baton_domain::{
    ids::{EndpointId, JobId, PlanId, RunId, UserId},
    plan::{HintWish, ModelCall, Plan, PlanHint, PlanState, PlanStep, Verdict, VerdictCode},
    ports::StoreResult,
    time::{Timestamp, micros},
};

use super::{broken, duration, number, word, words};
use crate::entity::{plan, plan_hint, plan_step};

pub fn plan_row(plan: &Plan) -> StoreResult<plan::Model> {
    Ok(plan::Model {
        id: plan.id.0,
        job_id: plan.job_id.0,
        user_id: plan.user_id.0.clone(),
        state: plan.state.as_str().to_owned(),
        definition_revision: plan.definition_revision,
        context_revision: plan.context_revision,
        ask_reasons: plan.ask_reasons.clone().into(),
        replaces: plan.replaces.map(|replaced| replaced.0),
        planner: plan.planner.clone(),
        lease_until: plan.lease_until,
        rationale: plan.rationale.clone(),
        wave: i64::from(plan.wave),
        waves: i64::from(plan.waves),
        model: plan.call.model.clone(),
        prompt_digest: plan.call.prompt_digest.clone(),
        input_tokens: tokens("plans.input_tokens", plan.call.input_tokens)?,
        output_tokens: tokens("plans.output_tokens", plan.call.output_tokens)?,
        latency_us: micros(plan.call.latency),
        requests: i64::from(plan.call.requests),
        raw_answer: plan.call.raw_answer.clone(),
        verdict: plan.verdict.clone(),
        detail: plan.detail.clone(),
        created_at: plan.created_at,
        answered_at: plan.answered_at,
        ended_at: plan.ended_at,
        review_at: plan.review_at,
        context_digest: plan.context_digest.clone(),
        context: plan.context.clone(),
        charged: i64::from(plan.charged),
        decided_at: plan.decided_at,
        decision_reason: plan.decision_reason.clone(),
        cost_micros: plan
            .call
            .cost_micros
            .map(|cost| tokens("plans.cost_micros", cost))
            .transpose()?,
    })
}

fn tokens(column: &str, count: u64) -> StoreResult<i64> {
    i64::try_from(count).map_err(|_| broken(column, format!("{count} is out of range")))
}

/// `steps` and `hints` are those of this plan, in order.
pub fn plan_of(row: plan::Model, steps: Vec<PlanStep>, hints: Vec<PlanHint>) -> StoreResult<Plan> {
    Ok(Plan {
        id: PlanId(row.id),
        job_id: JobId(row.job_id),
        user_id: UserId(row.user_id),
        state: word("plans.state", &row.state, PlanState::parse)?,
        definition_revision: row.definition_revision,
        context_revision: row.context_revision,
        ask_reasons: words("plans.ask_reasons", row.ask_reasons)?,
        replaces: row.replaces.map(PlanId),
        planner: row.planner,
        lease_until: row.lease_until,
        steps,
        hints,
        rationale: row.rationale,
        wave: number("plans.wave", row.wave)?,
        waves: number("plans.waves", row.waves)?,
        call: ModelCall {
            model: row.model,
            prompt_digest: row.prompt_digest,
            input_tokens: number("plans.input_tokens", row.input_tokens)?,
            output_tokens: number("plans.output_tokens", row.output_tokens)?,
            latency: duration("plans.latency_us", row.latency_us)?,
            requests: number("plans.requests", row.requests)?,
            raw_answer: row.raw_answer,
            cost_micros: row
                .cost_micros
                .map(|cost| number("plans.cost_micros", cost))
                .transpose()?,
        },
        verdict: row.verdict,
        detail: row.detail,
        created_at: row.created_at,
        answered_at: row.answered_at,
        ended_at: row.ended_at,
        review_at: row.review_at,
        context_digest: row.context_digest,
        context: row.context,
        charged: number("plans.charged", row.charged)?,
        decided_at: row.decided_at,
        decision_reason: row.decision_reason,
    })
}

pub fn step_row(plan: PlanId, step: &PlanStep) -> plan_step::Model {
    plan_step::Model {
        plan_id: plan.0,
        step: i64::from(step.step),
        wave: i64::from(step.wave),
        endpoint_id: step.endpoint_id.0,
        delay_us: micros(step.delay),
        reason: step.reason.clone(),
        verdict_code: step.verdict.code.as_str().to_owned(),
        verdict_message: step.verdict.message.clone(),
        verdict_until: step.verdict.until,
        run_id: step.run_id.map(|run| run.0),
    }
}

pub fn step_of(row: plan_step::Model) -> StoreResult<PlanStep> {
    Ok(PlanStep {
        step: number("plan_steps.step", row.step)?,
        wave: number("plan_steps.wave", row.wave)?,
        endpoint_id: EndpointId(row.endpoint_id),
        delay: duration("plan_steps.delay_us", row.delay_us)?,
        reason: row.reason,
        verdict: verdict_of(
            "plan_steps.verdict_code",
            &row.verdict_code,
            row.verdict_message,
            row.verdict_until,
        )?,
        run_id: row.run_id.map(RunId),
    })
}

pub fn plan_hint_row(plan: PlanId, position: i64, hint: &PlanHint) -> plan_hint::Model {
    plan_hint::Model {
        plan_id: plan.0,
        position,
        endpoint_id: hint.endpoint_id.0,
        kind: hint.wish.kind().to_owned(),
        duration_us: micros(hint.wish.duration()),
        ttl_us: micros(hint.ttl),
        reason: hint.reason.clone(),
        verdict_code: hint.verdict.code.as_str().to_owned(),
        verdict_message: hint.verdict.message.clone(),
        verdict_until: hint.verdict.until,
    }
}

pub fn plan_hint_of(row: plan_hint::Model) -> StoreResult<PlanHint> {
    let length = duration("plan_hints.duration_us", row.duration_us)?;
    Ok(PlanHint {
        endpoint_id: EndpointId(row.endpoint_id),
        wish: word("plan_hints.kind", &row.kind, |kind| HintWish::parse(kind, length))?,
        ttl: duration("plan_hints.ttl_us", row.ttl_us)?,
        reason: row.reason,
        verdict: verdict_of(
            "plan_hints.verdict_code",
            &row.verdict_code,
            row.verdict_message,
            row.verdict_until,
        )?,
    })
}

fn verdict_of(column: &str, code: &str, message: String, until: Option<Timestamp>) -> StoreResult<Verdict> {
    Ok(Verdict {
        code: word(column, code, VerdictCode::parse)?,
        message,
        until,
    })
}
