//! The scheduler as the planner reaches it: PlansService with a timeout on every call, and repeats where they are safe.
//!
//! Used by the watch, the asks and the advances. Takes any gRPC service, so that tests can hand in a server without a
//! network between. Knows nothing of models.

use std::{sync::Arc, time::Duration};

use baton_domain::ids::Chance;
use baton_proto::v1::{
    AdvancePlanRequest, BeginPlanRequest, BeginPlanResponse, FailPlanRequest, GetPlanRequest, Plan, RenewPlanRequest,
    SubmitPlanRequest, WatchPlanningContextsRequest, WatchPlanningContextsResponse,
    plans_service_client::PlansServiceClient,
};
use tonic::{Code, Response, Status, Streaming, body::Body};
use tonic_types::StatusExt as _;
use tower::{BoxError, Service, ServiceExt as _, util::BoxCloneSyncService};

use crate::backoff::Backoff;

/// On a call, connecting included, and on the first answer of the watch.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// A context of 500 endpoints with their last runs needs more than tonic's 4 MiB.
const MAX_MESSAGE_BYTES: usize = 64 * 1024 * 1024;
const REPEATS: Backoff = Backoff {
    base: Duration::from_millis(100),
    cap: Duration::from_secs(2),
};
const MAX_ATTEMPTS: u32 = 6;

// Its error is a `Status` because the compiler cannot prove futures over `BoxError` to be `Send` here.
type Transport = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, Status>;

/// A client of PlansService. Clones share the connection.
#[derive(Clone)]
pub struct Scheduler {
    client: PlansServiceClient<Transport>,
    chance: Arc<dyn Chance>,
}

impl Scheduler {
    /// Over a channel, or over a server itself.
    pub fn new<S>(service: S, chance: Arc<dyn Chance>) -> Self
    where
        S: Service<http::Request<Body>, Response = http::Response<Body>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let transport = BoxCloneSyncService::new(service.map_err(|error| Status::from_error(error.into())));
        let client = PlansServiceClient::new(transport).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self { client, chance }
    }

    /// Opens the stream of all contexts.
    ///
    /// # Errors
    /// The scheduler's status, or DEADLINE_EXCEEDED.
    pub async fn watch(&self) -> Result<Streaming<WatchPlanningContextsResponse>, Status> {
        let mut client = self.client.clone();
        within(client.watch_planning_contexts(WatchPlanningContextsRequest::default())).await
    }

    /// Starts an ask. Never repeated: a lost answer may have taken the lease.
    ///
    /// # Errors
    /// The scheduler's status, or DEADLINE_EXCEEDED.
    pub async fn begin(&self, request: BeginPlanRequest) -> Result<BeginPlanResponse, Status> {
        let mut client = self.client.clone();
        within(client.begin_plan(request)).await
    }

    /// Extends the lease of an ask. Not repeated here: the lease's keeper comes again.
    ///
    /// # Errors
    /// The scheduler's status, or DEADLINE_EXCEEDED.
    pub async fn renew(&self, plan_id: String) -> Result<Plan, Status> {
        let mut client = self.client.clone();
        within(client.renew_plan(RenewPlanRequest { plan_id })).await
    }

    /// Records an answer.
    ///
    /// # Errors
    /// The scheduler's status; after several attempts when it cannot be reached.
    pub async fn submit(&self, request: SubmitPlanRequest) -> Result<Plan, Status> {
        let client = self.client.clone();
        let call = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { within(client.submit_plan(request)).await }
        };
        self.repeatedly(call).await
    }

    /// Records that there is no answer.
    ///
    /// # Errors
    /// The scheduler's status; after several attempts when it cannot be reached.
    pub async fn fail(&self, request: FailPlanRequest) -> Result<Plan, Status> {
        let client = self.client.clone();
        let call = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { within(client.fail_plan(request)).await }
        };
        self.repeatedly(call).await
    }

    /// Starts the next wave of a plan.
    ///
    /// # Errors
    /// The scheduler's status; after several attempts when it cannot be reached.
    pub async fn advance(&self, request: AdvancePlanRequest) -> Result<Plan, Status> {
        let client = self.client.clone();
        let call = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { within(client.advance_plan(request)).await }
        };
        self.repeatedly(call).await
    }

    /// A plan with its stored context.
    ///
    /// # Errors
    /// The scheduler's status; after several attempts when it cannot be reached.
    pub async fn get(&self, request: GetPlanRequest) -> Result<Plan, Status> {
        let client = self.client.clone();
        let call = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { within(client.get_plan(request)).await }
        };
        self.repeatedly(call).await
    }

    /// For calls that have no second effect.
    async fn repeatedly<T, F>(&self, call: impl Fn() -> F) -> Result<T, Status>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut attempt = 1;
        loop {
            match call().await {
                Err(status) if is_transient(&status) && attempt < MAX_ATTEMPTS => {
                    tokio::time::sleep(REPEATS.pause(attempt, self.chance.as_ref())).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

async fn within<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "no answer from the scheduler within {CALL_TIMEOUT:?}"
        ))),
    }
}

/// Whether the call may not have reached the scheduler, or its answer was lost. A broken connection is UNKNOWN in tonic.
pub fn is_transient(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
    )
}

/// How long the scheduler asks to wait, if it says so.
pub fn retry_delay(status: &Status) -> Option<Duration> {
    status.get_details_retry_info()?.retry_delay
}
