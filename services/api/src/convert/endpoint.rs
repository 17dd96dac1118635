//! Endpoints between their proto and domain forms.
//!
//! Reading gives a draft that carries what could not be read; the domain checks the rest and reports all of it at once.

use baton_domain::{
    call::HttpRequest,
    endpoint::{Baseline, Endpoint, EndpointStatus, Overlap, Pause, RetryPolicy},
    ids::JobId,
    schedule::Schedule,
    services::{EndpointDraft, Idempotency, OverlapKind},
};
use baton_proto::v1 as pb;

use super::{Fields, hint, repeat, run, time};

mod update;

pub(crate) use update::read_update;

/// What CreateEndpoint is to do.
pub(crate) struct NewEndpoint {
    pub job_id: Option<JobId>,
    pub draft: EndpointDraft,
    pub idempotency: Idempotency,
}

/// Reads everything; violations travel in the draft.
pub(crate) fn read_create(request: pb::CreateEndpointRequest) -> NewEndpoint {
    let mut fields = Fields::default();
    let idempotency = repeat::read(&mut fields, &request);
    let endpoint = request.endpoint.unwrap_or_else(|| {
        fields.push("endpoint", "must be present");
        pb::Endpoint::default()
    });
    let job_id = fields.id_or_none("endpoint.job_id", endpoint.job_id(), JobId);
    let mut draft = read_draft(&mut fields, endpoint);
    draft.unreadable = fields.into_violations();
    NewEndpoint {
        job_id,
        draft,
        idempotency,
    }
}

fn read_draft(fields: &mut Fields, endpoint: pb::Endpoint) -> EndpointDraft {
    let mut draft = EndpointDraft {
        name: endpoint.name,
        description: endpoint.description,
        min_interval: fields.duration("endpoint.min_interval", endpoint.min_interval.as_ref()),
        max_interval: fields.duration("endpoint.max_interval", endpoint.max_interval.as_ref()),
        cooldown: fields.duration("endpoint.cooldown", endpoint.cooldown.as_ref()),
        timeout: fields.duration("endpoint.timeout", endpoint.timeout.as_ref()),
        retry: endpoint.retry.map(|retry| read_retry(fields, &retry)),
        overlap: read_overlap(fields, endpoint.overlap),
        max_concurrency: read_concurrency(fields, endpoint.max_concurrency),
        max_response_bytes: read_response_bytes(fields, endpoint.max_response_bytes),
        pause: endpoint
            .pause
            .map(|pause| read_pause(fields, "endpoint.pause.until", &pause.until)),
        ..EndpointDraft::default()
    };
    match fields.require("endpoint.request", endpoint.request) {
        Some(request) => write_request(&mut draft, request),
        // Passes the domain's check, which would otherwise tell the same mistake twice more.
        None => write_request(&mut draft, stand_in()),
    }
    write_baseline(fields, &mut draft, endpoint.baseline);
    draft
}

fn stand_in() -> pb::HttpRequest {
    pb::HttpRequest {
        method: "GET".to_owned(),
        url: "http://absent.invalid/".to_owned(),
        ..pb::HttpRequest::default()
    }
}

fn write_request(draft: &mut EndpointDraft, request: pb::HttpRequest) {
    draft.method = request.method;
    draft.url = request.url;
    draft.headers = request
        .headers
        .into_iter()
        .map(|header| (header.name, header.value))
        .collect();
    draft.body = request.body;
}

fn write_baseline(fields: &mut Fields, draft: &mut EndpointDraft, baseline: Option<pb::endpoint::Baseline>) {
    use pb::endpoint::Baseline as Proto;
    draft.cron = None;
    draft.interval = None;
    match baseline {
        Some(Proto::Cron(cron)) => draft.cron = Some((cron.expression, cron.time_zone)),
        Some(Proto::Interval(interval)) => draft.interval = fields.duration("endpoint.interval", Some(&interval)),
        None => {}
    }
}

/// Absent delays take their defaults.
fn read_retry(fields: &mut Fields, retry: &pb::RetryPolicy) -> RetryPolicy {
    let normal = RetryPolicy::default();
    let max_attempts = u32::try_from(retry.max_attempts).unwrap_or_else(|_| {
        fields.push("endpoint.retry.max_attempts", "must be 1 to 25");
        normal.max_attempts
    });
    let base = fields.duration("endpoint.retry.base_delay", retry.base_delay.as_ref());
    let max = fields.duration("endpoint.retry.max_delay", retry.max_delay.as_ref());
    RetryPolicy {
        max_attempts,
        base_delay: base.unwrap_or(normal.base_delay),
        max_delay: max.unwrap_or(normal.max_delay),
    }
}

fn read_response_bytes(fields: &mut Fields, bytes: Option<i32>) -> Option<u32> {
    bytes.map(|bytes| fields.unsigned("endpoint.max_response_bytes", bytes))
}

/// `None` for UNSPECIFIED, and for what is no policy.
fn read_overlap(fields: &mut Fields, overlap: i32) -> Option<OverlapKind> {
    match pb::OverlapPolicy::try_from(overlap) {
        Ok(pb::OverlapPolicy::Unspecified) => None,
        Ok(pb::OverlapPolicy::Skip) => Some(OverlapKind::Skip),
        Ok(pb::OverlapPolicy::Queue) => Some(OverlapKind::Queue),
        Ok(pb::OverlapPolicy::Allow) => Some(OverlapKind::Allow),
        Err(_) => {
            fields.push("endpoint.overlap", format!("{overlap} is not an OverlapPolicy"));
            None
        }
    }
}

fn read_concurrency(fields: &mut Fields, most: Option<i32>) -> Option<u32> {
    most.map(|most| fields.unsigned("endpoint.max_concurrency", most))
}

/// A pause until a time, or until resumed when there is none.
pub(crate) fn read_pause(fields: &mut Fields, field: &str, until: &Option<prost_types::Timestamp>) -> Pause {
    fields
        .timestamp(field, until.as_ref())
        .map_or(Pause::UntilResumed, Pause::Until)
}

pub(crate) fn to_proto(schedule: &Schedule) -> pb::Endpoint {
    let endpoint = &schedule.endpoint;
    pb::Endpoint {
        id: endpoint.id.to_string(),
        job_id: endpoint.job_id.map(|id| id.to_string()),
        name: endpoint.name.clone(),
        description: endpoint.description.clone(),
        request: Some(request_to_proto(&endpoint.request)),
        baseline: baseline_to_proto(&endpoint.baseline),
        min_interval: Some(time::duration(endpoint.min_interval)),
        max_interval: endpoint.max_interval.map(time::duration),
        cooldown: endpoint.cooldown.map(time::duration),
        timeout: Some(time::duration(endpoint.timeout)),
        retry: Some(retry_to_proto(endpoint.retry)),
        max_response_bytes: Some(i32::try_from(endpoint.max_response_bytes).unwrap_or(i32::MAX)),
        overlap: overlap_to_proto(endpoint.overlap).into(),
        max_concurrency: match endpoint.overlap {
            Overlap::Skip | Overlap::Queue => None,
            Overlap::Allow { max_concurrency } => Some(i32::try_from(max_concurrency).unwrap_or(i32::MAX)),
        },
        status: status_to_proto(endpoint).into(),
        pause: endpoint.pause.map(pause_to_proto),
        failures: i32::try_from(schedule.state.failures).unwrap_or(i32::MAX),
        hints: schedule.hints.iter().map(hint::to_proto).collect(),
        next_run: schedule.plan_row.as_ref().map(|row| run::planned_to_proto(&row.run)),
        create_time: Some(time::timestamp(endpoint.created_at)),
        update_time: Some(time::timestamp(endpoint.updated_at)),
        etag: endpoint.version.to_string(),
    }
}

fn request_to_proto(request: &HttpRequest) -> pb::HttpRequest {
    let headers = request.headers.iter().map(|(name, value)| pb::Header {
        name: name.clone(),
        value: value.clone(),
    });
    pb::HttpRequest {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: headers.collect(),
        body: request.body.clone(),
    }
}

fn baseline_to_proto(baseline: &Baseline) -> Option<pb::endpoint::Baseline> {
    match baseline {
        Baseline::Cron(cron) => Some(pb::endpoint::Baseline::Cron(pb::CronSchedule {
            expression: cron.expression().to_owned(),
            time_zone: cron.zone().to_owned(),
        })),
        Baseline::Interval(interval) => Some(pb::endpoint::Baseline::Interval(time::duration(*interval))),
        Baseline::Dormant => None,
    }
}

fn retry_to_proto(retry: RetryPolicy) -> pb::RetryPolicy {
    pb::RetryPolicy {
        max_attempts: i32::try_from(retry.max_attempts).unwrap_or(i32::MAX),
        base_delay: Some(time::duration(retry.base_delay)),
        max_delay: Some(time::duration(retry.max_delay)),
    }
}

fn overlap_to_proto(overlap: Overlap) -> pb::OverlapPolicy {
    match overlap {
        Overlap::Skip => pb::OverlapPolicy::Skip,
        Overlap::Queue => pb::OverlapPolicy::Queue,
        Overlap::Allow { .. } => pb::OverlapPolicy::Allow,
    }
}

fn status_to_proto(endpoint: &Endpoint) -> pb::EndpointStatus {
    match endpoint.status {
        EndpointStatus::Active => pb::EndpointStatus::Active,
        EndpointStatus::Archived => pb::EndpointStatus::Archived,
    }
}

fn pause_to_proto(pause: Pause) -> pb::Pause {
    let until = match pause {
        Pause::Until(end) => Some(time::timestamp(end)),
        Pause::UntilResumed => None,
    };
    pb::Pause { until }
}
