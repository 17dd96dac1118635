//! Races of a thousand rounds, with a barrier at each step: a hint against the end of a run, and two claimers against
//! one endpoint; eight claimers of a thousand runs; and endpoints that change jobs. In memory, on SQLite and on PostgreSQL.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    call::CallOutcome,
    fixtures::{MemoryStore, SeededChance, TestClock, contract::World},
    hint::Instruction,
    ids::{EndpointId, HintId, JobId, RunId},
    ports::Store,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    schedule::{FinishedRun, Settled},
    services::{
        Claim, ClaimedRun, Claims, EndpointDraft, Idempotency, NextDue, Purpose, Queue, RunRequest, StoreQueue,
    },
    time::{Clock as _, Timestamp, after},
};
use baton_store::postgres::coming::next_due;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement, Value, prelude::Uuid};
use tokio::sync::Barrier;

use crate::databases::{OwnDatabase, postgres_pair, postgres_world, sqlite_world};

const ROUNDS: usize = 1_000;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

async fn endpoint(world: &World, interval: Option<Duration>) -> EndpointId {
    let draft = EndpointDraft {
        name: "contended".to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/hook".to_owned(),
        interval,
        ..EndpointDraft::default()
    };
    let created = world.services.create_endpoint(&world.user, None, &draft, &once()).await;
    created.expect("the endpoint is created").endpoint.id
}

fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

async fn submit(world: &World, endpoint_id: EndpointId) {
    let request = RunRequest {
        endpoint_id,
        purpose: Purpose::Work,
        planned_at: None,
        trace_parent: None,
    };
    let submitted = world.services.submit_run(&world.user, request, &once()).await;
    submitted.expect("the run is accepted");
}

async fn claim(queue: &dyn Queue, owner: &str) -> Vec<ClaimedRun> {
    claims(queue, owner).await.runs
}

async fn claims(queue: &dyn Queue, owner: &str) -> Claims {
    let claim = Claim {
        owner: owner.to_owned(),
        lease: 15 * SECOND,
        limit: 10,
        host_concurrency: None,
        as_of: None,
    };
    queue.claim_due(&claim).await.expect("the claim succeeds")
}

/// Reports a success under this fence.
async fn finish(queue: &dyn Queue, claimed: &ClaimedRun, fence: i64) -> Settled {
    let report = FinishedRun {
        fence,
        ..claimed.report(CallOutcome {
            status_code: Some(200),
            ..CallOutcome::default()
        })
    };
    queue.finish_runs(&[report]).await.expect("the report is taken")[0]
}

/// One person, whose one-shot of now is written again and again.
async fn hinter(world: Arc<World>, endpoint_id: EndpointId, barrier: Arc<Barrier>) -> Vec<HintId> {
    let mut written = Vec::new();
    for round in 0..ROUNDS {
        barrier.wait().await;
        let now: Timestamp = world.clock.now();
        let reason = format!("round {round}");
        let hint = Instruction::OneShot(now);
        let ttl = Some(60 * SECOND);
        let hinted = world
            .services
            .apply_hint(&world.user, endpoint_id, hint, ttl, &reason)
            .await;
        let schedule = hinted.expect("the hint is written");
        written.extend(schedule.hints.iter().map(|hint| hint.id));
        barrier.wait().await;
        barrier.wait().await;
    }
    written
}

/// A hint that is written while a run ends: every one of them runs, once.
async fn a_hint_against_a_finish(world: World) {
    let world = Arc::new(world);
    let endpoint_id = endpoint(&world, Some(HOUR)).await;
    let barrier = Arc::new(Barrier::new(2));
    let hints = tokio::spawn(hinter(Arc::clone(&world), endpoint_id, Arc::clone(&barrier)));
    let mut used = Vec::new();
    for round in 0..ROUNDS {
        world.clock.set(after(
            World::start(),
            HOUR * (u32::try_from(round).expect("few rounds") + 1),
        ));
        let running = claim(world.queue.as_ref(), "engine").await;
        let [running] = running.as_slice() else {
            panic!("round {round}: {} runs were due", running.len());
        };
        barrier.wait().await;
        assert_eq!(
            finish(world.queue.as_ref(), running, running.fence).await,
            Settled::Succeeded
        );
        barrier.wait().await;
        // As far behind the run before as min_interval asks of a hinted time.
        world.clock.advance(2 * SECOND);
        let hinted = claim(world.queue.as_ref(), "engine").await;
        let [hinted] = hinted.as_slice() else {
            panic!(
                "round {round}: the hint is lost or doubled: {} runs are due",
                hinted.len()
            );
        };
        assert_eq!(hinted.run.cause, Cause::HintOneShot, "round {round}");
        used.extend(hinted.run.hint_id);
        assert_eq!(
            finish(world.queue.as_ref(), hinted, hinted.fence).await,
            Settled::Succeeded
        );
        barrier.wait().await;
    }
    let written = hints.await.expect("the hinter does not panic");
    assert_eq!(used.len(), ROUNDS, "each round's hint ran");
    assert_eq!(used, written, "and was the one that was written");
}

/// Claims until told to stop; returns what it got, round by round.
async fn claimer(queue: Arc<dyn Queue>, owner: &'static str, barrier: Arc<Barrier>) -> Vec<usize> {
    let mut won = Vec::new();
    for _ in 0..ROUNDS {
        barrier.wait().await;
        let claimed = claim(queue.as_ref(), owner).await;
        barrier.wait().await;
        for run in &claimed {
            assert_eq!(
                finish(queue.as_ref(), run, run.fence - 1).await,
                Settled::Refused,
                "an older fence"
            );
            assert_eq!(finish(queue.as_ref(), run, run.fence).await, Settled::Succeeded);
            assert_eq!(
                finish(queue.as_ref(), run, run.fence).await,
                Settled::Refused,
                "a second report"
            );
        }
        won.push(claimed.len());
        barrier.wait().await;
    }
    won
}

/// Two schedulers that claim at the same moment: one of them has the run.
async fn two_claimers_against_one_endpoint(world: World, other: Arc<dyn Queue>) {
    let endpoint_id = endpoint(&world, None).await;
    let barrier = Arc::new(Barrier::new(3));
    let left = tokio::spawn(claimer(Arc::clone(&world.queue), "left", Arc::clone(&barrier)));
    let right = tokio::spawn(claimer(other, "right", Arc::clone(&barrier)));
    for _ in 0..ROUNDS {
        world.clock.advance(SECOND);
        submit(&world, endpoint_id).await;
        for _claimed_finished_counted in 0..3 {
            barrier.wait().await;
        }
    }
    let left = left.await.expect("the claimer does not panic");
    let right = right.await.expect("the claimer does not panic");
    for (round, (left, right)) in left.iter().zip(&right).enumerate() {
        // Nobody passes it over for good: whoever finds it locked leaves it to the one that holds it.
        assert_eq!(left + right, 1, "round {round}");
    }
    let filter = baton_domain::ports::RunFilter::of_user(world.user.clone());
    let mut ended = 0;
    let mut page = baton_domain::ports::Page::first(500);
    loop {
        let listing = world.services.list_runs(&filter, page).await.expect("runs are listed");
        let Some(last) = listing.items.last() else { break };
        page.after = Some(last.id.0);
        ended += listing
            .items
            .iter()
            .filter(|run| run.status == RunStatus::Succeeded)
            .count();
    }
    assert_eq!(left.iter().sum::<usize>() + right.iter().sum::<usize>(), ended);
    assert_eq!(ended, ROUNDS, "each run was claimed once and ended once");
}

/// Two endpoints that change places, each with a step of its job's planner that waits: four locks for each, of which two are
/// the other's as well.
async fn two_endpoints_change_jobs(world: World) {
    let world = Arc::new(world);
    let mut jobs = Vec::new();
    for name in ["one", "two"] {
        jobs.push(world.services.create_job(&world.user, name, "", &once()).await);
    }
    let jobs: Vec<JobId> = jobs
        .into_iter()
        .map(|job| job.expect("the job is created").id)
        .collect();
    let endpoints = [endpoint(&world, None).await, endpoint(&world, None).await];
    for round in 0..ROUNDS / 10 {
        let [here, there] = [jobs[round % 2], jobs[(round + 1) % 2]];
        for (endpoint_id, job) in endpoints.into_iter().zip([here, there]) {
            let assigned = world
                .services
                .assign_endpoint(&world.user, endpoint_id, Some(job))
                .await;
            assigned.expect("it is moved");
            let id = RunId(Uuid::from_u128((round * 2) as u128 + u128::from(job == here)));
            let (user, due) = (world.user.clone(), after(world.clock.now(), HOUR));
            let mut run = Run::planned(id, endpoint_id, user, Source::AI_HINT, Cause::PlanStep, due);
            run.job_id = Some(job);
            let mut tx = world.store.begin().await.expect("the store is up");
            let row = LiveRun::waiting(run, Slot::Extra);
            tx.enqueue(&[row]).await.expect("the id is new");
            tx.commit().await.expect("it is written");
        }
        let moves = endpoints.into_iter().zip([there, here]).map(|(endpoint_id, job)| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                world
                    .services
                    .assign_endpoint(&world.user, endpoint_id, Some(job))
                    .await
            })
        });
        for moved in moves.collect::<Vec<_>>() {
            let moved = moved.await.expect("it does not panic");
            moved.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_endpoints_change_jobs_on_postgres() {
    two_endpoints_change_jobs(postgres_world().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_endpoints_change_jobs_on_sqlite() {
    two_endpoints_change_jobs(sqlite_world().await).await;
}

/// Takes tens until nothing is left.
async fn taker(queue: Arc<dyn Queue>, owner: String, barrier: Arc<Barrier>) -> Vec<ClaimedRun> {
    barrier.wait().await;
    let mut taken = Vec::new();
    let mut empty = 0;
    // What others hold at this moment is passed over: only when nothing is found again and again is nothing left.
    while empty < 20 {
        let claimed = claim(queue.as_ref(), &owner).await;
        empty = if claimed.is_empty() { empty + 1 } else { 0 };
        taken.extend(claimed);
    }
    taken
}

/// A thousand due runs and eight claimers that take tens: every run is claimed once.
async fn eight_claimers_and_a_thousand_runs(world: World) {
    for _ in 0..1_000 {
        endpoint(&world, Some(HOUR)).await;
    }
    world.clock.advance(HOUR + SECOND);
    let barrier = Arc::new(Barrier::new(8));
    let takers = (0..8).map(|number| {
        let (queue, barrier) = (Arc::clone(&world.queue), Arc::clone(&barrier));
        tokio::spawn(taker(queue, format!("engine-{number}"), barrier))
    });
    let mut runs = std::collections::BTreeSet::new();
    let mut claims = 0;
    for taker in takers.collect::<Vec<_>>() {
        let taken = taker.await.expect("the taker does not panic");
        claims += taken.len();
        runs.extend(taken.iter().map(|claimed| claimed.run.id));
    }
    assert_eq!((claims, runs.len()), (1_000, 1_000), "claims and runs");
}

fn memory_world() -> World {
    let clock = Arc::new(TestClock::at(World::start()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    let queue = Arc::new(StoreQueue::new(Arc::clone(&store), Arc::new(SeededChance::new(1))));
    World::new(store, queue, clock, ())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_against_a_finish_in_memory() {
    a_hint_against_a_finish(memory_world()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_against_a_finish_on_sqlite() {
    a_hint_against_a_finish(sqlite_world().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_against_a_finish_on_postgres() {
    a_hint_against_a_finish(postgres_world().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_claimers_against_one_endpoint_in_memory() {
    let world = memory_world();
    let other = Arc::clone(&world.queue);
    two_claimers_against_one_endpoint(world, other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_claimers_against_one_endpoint_on_sqlite() {
    let world = sqlite_world().await;
    let other = Arc::clone(&world.queue);
    two_claimers_against_one_endpoint(world, other).await;
}

/// Two schedulers in all but their processes: nothing is shared but the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_claimers_against_one_endpoint_on_postgres() {
    let clock = Arc::new(TestClock::at(World::start()));
    let database = OwnDatabase::migrated().await;
    let (mine, queue) = postgres_pair(&database, &clock).await;
    let (_other, others) = postgres_pair(&database, &clock).await;
    let world = World::new(mine, Arc::new(queue), clock, database);
    two_claimers_against_one_endpoint(world, Arc::new(others)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_claimers_and_a_thousand_runs_in_memory() {
    eight_claimers_and_a_thousand_runs(memory_world()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_claimers_and_a_thousand_runs_on_sqlite() {
    eight_claimers_and_a_thousand_runs(sqlite_world().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_claimers_and_a_thousand_runs_on_postgres() {
    eight_claimers_and_a_thousand_runs(postgres_world().await).await;
}

/// A claimer that finds only what somebody else holds is told when to come back for the rest. SQLite has one writer, so
/// that nobody else can hold anything.
#[tokio::test]
async fn what_somebody_else_holds_on_postgres_hides_nothing_that_comes_later() {
    let world = postgres_world().await;
    let held = endpoint(&world, Some(60 * SECOND)).await;
    endpoint(&world, Some(100 * SECOND)).await;
    world.clock.advance(60 * SECOND);
    let mut holder = world.store.begin().await.expect("the store is up");
    let locked = holder.lock_schedules(&[held]).await.expect("nobody else holds it");
    assert_eq!(locked.len(), 1);
    let passed_over = claims(world.queue.as_ref(), "engine").await;
    assert_eq!(passed_over.runs.len(), 0);
    let next = world.queue.next_due(Some(passed_over.at), None).await;
    let told = NextDue {
        wait: Some(Duration::ZERO),
        at: Some(world.clock.now()),
        later: Some(40 * SECOND),
    };
    assert_eq!(next.expect("the store is up"), told);
    drop(holder);
}

/// Between a claim and the question of what comes next a row may come due: it was not passed over, and is due at once.
#[tokio::test]
async fn what_comes_due_on_postgres_while_a_claim_looks_is_taken_at_once() {
    let database = OwnDatabase::migrated().await;
    let clock = Arc::new(TestClock::at(World::start()));
    let (store, queue) = postgres_pair(&database, &clock).await;
    let world = World::new(store, Arc::new(queue), clock, ());
    endpoint(&world, Some(60 * SECOND)).await;
    let [due, before, behind] = [60, 59, 61].map(|seconds| after(World::start(), seconds * SECOND));
    let db = database.connect().await;
    for (claimed_at, later_due_us) in [(before, Some(-1_000_000)), (due, None)] {
        let beginning = || Value::ChronoDateTimeUtc(None);
        let values = [behind.into(), claimed_at.into(), beginning(), beginning()];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, next_due(false), values);
        let row = db.query_one_raw(statement).await.expect("it is SQL").expect("one row");
        let told = |column: &str| {
            row.try_get::<Option<i64>>("", column)
                .expect("a number of microseconds")
        };
        assert_eq!(told("next_due_us"), Some(-1_000_000));
        assert_eq!(told("later_due_us"), later_due_us, "claimed at {claimed_at}");
    }
}
