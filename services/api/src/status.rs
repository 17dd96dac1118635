//! The one place that turns an error into a gRPC status, with the details that let a program act on it.
//!
//! Called by the handlers for what the use cases answer, and by the layers for what ends a call before or beside them.
//! Every status carries an `ErrorInfo` with domain `baton.v1` and a stable reason. What a database said stays here: it
//! is logged, and callers are told no more than that something broke.

mod fit;

use std::{collections::HashMap, time::Duration};

use baton_domain::{
    credential::Scope,
    error::{Error, Resource, StoreError, Violation},
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, PreconditionViolation, StatusExt as _};

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "baton.v1";

/// When to try again after an outage, a lost race, and a shed call.
const AFTER_OUTAGE: Duration = Duration::from_secs(1);
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
const AFTER_SHEDDING: Duration = Duration::from_secs(1);

/// The status that a use case's error amounts to.
pub fn of_error(error: Error) -> Status {
    match error {
        Error::Invalid(violations) => invalid(violations),
        Error::NotFound(resource) => not_found(resource),
        Error::Precondition { reason, message } => {
            let violation = PreconditionViolation::new(reason, "", message.as_str());
            let mut details = info(reason);
            details.set_precondition_failure(vec![violation]);
            with(Code::FailedPrecondition, message, details)
        }
        Error::Aborted {
            reason,
            message,
            details,
        } => with(Code::Aborted, message, info_with(reason, details)),
        Error::Exhausted {
            reason,
            message,
            retry_after,
        } => with(Code::ResourceExhausted, message, retry(reason, retry_after)),
        Error::RequestIdReused => {
            let message = error.to_string();
            let mut details = info("REQUEST_ID_REUSED");
            details.add_bad_request_violation("request_id", "was used before with a different request");
            with(Code::InvalidArgument, message, details)
        }
        Error::Store(error) => of_store(&error),
    }
}

fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Unavailable(message) => {
            // The health check tells of the outage itself.
            tracing::debug!(error = message, "database unavailable");
            let details = retry("DATABASE_UNAVAILABLE", AFTER_OUTAGE);
            with(Code::Unavailable, "the database is unavailable", details)
        }
        StoreError::Conflict(message) => {
            tracing::debug!(error = message, "database conflict");
            let details = retry("CONFLICT", AFTER_CONFLICT);
            with(Code::Aborted, "somebody else wrote at the same time", details)
        }
        StoreError::Broken(message) => {
            tracing::error!(error = message, "database error");
            internal()
        }
    }
}

fn invalid(violations: Vec<Violation>) -> Status {
    let message = match violations.as_slice() {
        [only] => format!("{}: {}", only.field, only.description),
        several => format!("the request has {} violations", several.len()),
    };
    let mut details = info("INVALID_REQUEST");
    details.set_bad_request(fit::violations(violations));
    with(Code::InvalidArgument, message, details)
}

/// Says nothing of the id: the answer for somebody else's is that for one that does not exist.
fn not_found(resource: Resource) -> Status {
    let (reason, kind) = match resource {
        Resource::Job => ("JOB_NOT_FOUND", "baton.v1.Job"),
        Resource::Endpoint => ("ENDPOINT_NOT_FOUND", "baton.v1.Endpoint"),
        Resource::Run => ("RUN_NOT_FOUND", "baton.v1.Run"),
        Resource::FlashSale => ("FLASH_SALE_NOT_FOUND", "baton.v1.FlashSale"),
        Resource::Plan => ("PLAN_NOT_FOUND", "baton.v1.Plan"),
        // Tokens are made and revoked by operators; no RPC names one.
        Resource::Token => ("TOKEN_NOT_FOUND", "baton.v1.Token"),
    };
    let message = Error::NotFound(resource).to_string();
    let mut details = info(reason);
    details.set_resource_info(kind, "", "", message.as_str());
    with(Code::NotFound, message, details)
}

/// The request has no caller.
pub(crate) fn unauthenticated() -> Status {
    let message = "the request carries no credential: send `authorization: Bearer TOKEN`";
    with(Code::Unauthenticated, message, info("UNAUTHENTICATED"))
}

/// What was sent is no token, or one that nobody knows.
pub(crate) fn credential_invalid() -> Status {
    let message = "the credential is not valid";
    with(Code::Unauthenticated, message, info("CREDENTIAL_INVALID"))
}

/// Only who has the whole token learns that it was valid once.
pub(crate) fn credential_expired() -> Status {
    let message = "the credential has expired";
    with(Code::Unauthenticated, message, info("CREDENTIAL_EXPIRED"))
}

pub(crate) fn credential_revoked() -> Status {
    let message = "the credential was revoked";
    with(Code::Unauthenticated, message, info("CREDENTIAL_REVOKED"))
}

/// The handshake succeeded, but no name of the certificate is mapped.
pub(crate) fn certificate_unknown() -> Status {
    let message = "no name of the client certificate is known here";
    with(Code::Unauthenticated, message, info("CERTIFICATE_UNKNOWN"))
}

/// The caller is known but may not do this.
pub(crate) fn scope_missing(needed: &[Scope]) -> Status {
    let needed: Vec<&str> = needed.iter().map(|scope| scope.as_str()).collect();
    let needed = needed.join(",");
    let message = format!("the credential lacks the scope for this (one of: {needed})");
    let details = info_with("SCOPE_MISSING", vec![("scopes", needed)]);
    with(Code::PermissionDenied, message, details)
}

/// A planner's credential that names several users was used for a call about one.
pub(crate) fn no_single_user() -> Status {
    let message = "the credential does not stand for one user";
    with(Code::PermissionDenied, message, info("NO_SINGLE_USER"))
}

/// The caller's deadline, or the server's own for a call without one, has passed.
pub(crate) fn deadline_exceeded() -> Status {
    let message = "the deadline passed before the call was done";
    with(Code::DeadlineExceeded, message, info("DEADLINE_EXCEEDED"))
}

/// As many calls as the server takes are under way.
pub(crate) fn overloaded() -> Status {
    let details = retry("OVERLOADED", AFTER_SHEDDING);
    with(Code::ResourceExhausted, "the server is busy", details)
}

/// A watch that does not read as fast as things happen; it can resume from its last cursor.
pub(crate) fn too_slow() -> Status {
    let details = retry("WATCH_TOO_SLOW", AFTER_SHEDDING);
    let message = "the watch reads more slowly than runs change";
    with(Code::ResourceExhausted, message, details)
}

/// A stream of requests is longer than one answer can tell of.
pub(crate) fn too_many_items(taken: usize) -> Status {
    let message = format!("the stream was taken up to {taken} messages: send the rest in another");
    with(Code::ResourceExhausted, message, info("TOO_MANY_ITEMS"))
}

/// The server stops: the stream can be opened again, here or elsewhere.
pub(crate) fn stopping() -> Status {
    let details = retry("SERVER_STOPPING", AFTER_OUTAGE);
    with(Code::Unavailable, "the server is stopping", details)
}

/// A handler panicked, or stored data cannot be read.
pub(crate) fn internal() -> Status {
    with(Code::Internal, "internal error", info("INTERNAL"))
}

/// A status that gRPC's own machinery made, before or instead of a handler, with the details that all others have.
pub(crate) fn of_transport(status: &Status) -> Status {
    let message = status.message();
    match status.code() {
        Code::OutOfRange => with(Code::ResourceExhausted, message, info("MESSAGE_TOO_LARGE")),
        Code::Internal | Code::InvalidArgument => {
            let text = format!("the request cannot be decoded: {message}");
            with(Code::InvalidArgument, text, info("MALFORMED_REQUEST"))
        }
        Code::Unimplemented => {
            let text = if message.is_empty() { "no such method" } else { message };
            with(Code::Unimplemented, text, info("UNIMPLEMENTED"))
        }
        code => with(code, message, info("TRANSPORT")),
    }
}

fn info(reason: &str) -> ErrorDetails {
    ErrorDetails::with_error_info(reason, DOMAIN, HashMap::new())
}

fn info_with(reason: &str, metadata: Vec<(&'static str, String)>) -> ErrorDetails {
    let metadata: HashMap<String, String> = metadata
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

fn retry(reason: &str, after: Duration) -> ErrorDetails {
    let mut details = info(reason);
    details.set_retry_info(Some(after));
    details
}

fn with(code: Code, message: impl Into<String>, details: ErrorDetails) -> Status {
    Status::with_error_details(code, fit::message(message.into()), details)
}

#[cfg(test)]
mod tests;
