//! The stored form of a planning context: a JSON document that people read when they ask why a plan came about.
//!
//! It holds everything that a planner makes its prompt of, so that an ask can be replayed from the record. Where there is
//! no room for all of it, the context itself is cut first: the model is asked about what is on record, and nothing else.

use serde_json::{Value, json};

use crate::{
    endpoint::{Baseline, Pause},
    limits::{self, PlanLimits},
    plan::Plan,
    run::Run,
    time::{Timestamp, micros},
};

use super::{ContextEndpoint, ContextSale, PlanView, PlanningContext, cuts::CUTS};

/// The document of at most `limits::CONTEXT_BYTES`, and the context cut to what stands in it. One that is too large with
/// everything cut, which takes hundreds of endpoints with very long names, leaves a note in place of the document.
pub(super) fn freeze(context: &mut PlanningContext) -> String {
    let mut text = document(context, false).to_string();
    for cut in CUTS {
        if text.len() <= limits::CONTEXT_BYTES {
            return text;
        }
        cut.apply(context);
        text = document(context, true).to_string();
    }
    if text.len() <= limits::CONTEXT_BYTES {
        text
    } else {
        json!({ "omitted": "the context exceeds the stored size" }).to_string()
    }
}

fn document(context: &PlanningContext, is_cut: bool) -> Value {
    let ask = context.ask.as_ref();
    json!({
        "as_of": time(context.now),
        "job": {
            "id": context.job.id,
            "name": context.job.name,
            "description": context.job.description,
            "status": context.job.status.as_str(),
            "planner_mode": context.job.planner_mode.as_str(),
        },
        "definition_revision": context.planning.definition_revision,
        "context_revision": context.planning.context_revision,
        "ask_reasons": ask.map(|ask| ask.reasons.clone()).unwrap_or_default(),
        "time_compression": context.limits.time_compression,
        "steps_left": context.steps_left,
        "limits": limits(&context.limits),
        "sales": context.sales.iter().map(sale).collect::<Vec<_>>(),
        "endpoints": context.endpoints.iter().map(endpoint).collect::<Vec<_>>(),
        "last_plan": context.last_plan.as_ref().map(last_plan),
        "suggestion": context.suggestion.as_ref().map(suggestion),
        "shortened": is_cut,
    })
}

fn limits(limits: &PlanLimits) -> Value {
    json!({
        "max_steps": limits::PLAN_STEPS,
        "max_waves": limits::PLAN_WAVES,
        "max_step_delay_us": micros(limits.step_delay_max),
        "max_hint_ttl_us": micros(limits.hint_ttl_max),
        "min_review_after_us": micros(limits.review_min),
        "max_review_after_us": micros(limits.review_max),
    })
}

fn sale(sale: &ContextSale) -> Value {
    let changes = sale
        .changes
        .iter()
        .map(|change| json!([time(change.at), change.name, change.value]));
    json!({
        "id": sale.sale.id,
        "name": sale.sale.name,
        "description": sale.sale.description,
        "starts_at": time(sale.sale.starts_at),
        "ends_at": time(sale.sale.ends_at),
        "phase": sale.sale.phase,
        "signals": sale.sale.signals,
        "signal_changes": changes.collect::<Vec<_>>(),
    })
}

fn endpoint(endpoint: &ContextEndpoint) -> Value {
    let definition = &endpoint.schedule.endpoint;
    let baseline = match &definition.baseline {
        Baseline::Cron(cron) => json!({ "cron": cron.expression(), "time_zone": cron.zone() }),
        Baseline::Interval(interval) => json!({ "interval_us": micros(*interval) }),
        Baseline::Dormant => Value::Null,
    };
    let hints = endpoint.schedule.hints.iter().map(|hint| {
        json!({
            "id": hint.id,
            "author": hint.author.as_str(),
            "kind": hint.instruction.kind(),
            "interval_us": hint.interval().map(micros),
            "at": hint.one_shot().map(time),
            "expires_at": time(hint.expires_at),
            "reason": hint.reason,
        })
    });
    let next_run = endpoint.schedule.plan_row.as_ref().map(|row| &row.run);
    json!({
        "id": definition.id,
        "name": definition.name,
        "description": definition.description,
        "baseline": baseline,
        "min_interval_us": micros(definition.min_interval),
        "max_interval_us": definition.max_interval.map(micros),
        "cooldown_us": definition.cooldown.map(micros),
        "cooldown_ends_at": endpoint.cooldown_ends_at.map(time),
        "paused": definition.pause.is_some(),
        "paused_until": definition.pause.and_then(pause_end).map(time),
        "failures": endpoint.schedule.state.failures,
        "hints": hints.collect::<Vec<_>>(),
        "next_run_at": next_run.map(|run| time(run.planned_at)),
        "next_run_due_at": next_run.map(|run| time(run.due_at)),
        "runs_in_sale": endpoint.runs_in_sale,
        "recent_runs": endpoint.recent_runs.iter().map(run).collect::<Vec<_>>(),
    })
}

fn pause_end(pause: Pause) -> Option<Timestamp> {
    match pause {
        Pause::Until(end) => Some(end),
        Pause::UntilResumed => None,
    }
}

fn run(run: &Run) -> Value {
    json!({
        "id": run.id,
        "source": run.source.as_str(),
        "cause": run.cause.as_str(),
        "status": run.status.as_str(),
        "planned_at": time(run.planned_at),
        "started_at": run.started_at.map(time),
        "finished_at": run.finished_at.map(time),
        "status_code": run.status_code,
        "error": run.error,
        "response": String::from_utf8_lossy(&run.response),
    })
}

fn last_plan(view: &PlanView) -> Value {
    let steps = view.plan.steps.iter().map(|step| {
        json!({
            "endpoint_id": step.endpoint_id,
            "wave": step.wave,
            "verdict": step.verdict.code.as_str(),
            "status": view.run(step.run_id).map(|run| run.status.as_str()),
        })
    });
    json!({
        "id": view.plan.id,
        "state": view.plan.state.as_str(),
        "rationale": view.plan.rationale,
        "created_at": time(view.plan.created_at),
        "answered_at": view.plan.answered_at.map(time),
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn suggestion(plan: &Plan) -> Value {
    json!({
        "id": plan.id,
        "state": plan.state.as_str(),
        "rationale": plan.rationale,
        "created_at": time(plan.created_at),
        "answered_at": plan.answered_at.map(time),
        "decision_reason": plan.decision_reason,
    })
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
