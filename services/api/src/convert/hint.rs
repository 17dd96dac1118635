//! Hints of people between their proto and domain forms, and what ClearHints is aimed at.

use std::time::Duration;

use baton_domain::{
    error::Error,
    hint::{Author, Hint, Instruction},
    ids::{EndpointId, JobId},
    limits,
    services::check_hint,
    time::Timestamp,
};
use baton_proto::v1 as pb;

use super::{Fields, time};

/// What ApplyHint is to do.
pub(crate) struct NewHint {
    pub endpoint_id: EndpointId,
    pub instruction: Instruction,
    pub ttl: Option<Duration>,
    pub reason: String,
}

/// Reads everything; a harmless instruction stands in for one that cannot be read.
pub(crate) fn read_apply(fields: &mut Fields, request: pb::ApplyHintRequest) -> NewHint {
    use pb::apply_hint_request::Instruction as Proto;
    let instruction = match &request.instruction {
        Some(Proto::Interval(interval)) => fields.duration("interval", Some(interval)).map(Instruction::Interval),
        Some(Proto::OneShotTime(at)) => fields.timestamp("one_shot_time", Some(at)).map(Instruction::OneShot),
        None => fields.require("instruction", None),
    };
    NewHint {
        endpoint_id: fields.id("endpoint_id", &request.endpoint_id, EndpointId),
        instruction: instruction.unwrap_or(Instruction::Interval(limits::INTERVAL_MIN)),
        ttl: fields.duration("ttl", request.ttl.as_ref()),
        reason: request.reason,
    }
}

/// Everything that is wrong with a hint of which something could not be read.
pub(crate) fn refuse(fields: Fields, hint: &NewHint, now: Timestamp) -> Error {
    fields.refusal_with(|violations| check_hint(hint.instruction, hint.ttl, &hint.reason, now, violations))
}

/// Whose hints ClearHints removes.
pub(crate) enum ClearTarget {
    Endpoint(EndpointId),
    Job(JobId),
}

pub(crate) fn read_clear(request: &pb::ClearHintsRequest) -> Result<ClearTarget, Error> {
    use pb::clear_hints_request::Target;
    let mut fields = Fields::default();
    let target = match &request.target {
        Some(Target::EndpointId(id)) => ClearTarget::Endpoint(fields.id("endpoint_id", id, EndpointId)),
        Some(Target::JobId(id)) => ClearTarget::Job(fields.id("job_id", id, JobId)),
        None => return Err(Error::invalid("target", "must be present: endpoint_id or job_id")),
    };
    fields.done()?;
    Ok(target)
}

pub(crate) fn to_proto(hint: &Hint) -> pb::Hint {
    use pb::hint::Instruction as Proto;
    let author = match hint.author {
        Author::Person => pb::HintAuthor::Person,
        Author::Planner => pb::HintAuthor::Planner,
    };
    let instruction = match hint.instruction {
        Instruction::Interval(interval) => Proto::Interval(time::duration(interval)),
        Instruction::OneShot(at) => Proto::OneShotTime(time::timestamp(at)),
        Instruction::Pause => Proto::Pause(()),
    };
    pb::Hint {
        id: hint.id.to_string(),
        endpoint_id: hint.endpoint_id.to_string(),
        author: author.into(),
        instruction: Some(instruction),
        write_time: Some(time::timestamp(hint.written_at)),
        expire_time: Some(time::timestamp(hint.expires_at)),
        reason: hint.reason.clone(),
        plan_id: hint.plan_id.map(|id| id.to_string()),
    }
}
