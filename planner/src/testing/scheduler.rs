//! A scheduler double behind the generated server trait: a test publishes contexts, scripts answers and sees every call.
//!
//! Its clock starts at [`super::contexts::NOW`] and goes on with tokio's, so that paused time moves both.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex},
};

use baton_proto::v1::{
    AdvancePlanRequest, ApprovePlanRequest, BeginPlanRequest, BeginPlanResponse, FailPlanRequest, GetPlanRequest, Job,
    ListPlansRequest, ListPlansResponse, Plan, PlanState, PlanningContext, RejectPlanRequest, RenewPlanRequest,
    SetPlannerModeRequest, SnapshotEnd, SubmitPlanRequest, WatchPlanningContextsRequest, WatchPlanningContextsResponse,
    plans_service_server::{PlansService, PlansServiceServer},
    watch_planning_contexts_response::Event,
};
use futures_core::Stream;
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status};

use super::{NoChance, contexts};
use crate::{rpc::Scheduler, watch::job_id_of};

/// How long a lease of the double lasts.
pub(crate) const LEASE_SECONDS: f64 = 30.0;
/// The double's bound on an ask.
pub(crate) const LONGEST_ASK_SECONDS: f64 = 100.0;

/// A call as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Watch,
    Begin(BeginPlanRequest),
    Renew(RenewPlanRequest),
    Submit(SubmitPlanRequest),
    Advance(AdvancePlanRequest),
    Fail(FailPlanRequest),
}

/// The test's end of the double.
#[derive(Clone)]
pub(crate) struct FakeScheduler {
    shared: Arc<Shared>,
}

struct Shared {
    started: Instant,
    calls: mpsc::UnboundedSender<Call>,
    state: Mutex<State>,
}

type Message = Result<WatchPlanningContextsResponse, Status>;

#[derive(Default)]
struct State {
    contexts: BTreeMap<String, PlanningContext>,
    watchers: Vec<mpsc::UnboundedSender<Message>>,
    refusals: HashMap<&'static str, VecDeque<Status>>,
    plans: usize,
}

impl FakeScheduler {
    /// The receiver gets every call as it comes.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Call>) {
        let (calls, received) = mpsc::unbounded_channel();
        let shared = Shared {
            started: Instant::now(),
            calls,
            state: Mutex::default(),
        };
        (
            Self {
                shared: Arc::new(shared),
            },
            received,
        )
    }

    /// A client without a network between.
    pub(crate) fn client(&self) -> Scheduler {
        Scheduler::new(PlansServiceServer::new(self.clone()), Arc::new(NoChance))
    }

    /// Makes a context the latest of its job. Its instants move so that it is put together now.
    pub(crate) fn publish(&self, context: PlanningContext) {
        let context = self.moved_to_now(context);
        let mut state = self.shared.state.lock().unwrap();
        let event = Event::Context(context.clone());
        state.contexts.insert(job_id_of(&context).to_owned(), context);
        state.send(event);
    }

    pub(crate) fn remove(&self, job_id: &str) {
        let mut state = self.shared.state.lock().unwrap();
        state.contexts.remove(job_id);
        state.send(Event::RemovedJobId(job_id.to_owned()));
    }

    /// Drops a job without telling anybody.
    pub(crate) fn forget(&self, job_id: &str) {
        self.shared.state.lock().unwrap().contexts.remove(job_id);
    }

    /// Ends every stream with an error.
    pub(crate) fn break_streams(&self) {
        for watcher in self.shared.state.lock().unwrap().watchers.drain(..) {
            watcher.send(Err(Status::unavailable("going away"))).ok();
        }
    }

    /// The next call of this method is refused: watch, begin, submit, advance or fail.
    pub(crate) fn refuse(&self, method: &'static str, status: Status) {
        self.shared
            .state
            .lock()
            .unwrap()
            .refusals
            .entry(method)
            .or_default()
            .push_back(status);
    }

    fn seconds_passed(&self) -> f64 {
        self.shared.started.elapsed().as_secs_f64()
    }

    fn moved_to_now(&self, mut context: PlanningContext) -> PlanningContext {
        let moved = |time: prost_types::Timestamp| {
            contexts::at(crate::scale::seconds_between(&contexts::NOW, &time) + self.seconds_passed())
        };
        context.as_of_time = context.as_of_time.map(moved);
        context.lease_expire_time = context.lease_expire_time.map(moved);
        if let Some(ask) = &mut context.ask {
            ask.due_time = ask.due_time.map(moved);
        }
        context
    }

    fn note(&self, method: &'static str, call: Call) -> Result<(), Status> {
        self.shared.calls.send(call).ok();
        let mut state = self.shared.state.lock().unwrap();
        match state.refusals.get_mut(method).and_then(VecDeque::pop_front) {
            Some(status) => Err(status),
            None => Ok(()),
        }
    }

    fn begun(&self, request: &BeginPlanRequest) -> Result<BeginPlanResponse, Status> {
        let now = contexts::at(self.seconds_passed());
        let mut state = self.shared.state.lock().unwrap();
        state.plans += 1;
        let plan = Plan {
            id: format!("plan-{}", state.plans),
            ask_reasons: vec!["signal-changed".to_owned()],
            create_time: Some(now),
            lease_expire_time: Some(contexts::at(self.seconds_passed() + LEASE_SECONDS)),
            ..Plan::default()
        };
        let mut context = state
            .contexts
            .get(&request.job_id)
            .cloned()
            .ok_or_else(|| Status::not_found("job"))?;
        context.as_of_time = Some(now);
        Ok(BeginPlanResponse {
            plan: Some(plan),
            context: Some(context),
        })
    }
}

impl State {
    fn send(&mut self, event: Event) {
        self.watchers
            .retain(|watcher| watcher.send(message(event.clone())).is_ok());
    }
}

fn message(event: Event) -> Message {
    Ok(WatchPlanningContextsResponse { event: Some(event) })
}

fn answered(id: String, state: PlanState) -> Result<Response<Plan>, Status> {
    Ok(Response::new(Plan {
        id,
        state: state.into(),
        ..Plan::default()
    }))
}

#[tonic::async_trait]
impl PlansService for FakeScheduler {
    type WatchPlanningContextsStream = Pin<Box<dyn Stream<Item = Message> + Send>>;

    async fn watch_planning_contexts(
        &self,
        _: Request<WatchPlanningContextsRequest>,
    ) -> Result<Response<Self::WatchPlanningContextsStream>, Status> {
        self.note("watch", Call::Watch)?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut state = self.shared.state.lock().unwrap();
        for context in state.contexts.values() {
            sender.send(message(Event::Context(context.clone()))).ok();
        }
        sender.send(message(Event::SnapshotEnd(SnapshotEnd {}))).ok();
        state.watchers.push(sender);
        Ok(Response::new(Box::pin(UnboundedReceiverStream::new(receiver))))
    }

    async fn begin_plan(&self, request: Request<BeginPlanRequest>) -> Result<Response<BeginPlanResponse>, Status> {
        let request = request.into_inner();
        self.note("begin", Call::Begin(request.clone()))?;
        self.begun(&request).map(Response::new)
    }

    async fn renew_plan(&self, request: Request<RenewPlanRequest>) -> Result<Response<Plan>, Status> {
        let request = request.into_inner();
        self.note("renew", Call::Renew(request.clone()))?;
        let until = (self.seconds_passed() + LEASE_SECONDS).min(LONGEST_ASK_SECONDS);
        Ok(Response::new(Plan {
            id: request.plan_id,
            lease_expire_time: Some(contexts::at(until)),
            ..Plan::default()
        }))
    }

    async fn submit_plan(&self, request: Request<SubmitPlanRequest>) -> Result<Response<Plan>, Status> {
        let request = request.into_inner();
        self.note("submit", Call::Submit(request.clone()))?;
        answered(request.plan_id, PlanState::Running)
    }

    async fn advance_plan(&self, request: Request<AdvancePlanRequest>) -> Result<Response<Plan>, Status> {
        let request = request.into_inner();
        self.note("advance", Call::Advance(request.clone()))?;
        answered(request.plan_id, PlanState::Running)
    }

    async fn fail_plan(&self, request: Request<FailPlanRequest>) -> Result<Response<Plan>, Status> {
        let request = request.into_inner();
        self.note("fail", Call::Fail(request.clone()))?;
        answered(request.plan_id, PlanState::Failed)
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
