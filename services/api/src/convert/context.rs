//! Planning contexts as planners see them, and the requests that concern them.

use baton_domain::{
    error::Error,
    ids::JobId,
    limits::{self, PlanLimits},
    sale::SignalChange,
    services::{ContextEndpoint, ContextSale, PlanningContext, check_planner},
};
use baton_proto::v1 as pb;

use super::{Fields, endpoint, job, plan, run, sale, time};

/// Jobs that one watch may name.
const WATCHED_JOBS: usize = 1_000;

/// Whose contexts are watched; empty means every job's.
pub(crate) fn read_watch(request: &pb::WatchPlanningContextsRequest) -> Result<Vec<JobId>, Error> {
    if request.job_ids.len() > WATCHED_JOBS {
        return Err(Error::invalid(
            "job_ids",
            format!("must name at most {WATCHED_JOBS} jobs"),
        ));
    }
    let mut fields = Fields::default();
    let ids = request.job_ids.iter().enumerate();
    let ids = ids
        .map(|(index, id)| fields.id(&format!("job_ids[{index}]"), id, JobId))
        .collect();
    fields.done()?;
    Ok(ids)
}

/// The job that a planner wants to ask about.
pub(crate) fn read_begin(request: &pb::BeginPlanRequest) -> Result<JobId, Error> {
    let mut fields = Fields::default();
    let job = fields.id("job_id", &request.job_id, JobId);
    if request.context_revision < 0 {
        fields.push("context_revision", "must not be negative");
    }
    fields.done_or(|violations| check_planner(&request.planner, violations))?;
    Ok(job)
}

/// Fails when the planner claims to have seen what has not happened yet.
pub(crate) fn check_revision(seen: i64, current: i64) -> Result<(), Error> {
    if seen <= current {
        return Ok(());
    }
    let wrong = format!("must not be above the current revision, which is {current}");
    Err(Error::invalid("context_revision", wrong))
}

pub(crate) fn to_proto(context: &PlanningContext) -> pb::PlanningContext {
    let (holder, lease) = context.holder.clone().unzip();
    let (plan_id, wave) = context.advance.unzip();
    let ask = context.ask.as_ref().map(|ask| pb::AskDue {
        due_time: Some(time::timestamp(ask.at)),
        reasons: ask.reasons.clone(),
    });
    let sales = context.sales.iter().map(|sale| sale_to_proto(sale, context));
    pb::PlanningContext {
        job: Some(job::to_proto(&context.job)),
        endpoints: context.endpoints.iter().map(endpoint_to_proto).collect(),
        sales: sales.collect(),
        last_plan: context.last_plan.as_ref().map(plan::view_to_proto),
        definition_revision: context.planning.definition_revision,
        context_revision: context.planning.context_revision,
        as_of_time: Some(time::timestamp(context.now)),
        ask,
        limits: Some(limits_to_proto(&context.limits, context.steps_left)),
        time_compression: context.limits.time_compression,
        lease_holder: holder.unwrap_or_default(),
        lease_expire_time: lease.map(time::timestamp),
        advance_plan_id: plan_id.map(|id| id.to_string()),
        advance_wave: wave.map(number),
        suggestion: context.suggestion.as_ref().map(plan::to_proto),
    }
}

/// A planner has no use for what is sent to an endpoint: headers may be secret, and bodies long.
fn endpoint_to_proto(context: &ContextEndpoint) -> pb::ContextEndpoint {
    let mut endpoint = endpoint::to_proto(&context.schedule);
    if let Some(request) = &mut endpoint.request {
        request.headers.clear();
        request.body = None;
    }
    pb::ContextEndpoint {
        endpoint: Some(endpoint),
        recent_runs: context.recent_runs.iter().map(run::to_proto).collect(),
        runs_in_sale: number(context.runs_in_sale),
        cooldown_end_time: context.cooldown_ends_at.map(time::timestamp),
    }
}

fn sale_to_proto(sale: &ContextSale, context: &PlanningContext) -> pb::ContextSale {
    pb::ContextSale {
        flash_sale: Some(sale::to_proto(&sale.sale, context.now)),
        changes: sale.changes.iter().map(change_to_proto).collect(),
    }
}

fn change_to_proto(change: &SignalChange) -> pb::SignalChange {
    pb::SignalChange {
        name: change.name.clone(),
        value: change.value,
        time: Some(time::timestamp(change.at)),
    }
}

fn limits_to_proto(limits: &PlanLimits, steps_left: u32) -> pb::PlanLimits {
    pb::PlanLimits {
        max_steps: i32::try_from(limits::PLAN_STEPS).unwrap_or(i32::MAX),
        max_waves: number(limits::PLAN_WAVES),
        max_step_delay: Some(time::duration(limits.step_delay_max)),
        max_hint_ttl: Some(time::duration(limits.hint_ttl_max)),
        min_review_after: Some(time::duration(limits.review_min)),
        max_review_after: Some(time::duration(limits.review_max)),
        steps_left: number(steps_left),
    }
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
