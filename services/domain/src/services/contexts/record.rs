//! The stored form of a planning context: a JSON document that people read when they ask why a plan came about.

use serde_json::{Value, json};

use crate::{
    endpoint::Baseline,
    limits,
    plan::Plan,
    run::Run,
    time::{Timestamp, micros},
};

use super::{ContextEndpoint, ContextSale, PlanView, PlanningContext};

/// How much of the runs goes into the document.
#[derive(Clone, Copy, PartialEq)]
enum Detail {
    Full,
    WithoutResponses,
    WithoutRuns,
}

/// At most `limits::CONTEXT_BYTES`: responses are dropped first, then runs, then the document is replaced by a note.
pub(super) fn to_json(context: &PlanningContext) -> String {
    [Detail::Full, Detail::WithoutResponses, Detail::WithoutRuns]
        .into_iter()
        .map(|detail| document(context, detail).to_string())
        .find(|text| text.len() <= limits::CONTEXT_BYTES)
        .unwrap_or_else(|| json!({ "omitted": "the context exceeds the stored size" }).to_string())
}

fn document(context: &PlanningContext, detail: Detail) -> Value {
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
        "sales": context.sales.iter().map(sale).collect::<Vec<_>>(),
        "endpoints": context.endpoints.iter().map(|endpoint| self::endpoint(endpoint, detail)).collect::<Vec<_>>(),
        "last_plan": context.last_plan.as_ref().map(last_plan),
        "suggestion": context.suggestion.as_ref().map(suggestion),
        "shortened": detail != Detail::Full,
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

fn endpoint(endpoint: &ContextEndpoint, detail: Detail) -> Value {
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
    let runs = endpoint.recent_runs.iter().filter(|_| detail != Detail::WithoutRuns);
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
        "failures": endpoint.schedule.state.failures,
        "hints": hints.collect::<Vec<_>>(),
        "next_run_at": endpoint.schedule.plan_row.as_ref().map(|row| time(row.run.planned_at)),
        "runs_in_sale": endpoint.runs_in_sale,
        "recent_runs": runs.map(|run| self::run(run, detail)).collect::<Vec<_>>(),
    })
}

fn run(run: &Run, detail: Detail) -> Value {
    let response = (detail == Detail::Full).then(|| String::from_utf8_lossy(&run.response));
    json!({
        "id": run.id,
        "source": run.source.as_str(),
        "cause": run.cause.as_str(),
        "status": run.status.as_str(),
        "started_at": run.started_at.map(time),
        "finished_at": run.finished_at.map(time),
        "status_code": run.status_code,
        "error": run.error,
        "response": response,
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
        "answered_at": view.plan.answered_at.map(time),
        "steps": steps.collect::<Vec<_>>(),
    })
}

fn suggestion(plan: &Plan) -> Value {
    json!({
        "id": plan.id,
        "state": plan.state.as_str(),
        "rationale": plan.rationale,
        "answered_at": plan.answered_at.map(time),
        "decision_reason": plan.decision_reason,
    })
}

fn time(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}
