//! The span of a run, in the trace of the request that caused it.

use baton_domain::services::ClaimedRun;
use opentelemetry::propagation::Extractor;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The header name under which the context was stored.
const TRACE_PARENT: &str = "traceparent";

/// The span of one attempt. Its parent is set here: later, once its context was asked for, would be too late.
pub(crate) fn span_of(claimed: &ClaimedRun) -> Span {
    let span = tracing::info_span!(
        "run.execute",
        run_id = %claimed.run.id,
        endpoint_id = %claimed.run.endpoint_id,
        source = claimed.run.source.as_str(),
        cause = claimed.run.cause.as_str(),
        attempt = claimed.run.attempt,
    );
    if let Some(parent) = &claimed.trace_parent {
        let carrier = Stored(parent);
        let context = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&carrier));
        // Fails only without a telemetry layer, when nobody looks.
        span.set_parent(context).ok();
    }
    span
}

/// One header, as the propagator reads it.
struct Stored<'a>(&'a str);

impl Extractor for Stored<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACE_PARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACE_PARENT]
    }
}
