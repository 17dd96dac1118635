//! Claimers at the same instant against a bound on calls to one host: together they never exceed it, and use all of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use baton_domain::{
    call::CallOutcome,
    fixtures::{SeededChance, TestClock, contract::World},
    ports::Store,
    schedule::Settled,
    services::{Claim, ClaimedRun, EndpointDraft, Idempotency, Queue, StoreQueue},
};
use tokio::sync::Barrier;

use crate::databases::{OwnDatabase, postgres_pair, postgres_store, sqlite_world};

const HOSTS: usize = 3;
const ENDPOINTS_EACH: usize = 40;
const PER_HOST: usize = 2;
const CLAIMERS: usize = 4;
const HOUR: Duration = Duration::from_secs(3_600);

async fn fill(world: &World) {
    let once = Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    };
    for number in 0..HOSTS * ENDPOINTS_EACH {
        let draft = EndpointDraft {
            name: "crowded".to_owned(),
            method: "POST".to_owned(),
            url: format!("http://shop-{}.example/{number}", number % HOSTS),
            interval: Some(HOUR),
            ..EndpointDraft::default()
        };
        let created = world.services.create_endpoint(&world.user, None, &draft, &once).await;
        created.expect("the endpoint is created");
    }
    world.clock.advance(HOUR + Duration::from_secs(1));
}

async fn claim_at_once(queue: Arc<dyn Queue>, owner: usize, barrier: Arc<Barrier>) -> Vec<ClaimedRun> {
    let claim = Claim {
        owner: format!("engine-{owner}"),
        lease: Duration::from_secs(15),
        limit: 10,
        host_concurrency: Some(u32::try_from(PER_HOST).expect("a small bound")),
        as_of: None,
    };
    barrier.wait().await;
    queue.claim_due(&claim).await.expect("the claim succeeds").runs
}

async fn finish(queue: &dyn Queue, claimed: &[ClaimedRun]) {
    let reports = claimed.iter().map(|claimed| {
        claimed.report(CallOutcome {
            status_code: Some(200),
            ..CallOutcome::default()
        })
    });
    let settled = queue.finish_runs(&reports.collect::<Vec<_>>()).await;
    let settled = settled.expect("the reports are taken");
    assert!(settled.iter().all(|settled| *settled == Settled::Succeeded));
}

/// All claim at once, round after round; what was claimed ends between the rounds.
async fn claimers_never_exceed_a_host(world: &World, queues: &[Arc<dyn Queue>]) {
    fill(world).await;
    let mut left = HOSTS * ENDPOINTS_EACH;
    while left > 0 {
        let barrier = Arc::new(Barrier::new(CLAIMERS));
        let claims = (0..CLAIMERS).map(|owner| {
            let queue = Arc::clone(&queues[owner % queues.len()]);
            tokio::spawn(claim_at_once(queue, owner, Arc::clone(&barrier)))
        });
        let mut claimed = Vec::new();
        for claim in claims.collect::<Vec<_>>() {
            claimed.extend(claim.await.expect("the claimer does not panic"));
        }
        let mut calls: BTreeMap<String, usize> = BTreeMap::new();
        for run in &claimed {
            *calls.entry(run.request.host()).or_default() += 1;
        }
        assert!(calls.values().all(|calls| *calls <= PER_HOST), "{left} left: {calls:?}");
        assert_eq!(claimed.len(), left.min(HOSTS * PER_HOST), "{left} left: {calls:?}");
        left -= claimed.len();
        finish(world.queue.as_ref(), &claimed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claimers_never_exceed_a_host_on_sqlite() {
    let world = sqlite_world().await;
    let queues = [Arc::clone(&world.queue)];
    claimers_never_exceed_a_host(&world, &queues).await;
}

/// Two schedulers in all but their processes, one of which claims the general way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claimers_never_exceed_a_host_on_postgres() {
    let clock = Arc::new(TestClock::at(World::start()));
    let database = OwnDatabase::migrated().await;
    let (mine, queue) = postgres_pair(&database, &clock).await;
    let queue: Arc<dyn Queue> = Arc::new(queue);
    let other: Arc<dyn Store> = Arc::new(postgres_store(&database, &clock).await);
    let general: Arc<dyn Queue> = Arc::new(StoreQueue::new(other, Arc::new(SeededChance::new(9))));
    let world = World::new(mine, Arc::clone(&queue), clock, database);
    claimers_never_exceed_a_host(&world, &[queue, general]).await;
}
