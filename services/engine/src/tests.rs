//! The engine over the in-memory store, in virtual time: tokio's paused clock is the store's clock.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use baton_domain::{
    call::{CallOutcome, Dispatcher, HttpCall},
    error::{Error, StoreError},
    fixtures::{MemoryStore, SeededChance, contract::World},
    ids::{EndpointId, RunId, UserId},
    limits::PlanLimits,
    ports::{Page, RunFilter, Store, Topic},
    run::{Run, RunStatus},
    schedule::{FinishedRun, Settled},
    services::{Claim, Claims, EndpointDraft, Idempotency, NextDue, Purpose, Queue, RunRequest, Services, StoreQueue},
    time::{Clock, Timestamp, after, elapsed},
};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{Engine, EngineConfig};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Tokio's clock, paused or not, as the store's.
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        after(World::start(), self.0.elapsed())
    }
}

/// Answers 200 after a while, and remembers who was called how often.
struct SlowEndpoint {
    takes: Duration,
    calls: Mutex<BTreeMap<RunId, usize>>,
}

#[async_trait]
impl Dispatcher for SlowEndpoint {
    async fn call(&self, call: HttpCall) -> CallOutcome {
        *self.calls.lock().unwrap().entry(call.run_id).or_default() += 1;
        tokio::time::sleep(self.takes).await;
        CallOutcome {
            duration: self.takes,
            status_code: Some(200),
            ..CallOutcome::default()
        }
    }
}

/// A queue whose database goes away and comes back, or only after a claim, in which somebody else may hold what is due, and
/// which counts claims, glances, and renewals at once.
struct Unsteady {
    inner: StoreQueue,
    head_start: Mutex<Duration>,
    /// What each claim was as of, and when it was made.
    as_of: Mutex<Vec<(Option<Timestamp>, Instant)>>,
    down: AtomicBool,
    held: AtomicBool,
    mute: AtomicBool,
    claims: AtomicUsize,
    glances: AtomicUsize,
    renewing: AtomicUsize,
    most_renewing: AtomicUsize,
    /// How many of the next renewals fail.
    failing: AtomicUsize,
    /// Claims take longer than their leases.
    slow: AtomicBool,
    /// How many batches of ends it takes at once, and the endpoints of each that it took.
    at_once: AtomicUsize,
    reports: Mutex<Vec<Vec<EndpointId>>>,
}

impl Unsteady {
    fn gate(&self) -> Result<(), Error> {
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("down".to_owned()).into());
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for Unsteady {
    fn head_start(&self) -> Duration {
        *self.head_start.lock().unwrap()
    }

    fn reports_at_once(&self) -> usize {
        self.at_once.load(Ordering::SeqCst)
    }

    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        self.gate()?;
        self.claims.fetch_add(1, Ordering::SeqCst);
        self.as_of.lock().unwrap().push((claim.as_of, Instant::now()));
        let mut claims = self.inner.claim_due(claim).await?;
        if self.slow.load(Ordering::SeqCst) {
            claims.since = claims
                .since
                .checked_sub(claim.lease)
                .expect("the machine runs for longer");
        }
        Ok(claims)
    }

    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error> {
        self.gate()?;
        if claimed_at.is_none() {
            self.glances.fetch_add(1, Ordering::SeqCst);
        } else if self.mute.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("mute".to_owned()).into());
        }
        let next = self.inner.next_due(claimed_at, host_concurrency).await?;
        if !self.held.load(Ordering::SeqCst) {
            return Ok(next);
        }
        Ok(NextDue {
            wait: Some(Duration::ZERO),
            at: next.at,
            later: next.later.or(next.wait),
        })
    }

    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        self.gate()?;
        let renewing = self.renewing.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_renewing.fetch_max(renewing, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.renewing.fetch_sub(1, Ordering::SeqCst);
        let fail = |left: usize| left.checked_sub(1);
        if self
            .failing
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail)
            .is_ok()
        {
            return Err(StoreError::Unavailable("failing".to_owned()).into());
        }
        self.inner.renew(leases, lease).await
    }

    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        self.gate()?;
        let endpoints = finished.iter().map(|report| report.endpoint_id).collect();
        self.reports.lock().unwrap().push(endpoints);
        self.inner.finish_runs(finished).await
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        self.gate()?;
        self.inner.recover_lost(limit).await
    }
}

struct Stage {
    store: Arc<dyn Store>,
    queue: Arc<Unsteady>,
    services: Services,
    endpoint: Arc<SlowEndpoint>,
    user: UserId,
}

impl Stage {
    fn new(takes: Duration) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(TokioClock(Instant::now()))));
        let chance = Arc::new(SeededChance::new(3));
        let inner = StoreQueue::new(Arc::clone(&store), chance.clone());
        let queue = Unsteady {
            inner,
            head_start: Mutex::default(),
            as_of: Mutex::default(),
            down: AtomicBool::new(false),
            held: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            claims: AtomicUsize::new(0),
            glances: AtomicUsize::new(0),
            renewing: AtomicUsize::new(0),
            most_renewing: AtomicUsize::new(0),
            failing: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            at_once: AtomicUsize::new(1),
            reports: Mutex::default(),
        };
        let services = Services::new(Arc::clone(&store), chance, PlanLimits::default());
        let endpoint = Arc::new(SlowEndpoint {
            takes,
            calls: Mutex::default(),
        });
        Self {
            store,
            queue: Arc::new(queue),
            services,
            endpoint,
            user: UserId("ada".to_owned()),
        }
    }

    async fn every(&self, interval: Option<Duration>) -> baton_domain::ids::EndpointId {
        let draft = EndpointDraft {
            name: "endpoint".to_owned(),
            method: "POST".to_owned(),
            url: "http://shop.example/".to_owned(),
            interval,
            ..EndpointDraft::default()
        };
        let once = Idempotency {
            method: "Test",
            request_id: String::new(),
            digest: String::new(),
        };
        self.services
            .create_endpoint(&self.user, None, &draft, &once)
            .await
            .unwrap()
            .endpoint
            .id
    }

    /// A running engine and the token that stops it.
    fn engine(&self, owner: &str) -> (JoinHandle<()>, CancellationToken) {
        let stop = CancellationToken::new();
        let config = EngineConfig {
            exact: false,
            ..EngineConfig::named(owner)
        };
        let engine = Engine::new(self.queue.clone(), self.endpoint.clone(), config);
        let running = tokio::spawn(engine.run(self.store.wakes(Topic::Queue), stop.clone()));
        (running, stop)
    }

    /// Runs an engine so long, and until what is in the air then has landed.
    async fn run_engine_for(&self, duration: Duration) {
        let (running, stop) = self.engine("one");
        tokio::time::sleep(duration).await;
        stop.cancel();
        running.await.unwrap();
    }

    async fn runs(&self, status: RunStatus) -> Vec<Run> {
        let filter = RunFilter {
            statuses: vec![status],
            ..RunFilter::of_user(self.user.clone())
        };
        self.services
            .list_runs(&filter, Page::first(1_000))
            .await
            .unwrap()
            .items
    }

    fn most_calls_of_one_run(&self) -> usize {
        self.endpoint
            .calls
            .lock()
            .unwrap()
            .values()
            .copied()
            .max()
            .unwrap_or_default()
    }
}

#[tokio::test(start_paused = true)]
async fn each_occurrence_starts_on_time_and_never_early() {
    let stage = Stage::new(secs(2));
    stage.every(Some(secs(60))).await;
    stage.run_engine_for(secs(630)).await;
    let runs = stage.runs(RunStatus::Succeeded).await;
    assert_eq!(runs.len(), 10);
    for run in runs {
        let late = run.started_at.unwrap() - run.planned_at;
        assert!((0..=5_000).contains(&late.num_microseconds().unwrap()), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_holds_delays_no_other_run() {
    let stage = Stage::new(secs(2));
    stage.every(Some(Duration::from_millis(60_007))).await;
    stage.queue.held.store(true, Ordering::SeqCst);
    stage.run_engine_for(secs(630)).await;
    let runs = stage.runs(RunStatus::Succeeded).await;
    assert_eq!(runs.len(), 10);
    for run in runs {
        let late = run.started_at.unwrap() - run.planned_at;
        assert!((0..=5_000).contains(&late.num_microseconds().unwrap()), "{late:?}");
    }
}

/// Whoever could not claim it before tries once more when it is due.
#[tokio::test(start_paused = true)]
async fn a_claim_for_what_comes_next_begins_the_queues_head_start_before() {
    let stage = Stage::new(secs(2));
    let head_start = Duration::from_millis(4);
    *stage.queue.head_start.lock().unwrap() = head_start;
    stage.every(Some(secs(60))).await;
    let begun = Instant::now();
    stage.run_engine_for(secs(130)).await;
    let runs = stage.runs(RunStatus::Succeeded).await;
    assert_eq!(runs.len(), 2);
    let claims = stage.queue.as_of.lock().unwrap().clone();
    for run in runs {
        let planned = begun + elapsed(World::start(), run.planned_at);
        let (before, later): (Vec<_>, Vec<_>) = claims
            .iter()
            .filter(|(_, at)| at.duration_since(planned - secs(1)) > Duration::ZERO && *at < planned + secs(1))
            .partition(|(_, at)| *at < planned);
        let [(as_of, at)] = before[..] else {
            panic!("{claims:?}")
        };
        assert_eq!(as_of, Some(run.planned_at));
        assert!(planned - at <= head_start, "{:?} before", planned - at);
        assert_eq!(later[0].0, None, "{claims:?}");
        assert_eq!(run.started_at.map(|start| start >= run.planned_at), Some(true));
        assert!(elapsed(run.planned_at, run.started_at.unwrap()) <= Duration::from_millis(5));
    }
}

/// Whoever claims has promised the call, whatever comes of the next question.
#[tokio::test(start_paused = true)]
async fn what_was_claimed_starts_although_nobody_tells_what_comes_next() {
    let stage = Stage::new(secs(2));
    stage.queue.mute.store(true, Ordering::SeqCst);
    stage.every(Some(secs(60))).await;
    stage.run_engine_for(secs(70)).await;
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 1);
    assert_eq!(stage.most_calls_of_one_run(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_submitted_run_wakes_a_sleeping_engine() {
    let stage = Stage::new(secs(1));
    let endpoint = stage.every(None).await;
    let (running, stop) = stage.engine("one");
    tokio::time::sleep(secs(7)).await;
    let once = Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    };
    let request = RunRequest {
        endpoint_id: endpoint,
        purpose: Purpose::Work,
        planned_at: None,
        trace_parent: None,
    };
    let submitted = stage.services.submit_run(&stage.user, request, &once).await.unwrap();
    tokio::time::sleep(secs(2)).await;
    stop.cancel();
    running.await.unwrap();
    let run = stage.services.get_run(&stage.user, submitted.id).await.unwrap();
    assert_eq!(run.status, RunStatus::Succeeded);
    assert!(elapsed(run.planned_at, run.started_at.unwrap()) < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn calls_longer_than_the_lease_are_not_started_twice() {
    let stage = Stage::new(secs(70));
    for _ in 0..10 {
        stage.every(Some(secs(300))).await;
    }
    let engines = ["one", "two"].map(|owner| stage.engine(owner));
    tokio::time::sleep(secs(400)).await;
    for (running, stop) in engines {
        stop.cancel();
        running.await.unwrap();
    }
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 10);
    assert_eq!(stage.most_calls_of_one_run(), 1);
}

#[tokio::test(start_paused = true)]
async fn leases_are_renewed_one_time_after_the_other() {
    let stage = Stage::new(secs(70));
    for seconds in [300, 305, 310, 315] {
        stage.every(Some(secs(seconds))).await;
    }
    stage.run_engine_for(secs(400)).await;
    assert_eq!(stage.queue.most_renewing.load(Ordering::SeqCst), 1);
}

/// The call starts when a lease is renewed as late as can be: one look finds it fresh still, by a moment.
#[tokio::test(start_paused = true)]
async fn a_lease_outlives_three_renewals_that_fail() {
    let stage = Stage::new(secs(70));
    stage.every(Some(Duration::from_millis(61_260))).await;
    let engines = ["one", "two"].map(|owner| stage.engine(owner));
    tokio::time::sleep(secs(66)).await;
    assert_eq!(stage.runs(RunStatus::Running).await.len(), 1);
    stage.queue.failing.store(3, Ordering::SeqCst);
    tokio::time::sleep(secs(120)).await;
    assert_eq!(stage.queue.failing.load(Ordering::SeqCst), 0);
    for (running, stop) in engines {
        stop.cancel();
        running.await.unwrap();
    }
    assert_eq!(stage.most_calls_of_one_run(), 1);
}

/// By then somebody else may have taken them back.
#[tokio::test(start_paused = true)]
async fn what_a_claim_took_starts_not_when_its_lease_is_over() {
    let stage = Stage::new(secs(2));
    stage.every(Some(secs(60))).await;
    stage.queue.slow.store(true, Ordering::SeqCst);
    let (running, stop) = stage.engine("one");
    tokio::time::sleep(secs(61)).await;
    stage.queue.slow.store(false, Ordering::SeqCst);
    assert!(stage.endpoint.calls.lock().unwrap().is_empty());
    assert_eq!(stage.runs(RunStatus::Running).await.len(), 1);
    tokio::time::sleep(secs(30)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 1, "it was taken back");
    assert_eq!(stage.most_calls_of_one_run(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_runs_of_a_dead_engine_are_taken_over_after_the_lease() {
    let stage = Stage::new(secs(30));
    stage.every(Some(secs(300))).await;
    let (dead, _) = stage.engine("dead");
    tokio::time::sleep(secs(301)).await;
    assert_eq!(stage.runs(RunStatus::Running).await.len(), 1);
    dead.abort();
    let (running, stop) = stage.engine("alive");
    tokio::time::sleep(secs(17)).await;
    let taken = stage.runs(RunStatus::Running).await;
    assert_eq!(taken.len(), 1, "running elsewhere within lease + 2 s");
    assert!(taken[0].started_at.unwrap() > after(World::start(), secs(301)));
    tokio::time::sleep(secs(40)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 1);
    assert_eq!(stage.most_calls_of_one_run(), 2);
}

#[tokio::test(start_paused = true)]
async fn ends_wait_out_an_outage_and_are_recorded_once() {
    let stage = Stage::new(secs(5));
    for _ in 0..3 {
        stage.every(Some(secs(600))).await;
    }
    let (running, stop) = stage.engine("one");
    tokio::time::sleep(secs(602)).await;
    stage.queue.down.store(true, Ordering::SeqCst);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(
        stage.runs(RunStatus::Running).await.len(),
        3,
        "the ends could not be recorded"
    );
    stage.queue.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(secs(10)).await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 3);
    assert_eq!(stage.most_calls_of_one_run(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_ends_are_reported_in_as_many_parts_as_the_queue_takes_at_once() {
    let stage = Stage::new(secs(2));
    stage.queue.at_once.store(2, Ordering::SeqCst);
    for _ in 0..300 {
        stage.every(Some(secs(60))).await;
    }
    stage.run_engine_for(secs(70)).await;
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 300);
    let reports = stage.queue.reports.lock().unwrap().clone();
    let [.., one, other] = &reports[..] else {
        panic!("{} reports", reports.len())
    };
    assert!(
        one.len() > 100 && other.len() > 100,
        "{} and {} ends",
        one.len(),
        other.len()
    );
    assert!(one.iter().all(|endpoint| !other.contains(endpoint)));
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_what_is_in_the_air_land() {
    let stage = Stage::new(secs(20));
    stage.every(Some(secs(60))).await;
    stage.run_engine_for(secs(61)).await;
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 1);
    assert_eq!(stage.runs(RunStatus::Running).await.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_engine_hardly_asks() {
    for head_start in [Duration::ZERO, Duration::from_millis(4)] {
        let stage = Stage::new(secs(1));
        *stage.queue.head_start.lock().unwrap() = head_start;
        stage.every(None).await;
        stage.run_engine_for(secs(600)).await;
        let claims = stage.queue.claims.load(Ordering::SeqCst);
        let glances = stage.queue.glances.load(Ordering::SeqCst);
        assert_eq!(claims, 1, "what a glance shows needs no claim");
        assert!((1..=125).contains(&glances), "{glances} glances in ten idle minutes");
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_after_which_nothing_is_due_costs_a_glance_and_no_claim() {
    let stage = Stage::new(secs(2));
    stage.every(Some(secs(60))).await;
    stage.run_engine_for(secs(630)).await;
    assert_eq!(stage.runs(RunStatus::Succeeded).await.len(), 10);
    let claims = stage.queue.claims.load(Ordering::SeqCst);
    // One that takes it, and one after the look for lost leases.
    assert!(
        (11..=21).contains(&claims),
        "{claims} claims for the start and ten runs"
    );
}
