//! The span of an outbound call, and its context as `traceparent` and `tracestate`.
//!
//! Attribute names are those of OpenTelemetry's conventions for HTTP clients. URLs are told without their query, which can
//! hold secrets.

use baton_domain::call::{CallErrorKind, CallOutcome, HttpCall};
use opentelemetry::{global, propagation::Injector};
use reqwest::{
    Request,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use url::Url;

/// The span of one attempt, as a child of the current one.
pub(crate) fn open_span(call: &HttpCall) -> Span {
    tracing::info_span!(
        "http.call",
        otel.name = call.request.method,
        otel.kind = "client",
        otel.status_code = Empty,
        http.request.method = call.request.method,
        http.request.resend_count = call.attempt.saturating_sub(1),
        http.response.status_code = Empty,
        url.full = Empty,
        server.address = Empty,
        server.port = Empty,
        error.type = Empty,
        run_id = %call.run_id,
    )
}

/// Tells the span whom it calls, and the request which span calls.
pub(crate) fn link(span: &Span, request: &mut Request) {
    record_target(span, request.url());
    let context = span.context();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut Headers(request.headers_mut()));
    });
}

fn record_target(span: &Span, url: &Url) {
    let mut without_query = url.clone();
    without_query.set_query(None);
    span.record("url.full", without_query.as_str());
    span.record("server.address", url.host_str());
    span.record("server.port", url.port_or_known_default());
}

/// Writes what came of the call to its span.
pub(crate) fn record_outcome(span: &Span, outcome: &CallOutcome) {
    span.record("http.response.status_code", outcome.status_code);
    if let Some(error) = &outcome.error {
        span.record("error.type", error_type(error.kind));
        span.record("otel.status_code", "ERROR");
    } else if let Some(code) = outcome.status_code.filter(|code| *code >= 400) {
        span.record("error.type", code.to_string());
        span.record("otel.status_code", "ERROR");
    }
}

fn error_type(kind: CallErrorKind) -> &'static str {
    match kind {
        CallErrorKind::Timeout => "timeout",
        CallErrorKind::Connect => "connect",
        CallErrorKind::EgressDenied => "egress_denied",
        CallErrorKind::InvalidRequest => "invalid_request",
        CallErrorKind::Protocol => "protocol",
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty tracestate says nothing; some servers refuse it.
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value))
            && !value.is_empty()
        {
            self.0.insert(name, value);
        }
    }
}
