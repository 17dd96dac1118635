//! The trace context that a receiver gets. Propagator and enabled spans are global to a process, hence one of its own.

#[path = "http/receiver.rs"]
#[expect(dead_code, reason = "one test needs a part of it")]
mod receiver;

use baton_domain::call::Dispatcher as _;
use opentelemetry::{
    global,
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
use receiver::{Receiver, Then, call, dispatcher};
use tracing::Instrument as _;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn the_receiver_gets_the_context_of_the_call() {
    let provider = SdkTracerProvider::builder().build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    let receiver = Receiver::answering(OK, Then::KeepAlive).await;
    let dispatcher = dispatcher(&["127.0.0.0/8"]);

    assert!(dispatcher.call(call("GET", &receiver.url(), None)).await.is_success());
    assert!(
        !receiver.requests()[0].contains("traceparent"),
        "without a propagator nothing is sent"
    );

    global::set_text_map_propagator(TraceContextPropagator::new());
    let run = tracing::info_span!("run");
    let trace_id = run.context().span().span_context().trace_id();
    let run_span_id = run.context().span().span_context().span_id();
    assert!(
        dispatcher
            .call(call("GET", &receiver.url(), None))
            .instrument(run)
            .await
            .is_success()
    );

    let request = &receiver.requests()[1];
    let traceparent = request
        .lines()
        .find_map(|line| line.strip_prefix("traceparent: "))
        .expect("a traceparent");
    let [version, trace, span, flags] = traceparent.split('-').collect::<Vec<_>>()[..] else {
        panic!("{traceparent}")
    };
    assert_eq!((version, trace, flags), ("00", &*trace_id.to_string(), "01"));
    assert_ne!(span, run_span_id.to_string(), "the call has a span of its own");
    assert!(!request.contains("tracestate"), "an empty one is left out");
}
