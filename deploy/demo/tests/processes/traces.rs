//! W3C trace context, from a caller through scheduler and planner to the endpoint called, as a collector receives it.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Duration,
};

use baton_proto::v1;
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use crate::stage::{Stage, eventually};

/// A span as far as these tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    service: String,
    name: String,
    trace: String,
}

/// An OTLP collector that keeps what it receives.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Seen>>>);

impl Collector {
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let service = TraceServiceServer::new(self.clone());
        let server = tonic::transport::Server::builder().add_service(service);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        url
    }

    fn find(&self, service: &str, name: &str) -> Vec<Seen> {
        let seen = self.0.lock().expect("no test panics while it holds this");
        seen.iter()
            .filter(|span| span.service == service && span.name.contains(name))
            .cloned()
            .collect()
    }
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut seen = self.0.lock().expect("no test panics while it holds this");
        for resource in request.into_inner().resource_spans {
            let attributes = resource
                .resource
                .map(|resource| resource.attributes)
                .unwrap_or_default();
            let name = attributes.into_iter().find(|attribute| attribute.key == "service.name");
            let value = name.and_then(|attribute| attribute.value).and_then(|value| value.value);
            let Some(Value::StringValue(service)) = value else {
                continue;
            };
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                let trace = span.trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
                seen.push(Seen {
                    service: service.clone(),
                    name: span.name,
                    trace,
                });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_reaches_the_endpoint() {
    let collector = Collector::default();
    let url = collector.start().await;
    let stage = Stage::new(&["--otlp-endpoint", &url]).await;
    let endpoint = stage.create_endpoint(None, "traffic_monitor", None).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut request = Request::new(v1::SubmitRunRequest {
        endpoint_id: endpoint,
        ..Default::default()
    });
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    request
        .metadata_mut()
        .insert("traceparent", parent.parse().expect("ASCII"));
    stage.runs_client().submit_run(request).await.expect("accepted");

    let received = eventually("the call arrives", || async { stage.sink.received().pop() }).await;
    let carried = received.traceparent.expect("the call carries a trace context");
    assert!(carried.contains(trace), "{carried}");
    for name in ["SubmitRun", "run.execute", "POST"] {
        let what = format!("a span {name} of the caller's trace");
        eventually(&what, || async {
            collector
                .find("baton-scheduler", name)
                .into_iter()
                .find(|span| span.trace == trace)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ask_is_one_trace_from_the_planner_to_the_endpoint() {
    let collector = Collector::default();
    let url = collector.start().await;
    let stage = Stage::new(&["--time-compression", "60", "--otlp-endpoint", &url]).await;
    let model = stage.start_model(None).await;
    let _planner = stage.start_planner(&model.base_url(), &["--otlp-endpoint", &url]);
    let job = stage.create_job().await;
    stage
        .create_endpoint(Some(&job), "traffic_monitor", Some(Duration::from_secs(5)))
        .await;
    stage.create_endpoint(Some(&job), "slack_operations", None).await;
    stage.create_sale(&job, "surge").await;
    // The rules tell operations as soon as a surge starts: a step of a plan.
    eventually("slack_operations is called", || async {
        stage
            .sink
            .received()
            .into_iter()
            .find(|call| call.endpoint == "slack_operations")
    })
    .await;
    let traces = |service: &str, name: &str| collector.find(service, name).into_iter().map(|span| span.trace);
    eventually("one trace has the ask, its RPCs and the call", || async {
        traces("baton-planner", "plan.ask").find(|trace| {
            let in_scheduler = |name: &str| traces("baton-scheduler", name).any(|other| other == *trace);
            ["BeginPlan", "SubmitPlan", "run.execute", "POST"]
                .into_iter()
                .all(in_scheduler)
        })
    })
    .await;
}
