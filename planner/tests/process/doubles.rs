//! Servers on loopback: one job whose ask is due on one side, prepared chat completions on the other.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, routing::post};
use baton_proto::v1::{
    AdvancePlanRequest, ApprovePlanRequest, AskDue, BeginPlanRequest, BeginPlanResponse, ContextEndpoint, Endpoint,
    FailPlanRequest, GetPlanRequest, Job, ListPlansRequest, ListPlansResponse, Plan, PlanState, PlanningContext,
    RejectPlanRequest, RenewPlanRequest, SetPlannerModeRequest, SnapshotEnd, SubmitPlanRequest,
    WatchPlanningContextsRequest, WatchPlanningContextsResponse,
    plans_service_server::{PlansService, PlansServiceServer},
    watch_planning_contexts_response::Event,
};
use futures_core::Stream;
use prost_types::Timestamp;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
};
use tokio_stream::{StreamExt as _, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status, metadata::MetadataMap, transport::Server};

/// A loopback address on which nobody listens.
pub async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// What the planner called, with the trace it belongs to.
#[derive(Debug)]
pub enum Call {
    Begin {
        request: BeginPlanRequest,
        trace_id: Option<String>,
    },
    Submit {
        request: SubmitPlanRequest,
        trace_id: Option<String>,
    },
    Fail(FailPlanRequest),
}

/// A scheduler with one job, whose ask is due.
pub struct Scheduler {
    pub url: String,
    pub calls: UnboundedReceiver<Call>,
    server: JoinHandle<()>,
}

impl Scheduler {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    pub async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, calls) = mpsc::unbounded_channel();
        let serving = Server::builder().add_service(PlansServiceServer::new(Plans { calls: sender }));
        let serving = serving.serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serving.await.unwrap() });
        Self { url, calls, server }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Plans {
    calls: UnboundedSender<Call>,
}

fn context() -> PlanningContext {
    let now = Timestamp {
        seconds: 4_000_000_000,
        nanos: 0,
    };
    let endpoint = Endpoint {
        id: "id-1".to_owned(),
        name: "monitor".to_owned(),
        ..Endpoint::default()
    };
    PlanningContext {
        job: Some(Job {
            id: "job".to_owned(),
            ..Job::default()
        }),
        endpoints: vec![ContextEndpoint {
            endpoint: Some(endpoint),
            ..ContextEndpoint::default()
        }],
        context_revision: 3,
        as_of_time: Some(now),
        ask: Some(AskDue {
            due_time: Some(now),
            reasons: vec!["definition-changed".to_owned()],
        }),
        ..PlanningContext::default()
    }
}

fn trace_id(metadata: &MetadataMap) -> Option<String> {
    metadata
        .get("traceparent")?
        .to_str()
        .ok()?
        .split('-')
        .nth(1)
        .map(str::to_owned)
}

fn plan(id: String, state: PlanState) -> Plan {
    Plan {
        id,
        state: state.into(),
        ..Plan::default()
    }
}

type Message = Result<WatchPlanningContextsResponse, Status>;

#[tonic::async_trait]
impl PlansService for Plans {
    type WatchPlanningContextsStream = Pin<Box<dyn Stream<Item = Message> + Send>>;

    async fn watch_planning_contexts(
        &self,
        _: Request<WatchPlanningContextsRequest>,
    ) -> Result<Response<Self::WatchPlanningContextsStream>, Status> {
        let events = [Event::Context(context()), Event::SnapshotEnd(SnapshotEnd {})];
        let snapshot = events.map(|event| Ok(WatchPlanningContextsResponse { event: Some(event) }));
        let stream = tokio_stream::iter(snapshot).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(stream)))
    }

    async fn begin_plan(&self, request: Request<BeginPlanRequest>) -> Result<Response<BeginPlanResponse>, Status> {
        let trace_id = trace_id(request.metadata());
        self.calls
            .send(Call::Begin {
                request: request.into_inner(),
                trace_id,
            })
            .ok();
        let plan = plan("plan-1".to_owned(), PlanState::Asking);
        Ok(Response::new(BeginPlanResponse {
            plan: Some(plan),
            context: Some(context()),
        }))
    }

    async fn renew_plan(&self, request: Request<RenewPlanRequest>) -> Result<Response<Plan>, Status> {
        Ok(Response::new(plan(request.into_inner().plan_id, PlanState::Asking)))
    }

    async fn submit_plan(&self, request: Request<SubmitPlanRequest>) -> Result<Response<Plan>, Status> {
        let trace_id = trace_id(request.metadata());
        let request = request.into_inner();
        let answered = plan(request.plan_id.clone(), PlanState::Running);
        self.calls.send(Call::Submit { request, trace_id }).ok();
        Ok(Response::new(answered))
    }

    async fn fail_plan(&self, request: Request<FailPlanRequest>) -> Result<Response<Plan>, Status> {
        let request = request.into_inner();
        let answered = plan(request.plan_id.clone(), PlanState::Failed);
        self.calls.send(Call::Fail(request)).ok();
        Ok(Response::new(answered))
    }

    async fn advance_plan(&self, _: Request<AdvancePlanRequest>) -> Result<Response<Plan>, Status> {
        Err(Status::failed_precondition("there is one wave"))
    }

    async fn set_planner_mode(&self, _: Request<SetPlannerModeRequest>) -> Result<Response<Job>, Status> {
        Err(Status::unimplemented("the planner never calls this"))
    }

    async fn approve_plan(&self, _: Request<ApprovePlanRequest>) -> Result<Response<Plan>, Status> {
        Err(Status::unimplemented("the planner never calls this"))
    }

    async fn reject_plan(&self, _: Request<RejectPlanRequest>) -> Result<Response<Plan>, Status> {
        Err(Status::unimplemented("the planner never calls this"))
    }

    async fn get_plan(&self, _: Request<GetPlanRequest>) -> Result<Response<Plan>, Status> {
        Err(Status::unimplemented("the planner never calls this"))
    }

    async fn list_plans(&self, _: Request<ListPlansRequest>) -> Result<Response<ListPlansResponse>, Status> {
        Err(Status::unimplemented("the planner never calls this"))
    }
}

/// A server that speaks chat completions and gives prepared answers in order, then none at all.
pub struct ModelServer {
    pub url: String,
    pub asked: UnboundedReceiver<()>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Prepared {
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    asked: UnboundedSender<()>,
}

impl ModelServer {
    pub async fn start(answers: impl IntoIterator<Item = &'static str>) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let prepared = Prepared {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            asked: sender,
        };
        let app = Router::new()
            .route("/v1/chat/completions", post(complete))
            .with_state(prepared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, asked, server }
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn complete(State(prepared): State<Prepared>) -> Json<Value> {
    prepared.asked.send(()).ok();
    let answer = prepared.answers.lock().unwrap().pop_front();
    let Some(answer) = answer else {
        return std::future::pending().await;
    };
    let message = json!({"role": "assistant", "content": answer});
    let choice = json!({"index": 0, "message": message, "finish_reason": "stop"});
    Json(json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}))
}
