//! A row per variant: code, reason, and the detail that a program acts on.

use super::*;

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().expect("every status has an ErrorInfo");
    assert_eq!(info.domain, "baton.v1");
    info.reason.clone()
}

fn row(error: Error, code: Code, expected: &str) -> Status {
    let status = of_error(error);
    assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    status
}

fn retry_after(status: &Status) -> Option<Duration> {
    status.get_error_details().retry_info()?.retry_delay
}

#[test]
fn invalid_lists_every_violation() {
    let violation = |field: &str| Violation {
        field: field.to_owned(),
        description: "is wrong".to_owned(),
    };
    let error = Error::Invalid(vec![violation("a"), violation("b.c")]);
    let status = row(error, Code::InvalidArgument, "INVALID_REQUEST");
    let details = status.get_error_details();
    let fields: Vec<&str> = details
        .bad_request()
        .expect("a BadRequest")
        .field_violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    assert_eq!(fields, ["a", "b.c"]);
}

#[test]
fn not_found_names_the_kind_and_no_id() {
    let rows = [
        (Resource::Job, "JOB_NOT_FOUND", "baton.v1.Job", "job not found"),
        (
            Resource::Endpoint,
            "ENDPOINT_NOT_FOUND",
            "baton.v1.Endpoint",
            "endpoint not found",
        ),
        (Resource::Run, "RUN_NOT_FOUND", "baton.v1.Run", "run not found"),
        (
            Resource::FlashSale,
            "FLASH_SALE_NOT_FOUND",
            "baton.v1.FlashSale",
            "flash sale not found",
        ),
        (Resource::Plan, "PLAN_NOT_FOUND", "baton.v1.Plan", "plan not found"),
        (Resource::Token, "TOKEN_NOT_FOUND", "baton.v1.Token", "token not found"),
    ];
    for (resource, reason, kind, message) in rows {
        let status = row(Error::NotFound(resource), Code::NotFound, reason);
        assert_eq!(status.message(), message);
        let details = status.get_error_details();
        let resource = details.resource_info().expect("a ResourceInfo");
        assert_eq!(
            (resource.resource_type.as_str(), resource.resource_name.as_str()),
            (kind, "")
        );
    }
}

#[test]
fn precondition_names_the_state() {
    let error = Error::Precondition {
        reason: "JOB_STATE",
        message: "job is archived".to_owned(),
    };
    let status = row(error, Code::FailedPrecondition, "JOB_STATE");
    let details = status.get_error_details();
    let violation = &details
        .precondition_failure()
        .expect("a PreconditionFailure")
        .violations[0];
    assert_eq!(
        (violation.r#type.as_str(), violation.description.as_str()),
        ("JOB_STATE", "job is archived")
    );
}

#[test]
fn aborted_carries_the_current_values() {
    let error = Error::Aborted {
        reason: "ETAG_MISMATCH",
        message: "changed".to_owned(),
        details: vec![("etag", "7".to_owned())],
    };
    let status = row(error, Code::Aborted, "ETAG_MISMATCH");
    let details = status.get_error_details();
    let metadata = &details.error_info().expect("an ErrorInfo").metadata;
    assert_eq!(metadata.get("etag").map(String::as_str), Some("7"));
}

#[test]
fn exhausted_says_when_to_try_again() {
    let error = Error::Exhausted {
        reason: "ASK_BUDGET",
        message: "used up".to_owned(),
        retry_after: Duration::from_secs(90),
    };
    let status = row(error, Code::ResourceExhausted, "ASK_BUDGET");
    assert_eq!(retry_after(&status), Some(Duration::from_secs(90)));
}

#[test]
fn a_reused_request_id_is_a_bad_request() {
    let status = row(Error::RequestIdReused, Code::InvalidArgument, "REQUEST_ID_REUSED");
    let details = status.get_error_details();
    let violation = &details.bad_request().expect("a BadRequest").field_violations[0];
    assert_eq!(violation.field, "request_id");
}

#[test]
fn what_the_database_said_stays_inside() {
    let secret = || "password authentication failed for user baton".to_owned();
    let rows = [
        (
            StoreError::Unavailable(secret()),
            Code::Unavailable,
            "DATABASE_UNAVAILABLE",
            true,
        ),
        (StoreError::Conflict(secret()), Code::Aborted, "CONFLICT", true),
        (StoreError::Broken(secret()), Code::Internal, "INTERNAL", false),
    ];
    for (error, code, reason, retries) in rows {
        let status = row(Error::Store(error), code, reason);
        assert!(!status.message().contains("password"), "{}", status.message());
        assert_eq!(retry_after(&status).is_some(), retries);
    }
}

#[test]
fn the_layers_statuses_have_details_too() {
    let rows = [
        (unauthenticated(), Code::Unauthenticated, "UNAUTHENTICATED"),
        (credential_invalid(), Code::Unauthenticated, "CREDENTIAL_INVALID"),
        (credential_expired(), Code::Unauthenticated, "CREDENTIAL_EXPIRED"),
        (credential_revoked(), Code::Unauthenticated, "CREDENTIAL_REVOKED"),
        (certificate_unknown(), Code::Unauthenticated, "CERTIFICATE_UNKNOWN"),
        (scope_missing(&[Scope::Jobs]), Code::PermissionDenied, "SCOPE_MISSING"),
        (no_single_user(), Code::PermissionDenied, "NO_SINGLE_USER"),
        (deadline_exceeded(), Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
        (overloaded(), Code::ResourceExhausted, "OVERLOADED"),
        (too_slow(), Code::ResourceExhausted, "WATCH_TOO_SLOW"),
        (too_many_items(7), Code::ResourceExhausted, "TOO_MANY_ITEMS"),
        (stopping(), Code::Unavailable, "SERVER_STOPPING"),
        (internal(), Code::Internal, "INTERNAL"),
    ];
    for (status, code, expected) in rows {
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    }
}

#[test]
fn the_transports_statuses_get_details() {
    let rows = [
        (
            Status::out_of_range("too large"),
            Code::ResourceExhausted,
            "MESSAGE_TOO_LARGE",
        ),
        (
            Status::internal("invalid wire type"),
            Code::InvalidArgument,
            "MALFORMED_REQUEST",
        ),
        (Status::unimplemented(""), Code::Unimplemented, "UNIMPLEMENTED"),
        (Status::cancelled("gone"), Code::Cancelled, "TRANSPORT"),
    ];
    for (made, code, expected) in rows {
        let status = of_transport(&made);
        assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
    }
}
