//! A served API with clients, a clock that tests set, and an engine's view of the queue.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use baton_api::{Options, ServeError, Server};
use baton_domain::{
    call::CallOutcome,
    fixtures::{MemoryStore, SeededChance, TestClock},
    ids::{Chance, UserId},
    limits::PlanLimits,
    ports::Store,
    schedule::FinishedRun,
    services::{Claim, Idempotency, Queue, Services, StoreQueue},
    time::{Clock as _, from_micros},
};
use baton_proto::v1::{
    self as pb, flash_sales_service_client::FlashSalesServiceClient, jobs_service_client::JobsServiceClient,
    plans_service_client::PlansServiceClient, runs_service_client::RunsServiceClient,
};
use hyper_util::rt::TokioIo;
use tokio::{io::DuplexStream, sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

use crate::store::{MoodSwitch, MoodyStore};

const PIPE_BYTES: usize = 64 * 1_024;

/// Everything a test needs, over a fresh store.
pub struct World {
    pub clock: Arc<TestClock>,
    pub mood: MoodSwitch,
    pub memory: MemoryStore,
    pub services: Services,
    pub queue: StoreQueue,
    pub channel: Channel,
    accepted: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    /// Connections made so far.
    pub connections: Arc<AtomicUsize>,
    pub shutdown: CancellationToken,
    pub serving: JoinHandle<Result<(), ServeError>>,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let clock = Arc::new(TestClock::at(from_micros(1_800_000_000_000_000)));
        let mood = MoodSwitch::default();
        let memory = MemoryStore::new(clock.clone());
        let store: Arc<dyn Store> = Arc::new(MoodyStore::new(memory.clone(), &mood));
        let chance: Arc<dyn Chance> = Arc::new(SeededChance::new(1));
        let services = Services::new(Arc::clone(&store), Arc::clone(&chance), PlanLimits::default());
        let server = Server::new(services.clone(), options).expect("descriptors are readable");
        let (accepted, incoming) = mpsc::unbounded_channel::<io::Result<DuplexStream>>();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(server.serve_on(UnboundedReceiverStream::new(incoming), shutdown.clone()));
        let connections = Arc::new(AtomicUsize::new(0));
        Self {
            channel: connect(accepted.clone(), Arc::clone(&connections), |endpoint| endpoint),
            accepted,
            clock,
            mood,
            memory,
            services,
            queue: StoreQueue::new(store, chance),
            connections,
            shutdown,
            serving,
        }
    }

    /// A connection of its own.
    pub fn connect(&self, configure: impl FnOnce(Endpoint) -> Endpoint) -> Channel {
        connect(self.accepted.clone(), Arc::clone(&self.connections), configure)
    }

    /// The caller's end of a connection on which nothing has been said yet.
    pub fn raw_connection(&self) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        self.accepted.send(Ok(theirs)).expect("the server is there");
        ours
    }

    pub fn jobs(&self) -> JobsServiceClient<Channel> {
        JobsServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    pub fn runs(&self) -> RunsServiceClient<Channel> {
        RunsServiceClient::new(self.channel.clone())
    }

    pub fn sales(&self) -> FlashSalesServiceClient<Channel> {
        FlashSalesServiceClient::new(self.channel.clone())
    }

    pub fn plans(&self) -> PlansServiceClient<Channel> {
        PlansServiceClient::new(self.channel.clone())
    }

    pub fn now(&self) -> prost_types::Timestamp {
        self.in_seconds(0)
    }

    pub fn in_seconds(&self, seconds: i64) -> prost_types::Timestamp {
        let seconds = self.clock.now().timestamp() + seconds;
        prost_types::Timestamp { seconds, nanos: 0 }
    }

    /// A job of the caller.
    pub async fn job(&self, name: &str) -> pb::Job {
        let request = pb::CreateJobRequest {
            name: name.to_owned(),
            ..pb::CreateJobRequest::default()
        };
        self.jobs()
            .create_job(request)
            .await
            .expect("job is created")
            .into_inner()
    }

    /// A job of somebody else.
    pub async fn foreign_job(&self) -> String {
        let bob = UserId("bob".to_owned());
        let job = self.services.create_job(&bob, "theirs", "", &once()).await;
        job.expect("job is created").id.to_string()
    }

    pub async fn endpoint(&self, endpoint: pb::Endpoint) -> pb::Endpoint {
        let request = pb::CreateEndpointRequest {
            endpoint: Some(endpoint),
            ..pb::CreateEndpointRequest::default()
        };
        let created = self.jobs().create_endpoint(request).await;
        created.expect("endpoint is created").into_inner()
    }

    /// A sale of one job that is on for an hour.
    pub async fn sale(&self, job: &pb::Job) -> pb::FlashSale {
        let request = pb::CreateFlashSaleRequest {
            flash_sale: Some(pb::FlashSale {
                name: "sale".to_owned(),
                start_time: Some(self.now()),
                end_time: Some(self.in_seconds(3_600)),
                job_ids: vec![job.id.clone()],
                signals: [("orders".to_owned(), 1.0)].into(),
                ..pb::FlashSale::default()
            }),
            ..pb::CreateFlashSaleRequest::default()
        };
        let created = self.sales().create_flash_sale(request).await;
        created.expect("sale is created").into_inner()
    }

    /// Claims and ends everything that is due, as an engine would. Returns how many runs that were.
    pub async fn run_due(&self, outcome: &CallOutcome) -> usize {
        let claim = Claim {
            owner: "engine".to_owned(),
            lease: Duration::from_secs(15),
            limit: 100,
            host_concurrency: None,
            as_of: None,
        };
        let claimed = self.queue.claim_due(&claim).await.expect("claim succeeds").runs;
        let reports: Vec<FinishedRun> = claimed.iter().map(|claimed| claimed.report(outcome.clone())).collect();
        self.queue.finish_runs(&reports).await.expect("finish succeeds");
        reports.len()
    }
}

fn connect(
    accepted: mpsc::UnboundedSender<io::Result<DuplexStream>>,
    connections: Arc<AtomicUsize>,
    configure: impl FnOnce(Endpoint) -> Endpoint,
) -> Channel {
    let connector = tower::service_fn(move |_: http::Uri| {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        connections.fetch_add(1, Ordering::SeqCst);
        let sent = accepted
            .send(Ok(theirs))
            .map_err(|_| io::Error::other("the server is gone"));
        async move { sent.map(|()| TokioIo::new(ours)) }
    });
    configure(Endpoint::from_static("http://in-process")).connect_with_connector_lazy(connector)
}

/// No request id.
pub fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

/// An endpoint that runs only when told.
pub fn dormant(name: &str, job: Option<&pb::Job>) -> pb::Endpoint {
    pb::Endpoint {
        name: name.to_owned(),
        job_id: job.map(|job| job.id.clone()),
        request: Some(pb::HttpRequest {
            method: "POST".to_owned(),
            url: "https://shop.example/hook".to_owned(),
            ..pb::HttpRequest::default()
        }),
        ..pb::Endpoint::default()
    }
}

/// An endpoint that runs every so many seconds.
pub fn every(seconds: i64, job: Option<&pb::Job>) -> pb::Endpoint {
    pb::Endpoint {
        baseline: Some(pb::endpoint::Baseline::Interval(seconds_long(seconds))),
        ..dormant("regular", job)
    }
}

pub fn seconds_long(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

pub fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Some(prost_types::FieldMask { paths })
}

pub fn ok() -> CallOutcome {
    CallOutcome {
        status_code: Some(200),
        response: b"done".to_vec(),
        ..CallOutcome::default()
    }
}

/// A valid id of nothing.
pub const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// The reason of a refusal, which must have this code and this crate's domain.
pub fn reason<T: std::fmt::Debug>(answer: Result<T, Status>, code: Code) -> String {
    let status = answer.expect_err("must be refused");
    assert_eq!(status.code(), code, "{status:?}");
    let details = status.get_error_details();
    let info = details.error_info().expect("every error has an ErrorInfo");
    assert_eq!(info.domain, "baton.v1");
    info.reason.clone()
}

/// The field paths of a bad request, sorted.
pub fn violations<T: std::fmt::Debug>(answer: Result<T, Status>) -> Vec<String> {
    let status = answer.expect_err("must be refused");
    assert_eq!(
        reason(Err::<(), _>(status.clone()), Code::InvalidArgument),
        "INVALID_REQUEST"
    );
    let details = status.get_error_details();
    let found = &details.bad_request().expect("a BadRequest").field_violations;
    let mut fields: Vec<String> = found.iter().map(|violation| violation.field.clone()).collect();
    fields.sort();
    fields
}
