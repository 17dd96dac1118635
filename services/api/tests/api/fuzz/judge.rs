//! What every answer has to keep to, whatever was asked.

use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{messages::Sent, stage::Seen};

/// Codes that tell a caller something about the request or the state it met. All others would be our own mistake.
const CODES: [Code; 6] = [
    Code::InvalidArgument,
    Code::NotFound,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::ResourceExhausted,
    Code::PermissionDenied,
];

/// Says which promise was broken, if one was.
pub fn judge(method: &MethodDescriptor, messages: &[Sent], seen: &Seen) -> Result<(), String> {
    let Err(status) = &seen.answer else {
        return Ok(());
    };
    judge_status(&method.input(), status)
        .and_then(|()| nothing_written(status, seen))
        .map_err(|broken| format!("{broken}\nanswer: {status:?}\nrequest: {messages:?}"))
}

fn judge_status(request: &MessageDescriptor, status: &Status) -> Result<(), String> {
    if !CODES.contains(&status.code()) {
        return Err(format!("{:?} is no answer to a request", status.code()));
    }
    let details = status.get_error_details();
    let info = details.error_info().ok_or("no ErrorInfo")?;
    if info.domain != "baton.v1" || info.reason.is_empty() {
        return Err(format!("an ErrorInfo of {} with reason {:?}", info.domain, info.reason));
    }
    match status.code() {
        Code::InvalidArgument => judge_violations(request, status),
        Code::NotFound if details.resource_info().is_none() => Err("no ResourceInfo".to_owned()),
        Code::FailedPrecondition if details.precondition_failure().is_none() => {
            Err("no PreconditionFailure".to_owned())
        }
        Code::ResourceExhausted if details.retry_info().is_none() => Err("no RetryInfo".to_owned()),
        _ => Ok(()),
    }
}

/// At least one, each with the path of a field of the request and a sentence.
fn judge_violations(request: &MessageDescriptor, status: &Status) -> Result<(), String> {
    let details = status.get_error_details();
    let found = &details.bad_request().ok_or("no BadRequest")?.field_violations;
    if found.is_empty() {
        return Err("a BadRequest without a violation".to_owned());
    }
    for violation in found {
        if violation.description.trim().is_empty() {
            return Err(format!("{:?} is refused without a word", violation.field));
        }
        if !names_a_field(request, &violation.field) {
            return Err(format!("{:?} names no field of {}", violation.field, request.name()));
        }
    }
    Ok(())
}

/// True for `a`, `a.b`, `a[3].b` and `a[key]` as far as the descriptor has these fields; a oneof counts as one.
fn names_a_field(message: &MessageDescriptor, path: &str) -> bool {
    let (first, rest) = match path.split_once('.') {
        Some((first, rest)) if !first.contains('[') || first.ends_with(']') => (first, Some(rest)),
        _ => (path, None),
    };
    let name = first.split('[').next().unwrap_or(first);
    let Some(field) = message.get_field_by_name(name) else {
        return rest.is_none() && message.oneofs().any(|oneof| oneof.name() == name);
    };
    if first.contains('[') && !(field.is_list() || field.is_map()) {
        return false;
    }
    match (rest, field.kind()) {
        (None, _) => true,
        (Some(rest), Kind::Message(inner)) => names_a_field(&inner, rest),
        (Some(_), _) => false,
    }
}

/// ABORTED and RESOURCE_EXHAUSTED may be on record: the plan whose answer came too late is over.
fn nothing_written(status: &Status, seen: &Seen) -> Result<(), String> {
    let may_write = matches!(status.code(), Code::Aborted | Code::ResourceExhausted);
    if seen.wrote && !may_write {
        Err(format!("{:?} was answered, and something was written", status.code()))
    } else {
        Ok(())
    }
}
