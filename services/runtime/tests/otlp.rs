//! What a collector receives. Telemetry is global to a process, hence one test in a process of its own.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use baton_runtime::{
    grpc_trace::{GrpcClientTrace, GrpcServerTrace},
    telemetry::{self, LogFormat, TelemetryConfig},
};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_client::TraceServiceClient,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request, Response, Status,
    transport::{Channel, Server},
};
use tower::Layer as _;
use tracing::Instrument as _;

/// Keeps what is exported to it.
#[derive(Clone, Default)]
struct Collector {
    traces: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    metrics: Arc<Mutex<Vec<ExportMetricsServiceRequest>>>,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.traces.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.metrics.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

impl Collector {
    fn spans(&self) -> Vec<Span> {
        let traces = self.traces.lock().unwrap();
        let scopes = traces
            .iter()
            .flat_map(|request| &request.resource_spans)
            .flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn resource(&self) -> HashMap<String, String> {
        let traces = self.traces.lock().unwrap();
        let resource = traces[0].resource_spans[0].resource.clone().unwrap();
        resource
            .attributes
            .iter()
            .map(|pair| (pair.key.clone(), text(pair)))
            .collect()
    }

    fn metric_names(&self) -> Vec<String> {
        let metrics = self.metrics.lock().unwrap();
        let scopes = metrics
            .iter()
            .flat_map(|request| &request.resource_metrics)
            .flat_map(|all| &all.scope_metrics);
        scopes
            .flat_map(|scope| &scope.metrics)
            .map(|metric| metric.name.clone())
            .collect()
    }
}

/// Any service will do for a call to be traced; the collector's own one is at hand. It refuses every other call.
#[derive(Default)]
struct Callee {
    calls: Mutex<u32>,
}

#[tonic::async_trait]
impl TraceService for Callee {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        tracing::info_span!("handler").in_scope(|| ());
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if calls.is_multiple_of(2) {
            Ok(Response::new(ExportTraceServiceResponse::default()))
        } else {
            Err(Status::invalid_argument("odd"))
        }
    }
}

async fn listen() -> (SocketAddr, TcpListenerStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap(), TcpListenerStream::new(listener))
}

async fn start_collector() -> (Collector, SocketAddr) {
    let collector = Collector::default();
    let (address, incoming) = listen().await;
    let server = Server::builder()
        .add_service(TraceServiceServer::new(collector.clone()))
        .add_service(MetricsServiceServer::new(collector.clone()));
    tokio::spawn(server.serve_with_incoming(incoming));
    (collector, address)
}

async fn start_callee() -> Channel {
    let (address, incoming) = listen().await;
    let server = Server::builder()
        .layer(GrpcServerTrace)
        .add_service(TraceServiceServer::new(Callee::default()));
    tokio::spawn(server.serve_with_incoming(incoming));
    Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect()
        .await
        .unwrap()
}

fn text(pair: &KeyValue) -> String {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn attribute(span: &Span, key: &str) -> Option<Value> {
    span.attributes
        .iter()
        .find(|pair| pair.key == key)?
        .value
        .clone()?
        .value
}

const METHOD: &str = "opentelemetry.proto.collector.trace.v1.TraceService/Export";

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn only_child<'a>(spans: &'a [Span], name: &str, parent: &Span) -> &'a Span {
    let children = named(spans, name)
        .into_iter()
        .filter(|span| span.parent_span_id == parent.span_id);
    let [child] = children.collect::<Vec<_>>()[..] else {
        panic!("one {name} under {parent:?}: {spans:?}")
    };
    assert_eq!(child.trace_id, parent.trace_id);
    child
}

fn is_failed(span: &Span) -> bool {
    span.status.clone().unwrap_or_default().code() == StatusCode::Error
}

/// A span around another one, a refused call and a successful call.
async fn work() {
    let mut client = TraceServiceClient::new(GrpcClientTrace.layer(start_callee().await));
    let calls = async {
        tracing::info_span!("inner").in_scope(|| tracing::debug_span!("too fine").in_scope(|| ()));
        client.export(ExportTraceServiceRequest::default()).await.unwrap_err();
        client.export(ExportTraceServiceRequest::default()).await.unwrap();
    };
    calls.instrument(tracing::info_span!("outer")).await;
    opentelemetry::global::meter("test")
        .u64_counter("baton.test.calls")
        .build()
        .add(1, &[]);
}

fn check_spans(spans: &[Span]) {
    let [outer] = named(spans, "outer")[..] else {
        panic!("one outer span: {spans:?}")
    };
    assert!(outer.parent_span_id.is_empty());
    assert_eq!(attribute(outer, "busy_ns"), None, "a span tells no more than its times");
    only_child(spans, "inner", outer);
    let mut clients = named(spans, METHOD);
    clients.retain(|span| span.kind == SpanKind::Client as i32);
    clients.sort_by_key(|span| span.start_time_unix_nano);
    for client in &clients {
        assert_eq!(
            (&client.parent_span_id, &client.trace_id),
            (&outer.span_id, &outer.trace_id)
        );
        let server = only_child(spans, METHOD, client);
        assert_eq!(server.kind, SpanKind::Server as i32);
        assert_eq!(
            attribute(server, "rpc.system"),
            Some(Value::StringValue("grpc".to_owned()))
        );
        assert_eq!(
            attribute(server, "rpc.method"),
            Some(Value::StringValue("Export".to_owned()))
        );
        assert_eq!(
            attribute(server, "rpc.grpc.status_code"),
            attribute(client, "rpc.grpc.status_code")
        );
        assert!(!is_failed(server), "a refusal is no fault of the server");
        only_child(spans, "handler", server);
    }
    let [refused, answered] = clients[..] else {
        panic!("two client spans: {spans:?}")
    };
    assert_eq!(attribute(refused, "rpc.grpc.status_code"), Some(Value::IntValue(3)));
    assert_eq!(attribute(answered, "rpc.grpc.status_code"), Some(Value::IntValue(0)));
    assert!(is_failed(refused) && !is_failed(answered));
    assert_eq!(
        spans.len(),
        8,
        "nothing but these, the exports' own calls least of all: {spans:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_receives_one_trace_through_caller_and_server() {
    let (collector, address) = start_collector().await;
    let config = TelemetryConfig {
        service_name: "baton-test",
        service_version: "1.2.3",
        log_format: LogFormat::Text,
        log_filter: "off".to_owned(),
        otlp_endpoint: Some(format!("http://{address}")),
    };
    let guard = telemetry::init(&config).unwrap();
    work().await;
    guard.flush().unwrap();

    check_spans(&collector.spans());
    assert_eq!(collector.metric_names(), ["baton.test.calls"]);
    let resource = collector.resource();
    assert_eq!(
        (&*resource["service.name"], &*resource["service.version"]),
        ("baton-test", "1.2.3")
    );
    assert!(resource.contains_key("service.instance.id"));

    tracing::info_span!("last").in_scope(|| ());
    guard.shutdown().await;
    assert!(!named(&collector.spans(), "last").is_empty(), "shutting down flushes");
}
