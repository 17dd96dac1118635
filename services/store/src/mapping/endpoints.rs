//! Endpoints, their state and their hints.

use std::sync::Arc;

use baton_domain::{
    call::HttpRequest,
    cron::CronSchedule,
    endpoint::{Baseline, Busy, Endpoint, EndpointState, EndpointStatus, Outcome, Overlap, Pause, RetryPolicy, Slowed},
    hint::{Author, Hint, Instruction},
    ids::{EndpointId, HintId, JobId, PlanId, UserId},
    ports::StoreResult,
    time::micros,
};

use super::{broken, duration, duration_opt, micros_opt, number, together, word};
use crate::entity::{endpoint_state, hint, job_endpoint};

pub fn endpoint_row(endpoint: &Endpoint) -> job_endpoint::Model {
    let cron = match &endpoint.baseline {
        Baseline::Cron(cron) => Some(cron),
        Baseline::Interval(_) | Baseline::Dormant => None,
    };
    job_endpoint::Model {
        id: endpoint.id.0,
        user_id: endpoint.user_id.0.clone(),
        job_id: endpoint.job_id.map(|job| job.0),
        name: endpoint.name.clone(),
        description: endpoint.description.clone(),
        method: endpoint.request.method.clone(),
        url: endpoint.request.url.clone(),
        host: endpoint.request.host(),
        headers: endpoint
            .request
            .headers
            .iter()
            .map(|(name, value)| vec![name.as_str(), value.as_str()])
            .collect(),
        body: endpoint.request.body.clone(),
        cron_expression: cron.map(|cron| cron.expression().to_owned()),
        cron_zone: cron.map(|cron| cron.zone().to_owned()),
        interval_us: micros_opt(endpoint.interval()),
        min_interval_us: micros(endpoint.min_interval),
        max_interval_us: micros_opt(endpoint.max_interval),
        cooldown_us: micros_opt(endpoint.cooldown),
        timeout_us: micros(endpoint.timeout),
        retry_max_attempts: i64::from(endpoint.retry.max_attempts),
        retry_base_delay_us: micros(endpoint.retry.base_delay),
        retry_max_delay_us: micros(endpoint.retry.max_delay),
        overlap: endpoint.overlap.as_str().to_owned(),
        max_concurrency: match endpoint.overlap {
            Overlap::Skip | Overlap::Queue => None,
            Overlap::Allow { max_concurrency } => Some(i64::from(max_concurrency)),
        },
        max_response_bytes: i64::from(endpoint.max_response_bytes),
        status: endpoint.status.as_str().to_owned(),
        paused_until_resumed: endpoint.pause == Some(Pause::UntilResumed),
        paused_until: match endpoint.pause {
            Some(Pause::Until(end)) => Some(end),
            Some(Pause::UntilResumed) | None => None,
        },
        version: endpoint.version,
        created_at: endpoint.created_at,
        updated_at: endpoint.updated_at,
    }
}

pub fn endpoint_of(row: job_endpoint::Model) -> StoreResult<Endpoint> {
    let baseline = baseline_of(&row)?;
    let retry = RetryPolicy {
        max_attempts: number("job_endpoints.retry_max_attempts", row.retry_max_attempts)?,
        base_delay: duration("job_endpoints.retry_base_delay_us", row.retry_base_delay_us)?,
        max_delay: duration("job_endpoints.retry_max_delay_us", row.retry_max_delay_us)?,
    };
    let overlap = overlap_of(&row.overlap, row.max_concurrency)?;
    let pause = if row.paused_until_resumed {
        Some(Pause::UntilResumed)
    } else {
        row.paused_until.map(Pause::Until)
    };
    Ok(Endpoint {
        id: EndpointId(row.id),
        user_id: UserId(row.user_id),
        job_id: row.job_id.map(JobId),
        name: row.name,
        description: row.description,
        request: Arc::new(request_of(row.method, row.url, row.headers, row.body)?),
        baseline,
        min_interval: duration("job_endpoints.min_interval_us", row.min_interval_us)?,
        max_interval: duration_opt("job_endpoints.max_interval_us", row.max_interval_us)?,
        cooldown: duration_opt("job_endpoints.cooldown_us", row.cooldown_us)?,
        timeout: duration("job_endpoints.timeout_us", row.timeout_us)?,
        retry,
        overlap,
        max_response_bytes: number("job_endpoints.max_response_bytes", row.max_response_bytes)?,
        status: word("job_endpoints.status", &row.status, EndpointStatus::parse)?,
        pause,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// The request that an endpoint's columns describe.
pub fn request_of(
    method: String,
    url: String,
    headers: serde_json::Value,
    body: Option<Vec<u8>>,
) -> StoreResult<HttpRequest> {
    let headers = serde_json::from_value(headers).map_err(|error| broken("job_endpoints.headers", error))?;
    Ok(HttpRequest {
        method,
        url,
        headers,
        body,
    })
}

fn baseline_of(row: &job_endpoint::Model) -> StoreResult<Baseline> {
    let columns = "job_endpoints.cron_expression, cron_zone";
    let cron = together(columns, row.cron_expression.as_deref(), row.cron_zone.as_deref())?;
    match (cron, row.interval_us) {
        (Some((expression, zone)), None) => CronSchedule::restore(expression, zone)
            .map(Baseline::Cron)
            .map_err(|error| broken(columns, error)),
        (None, Some(interval)) => Ok(Baseline::Interval(duration("job_endpoints.interval_us", interval)?)),
        (None, None) => Ok(Baseline::Dormant),
        (Some(_), Some(_)) => Err(broken(columns, "an interval is stored beside a cron expression")),
    }
}

fn overlap_of(kind: &str, max_concurrency: Option<i64>) -> StoreResult<Overlap> {
    let columns = "job_endpoints.overlap, max_concurrency";
    match (kind, max_concurrency) {
        ("skip", None) => Ok(Overlap::Skip),
        ("queue", None) => Ok(Overlap::Queue),
        ("allow", Some(most)) => Ok(Overlap::Allow {
            max_concurrency: number(columns, most)?,
        }),
        (kind, most) => Err(broken(columns, format!("{kind:?} with {most:?}"))),
    }
}

pub fn state_row(id: EndpointId, state: &EndpointState) -> endpoint_state::Model {
    endpoint_state::Model {
        endpoint_id: id.0,
        anchor_at: state.anchor,
        cursor_at: state.cursor,
        failures: i64::from(state.failures),
        last_planned_at: state.last_planned_at,
        last_ai_start_at: state.last_ai_start,
        last_outcome: state.last_outcome.map(|outcome| outcome.as_str().to_owned()),
        last_ai_planned_at: state.last_ai_planned,
        busy_runs: state.busy.map_or(0, |busy| i64::from(busy.runs)),
        busy_cadences: state.busy.map_or(0, |busy| i64::from(busy.cadences)),
        busy_since: state.busy.map(|busy| busy.since),
        room: i64::from(state.room),
        changed_at: state.changed_at,
        slowed_since: state.slowed.map(|slowed| slowed.since),
        slowed_until: state.slowed.map(|slowed| slowed.until),
        cadence_owed: state.cadence_owed,
    }
}

pub fn state_of(row: endpoint_state::Model) -> StoreResult<EndpointState> {
    let busy = match (number("endpoint_state.busy_runs", row.busy_runs)?, row.busy_since) {
        (0, _) => None,
        (runs, Some(since)) => Some(Busy {
            runs,
            cadences: number("endpoint_state.busy_cadences", row.busy_cadences)?,
            since,
        }),
        (_, None) => return Err(broken("endpoint_state.busy_since", "runs are in flight since no time")),
    };
    let slowed = together(
        "endpoint_state.slowed_since, slowed_until",
        row.slowed_since,
        row.slowed_until,
    )?;
    let outcome = row
        .last_outcome
        .map(|stored| word("endpoint_state.last_outcome", &stored, Outcome::parse));
    Ok(EndpointState {
        anchor: row.anchor_at,
        cursor: row.cursor_at,
        failures: number("endpoint_state.failures", row.failures)?,
        last_planned_at: row.last_planned_at,
        last_ai_start: row.last_ai_start_at,
        last_outcome: outcome.transpose()?,
        last_ai_planned: row.last_ai_planned_at,
        busy,
        room: number("endpoint_state.room", row.room)?,
        changed_at: row.changed_at,
        slowed: slowed.map(|(since, until)| Slowed { since, until }),
        cadence_owed: row.cadence_owed,
    })
}

pub fn hint_row(hint: &Hint) -> hint::Model {
    hint::Model {
        id: hint.id.0,
        endpoint_id: hint.endpoint_id.0,
        author: hint.author.as_str().to_owned(),
        kind: hint.instruction.kind().to_owned(),
        interval_us: micros_opt(hint.interval()),
        one_shot_at: hint.one_shot(),
        written_at: hint.written_at,
        expires_at: hint.expires_at,
        reason: hint.reason.clone(),
        plan_id: hint.plan_id.map(|plan| plan.0),
        held: hint.held,
    }
}

pub fn hint_of(row: hint::Model) -> StoreResult<Hint> {
    let instruction = match (row.kind.as_str(), row.interval_us, row.one_shot_at) {
        ("interval", Some(interval), None) => Instruction::Interval(duration("hints.interval_us", interval)?),
        ("one-shot", None, Some(at)) => Instruction::OneShot(at),
        ("pause", None, None) => Instruction::Pause,
        (kind, ..) => return Err(broken("hints.kind", format!("{kind:?} with columns of another kind"))),
    };
    Ok(Hint {
        id: HintId(row.id),
        endpoint_id: EndpointId(row.endpoint_id),
        author: word("hints.author", &row.author, Author::parse)?,
        instruction,
        written_at: row.written_at,
        expires_at: row.expires_at,
        reason: row.reason,
        plan_id: row.plan_id.map(PlanId),
        held: row.held,
    })
}
