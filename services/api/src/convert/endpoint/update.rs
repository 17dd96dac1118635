//! UpdateEndpoint: which fields of an endpoint's definition are written, and with what.

use baton_domain::{
    error::{Error, Violation},
    ids::EndpointId,
    services::{EndpointDraft, OverlapKind},
};
use baton_proto::v1 as pb;

use super::{
    super::{
        Fields,
        job::etag,
        mask::{Mask, Writable},
    },
    read_concurrency, read_overlap, read_response_bytes, read_retry, write_baseline, write_request,
};

const WRITABLE: Writable = Writable {
    message: "endpoint",
    paths: &[
        "name",
        "description",
        "request",
        "cron",
        "interval",
        "min_interval",
        "max_interval",
        "cooldown",
        "timeout",
        "retry",
        "max_response_bytes",
        "overlap",
        "max_concurrency",
    ],
    output_only: &[
        "id",
        "job_id",
        "status",
        "pause",
        "failures",
        "hints",
        "next_run",
        "create_time",
        "update_time",
        "etag",
    ],
};

/// What UpdateEndpoint is to do.
pub(crate) struct EndpointUpdate {
    pub id: EndpointId,
    pub etag: Option<String>,
    /// Present, as named by the mask, is written; absent and named is unset.
    endpoint: pb::Endpoint,
    mask: Mask,
    unreadable: Vec<Violation>,
}

/// Fails only when it is not clear which endpoint is meant; what is wrong with its fields travels to the domain's check.
pub(crate) fn read_update(request: pb::UpdateEndpointRequest) -> Result<EndpointUpdate, Error> {
    let mut fields = Fields::default();
    let mask = Mask::read(&mut fields, &WRITABLE, request.update_mask.as_ref());
    let Some(mut endpoint) = fields.require("endpoint", request.endpoint) else {
        return Err(fields.refusal());
    };
    let mut own = Fields::default();
    let id = own.id("endpoint.id", &endpoint.id, EndpointId);
    let update = EndpointUpdate {
        id,
        etag: etag(std::mem::take(&mut endpoint.etag)),
        endpoint,
        mask,
        unreadable: fields.into_violations(),
    };
    if let Err(refusal) = own.done() {
        return Err(update.refuse(refusal));
    }
    Ok(update)
}

impl EndpointUpdate {
    /// Writes the fields into the definition, with what could not be read.
    pub(crate) fn write(self, draft: &mut EndpointDraft) {
        let Self {
            endpoint,
            mask,
            unreadable,
            ..
        } = self;
        let mut fields = Fields::default();
        write_texts(&mask, draft, &endpoint);
        write_guardrails(&mut fields, &mask, draft, &endpoint);
        if mask.writes("retry", endpoint.retry.is_some()) {
            draft.retry = endpoint.retry.map(|retry| read_retry(&mut fields, &retry));
        }
        if mask.writes("max_response_bytes", endpoint.max_response_bytes.is_some()) {
            draft.max_response_bytes = read_response_bytes(&mut fields, endpoint.max_response_bytes);
        }
        write_overlap(&mut fields, &mask, draft, &endpoint);
        let baseline = endpoint.baseline.is_some();
        if mask.writes("cron", baseline) || mask.writes("interval", baseline) {
            write_baseline(&mut fields, draft, endpoint.baseline);
        }
        if mask.writes("request", endpoint.request.is_some())
            && let Some(request) = fields.require("endpoint.request", endpoint.request)
        {
            write_request(draft, request);
        }
        draft.unreadable = unreadable;
        draft.unreadable.extend(fields.into_violations());
    }

    /// The refusal of an endpoint that cannot be looked up, with what is wrong with the fields that were to be written.
    fn refuse(self, refusal: Error) -> Error {
        let mut draft = EndpointDraft::default();
        self.write(&mut draft);
        match refusal {
            Error::Invalid(mut found) => {
                found.append(&mut draft.unreadable);
                Error::Invalid(found)
            }
            other => other,
        }
    }
}

/// A number that is not named goes with the policy that it belonged to.
fn write_overlap(fields: &mut Fields, mask: &Mask, draft: &mut EndpointDraft, endpoint: &pb::Endpoint) {
    if mask.writes("overlap", endpoint.overlap != pb::OverlapPolicy::Unspecified as i32) {
        draft.overlap = read_overlap(fields, endpoint.overlap);
        if draft.overlap != Some(OverlapKind::Allow) {
            draft.max_concurrency = None;
        }
    }
    if mask.writes("max_concurrency", endpoint.max_concurrency.is_some()) {
        draft.max_concurrency = read_concurrency(fields, endpoint.max_concurrency);
    }
}

fn write_texts(mask: &Mask, draft: &mut EndpointDraft, endpoint: &pb::Endpoint) {
    if mask.writes("name", !endpoint.name.is_empty()) {
        draft.name.clone_from(&endpoint.name);
    }
    if mask.writes("description", !endpoint.description.is_empty()) {
        draft.description.clone_from(&endpoint.description);
    }
}

fn write_guardrails(fields: &mut Fields, mask: &Mask, draft: &mut EndpointDraft, endpoint: &pb::Endpoint) {
    let durations = [
        ("min_interval", &endpoint.min_interval, &mut draft.min_interval),
        ("max_interval", &endpoint.max_interval, &mut draft.max_interval),
        ("cooldown", &endpoint.cooldown, &mut draft.cooldown),
        ("timeout", &endpoint.timeout, &mut draft.timeout),
    ];
    for (path, value, target) in durations {
        if mask.writes(path, value.is_some()) {
            *target = fields.duration(&format!("endpoint.{path}"), value.as_ref());
        }
    }
}
