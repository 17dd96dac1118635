//! The W3C trace context of the request under way, in the form in which it is stored with the runs it causes.

use std::collections::HashMap;

use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const TRACE_PARENT: &str = "traceparent";

/// The `traceparent` of the current span; `None` when it belongs to no trace.
pub(crate) fn parent() -> Option<String> {
    let mut carrier = HashMap::new();
    let context = Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut carrier));
    carrier.remove(TRACE_PARENT)
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
    use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn names_the_current_span_and_nothing_without_one() {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber = tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(parent(), None);
            let span = tracing::info_span!("call");
            let _entered = span.enter();
            let trace = span.context().span().span_context().trace_id().to_string();
            let parent = parent().expect("a span is entered");
            assert!(parent.starts_with(&format!("00-{trace}-")), "{parent}");
        });
    }
}
