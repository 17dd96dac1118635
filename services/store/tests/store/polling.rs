//! Without a listener, as behind a transaction pooler: polling alone finds what is due, and sessions keep nothing.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use baton_domain::{
    call::{CallOutcome, Dispatcher, HttpCall},
    fixtures::{SeededChance, TestClock, contract::World},
    ids::{EndpointId, RunId, UserId},
    limits::{self, PlanLimits},
    ports::{Store, Topic},
    services::{Claim, EndpointDraft, Idempotency, Purpose, Queue, RunRequest, Services},
};
use baton_engine::{Engine, EngineConfig};
use baton_store::{
    Opened, Options, open,
    postgres::{
        pool,
        queue::PostgresQueue,
        session::{Hot, Sessions},
        submit::PostgresSubmissions,
        tls::Target,
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::databases::{OwnDatabase, postgres_store};

/// Tells of each call, and says that it went well.
struct Tell(mpsc::UnboundedSender<RunId>);

#[async_trait]
impl Dispatcher for Tell {
    async fn call(&self, call: HttpCall) -> CallOutcome {
        self.0.send(call.run_id).expect("the test listens");
        CallOutcome {
            status_code: Some(200),
            ..CallOutcome::default()
        }
    }
}

pub async fn polled(database: &OwnDatabase, seed: u64) -> Opened {
    let clock = Arc::new(TestClock::at(World::start()));
    let mut options = Options::new(clock, Arc::new(SeededChance::new(seed)));
    options.listen = false;
    let opened = open(&database.url(), &options).await.expect("it opens");
    assert!(opened.listener.is_none());
    opened
}

/// A request that nobody repeats.
pub fn no_key() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

/// An endpoint that runs only when told.
pub async fn endpoint(services: &Services, user: &UserId) -> EndpointId {
    let draft = EndpointDraft {
        name: "hook".to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/hook".to_owned(),
        ..EndpointDraft::default()
    };
    let created = services.create_endpoint(user, None, &draft, &no_key()).await;
    created.expect("the endpoint is created").endpoint.id
}

/// Queues a run of the endpoint.
pub async fn submit_to(services: &Services, user: &UserId, endpoint_id: EndpointId) -> RunId {
    let request = RunRequest {
        endpoint_id,
        purpose: Purpose::Work,
        planned_at: None,
        trace_parent: None,
    };
    let run = services.submit_run(user, request, &no_key()).await;
    run.expect("the run is queued").id
}

/// Queues a run of an endpoint that has no other.
pub async fn submit(services: &Services) -> RunId {
    let user = UserId("ada".to_owned());
    let endpoint = endpoint(services, &user).await;
    submit_to(services, &user, endpoint).await
}

#[tokio::test]
async fn a_run_of_another_process_is_claimed_within_the_poll() {
    let database = OwnDatabase::migrated().await;
    let (ours, theirs) = (polled(&database, 1).await, polled(&database, 2).await);
    let (tell, mut told) = mpsc::unbounded_channel();
    let config = EngineConfig {
        poll: limits::POLL_ALONE,
        ..EngineConfig::named("engine")
    };
    let engine = Engine::new(ours.queue, Arc::new(Tell(tell)), config);
    let stop = CancellationToken::new();
    let running = tokio::spawn(engine.run(ours.store.wakes(Topic::Queue), stop.clone()));

    let services = Services::new(theirs.store, Arc::new(SeededChance::new(3)), PlanLimits::default());
    let services = services.with_submissions(theirs.submissions);
    for _ in 0..3 {
        let submitted = submit(&services).await;
        // Less than the poll beside LISTEN, and more than this one on a busy machine.
        let called = tokio::time::timeout(Duration::from_secs(4), told.recv()).await;
        assert_eq!(called, Ok(Some(submitted)));
    }
    stop.cancel();
    running.await.expect("the engine stops");
}

#[tokio::test]
async fn the_hot_path_leaves_nothing_in_a_session_that_is_not_its_own() {
    const LEFT: &str = "SELECT (SELECT COUNT(*) FROM pg_prepared_statements) AS statements,
                               current_setting('enable_sort') AS sort, current_setting('statement_timeout') AS timeout";
    for (sessions, keeps) in [(Sessions::Pooled, false), (Sessions::Own, true)] {
        let database = OwnDatabase::migrated().await;
        let clock = Arc::new(TestClock::at(World::start()));
        let store = postgres_store(&database, &clock).await;
        let target = Target::parse(&database.url()).expect("the URL is one");
        let pool = pool::open(&target, 1, sessions).expect("connections are made as needed");
        let hot = Hot::new(&store, pool.clone(), sessions);
        let store: Arc<dyn Store> = Arc::new(store);
        let chance = || Arc::new(SeededChance::new(1));
        let queue = PostgresQueue::new(hot.clone(), Arc::clone(&store), chance());
        let submissions = PostgresSubmissions::new(hot, Arc::clone(&store), chance());
        let services = Services::new(store, Arc::new(SeededChance::new(3)), PlanLimits::default());
        let run = submit(&services.with_submissions(Arc::new(submissions))).await;
        let claim = Claim {
            owner: "engine".to_owned(),
            lease: Duration::from_secs(15),
            limit: 10,
            host_concurrency: None,
            as_of: None,
        };
        let claims = queue.claim_due(&claim).await.expect("the claim succeeds");
        assert_eq!(claims.runs.len(), 1, "{sessions:?}");
        let held = queue.renew(&[(run, claims.runs[0].fence)], claim.lease).await;
        assert_eq!(held.expect("the lease is renewed"), [run]);

        let client = pool.get().await.expect("the connection is free again");
        let left = client.query_typed(LEFT, &[]).await.expect("the session can be asked");
        let statements: i64 = left[0].get("statements");
        let (sort, timeout): (String, String) = (left[0].get("sort"), left[0].get("timeout"));
        assert_eq!(statements > 0, keeps, "{sessions:?}: {statements} prepared statements");
        assert_eq!(sort == "off", keeps, "{sessions:?}");
        assert_eq!(timeout == "30s", keeps, "{sessions:?}: {timeout}");
    }
}
