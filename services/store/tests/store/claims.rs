//! The claim by SQL and the claim through the domain leave the same rows behind.

pub mod situations;

use std::sync::Arc;

use baton_domain::{
    fixtures::{TestClock, contract::World},
    ids::EndpointId,
    ports::Store,
    services::{Claim, ClaimedRun, Queue, StoreQueue},
};
use baton_store::{
    postgres::{queue::PostgresQueue, session::Sessions},
    sqlite::queue::SqliteQueue,
};
use sea_orm::ConnectionTrait as _;

use self::situations::{SECOND, add, id, job, situations};
use crate::{
    databases::{Folder, OwnDatabase, hot, postgres_store, sqlite_store},
    dump::{assert_identical, assert_identical_rows, dump_file},
    finishes::Counted,
};

async fn fill(store: &dyn Store) {
    let mut tx = store.begin().await.expect("the store is up");
    tx.create_job(&job()).await.expect("the job is new");
    for (number, situation) in situations().into_iter().enumerate() {
        add(tx.as_mut(), situation, number).await;
    }
    tx.commit().await.expect("nobody else writes");
}

/// Claims in batches until nothing is due.
async fn claim_all(queue: &dyn Queue) -> Vec<Vec<ClaimedRun>> {
    let claim = Claim {
        owner: "engine".to_owned(),
        lease: 15 * SECOND,
        limit: 100,
        host_concurrency: None,
        as_of: None,
    };
    let mut batches = Vec::new();
    loop {
        let claims = queue.claim_due(&claim).await.expect("the claim succeeds");
        if claims.runs.is_empty() {
            return batches;
        }
        batches.push(claims.runs);
    }
}

#[tokio::test]
async fn both_claims_leave_identical_rows() {
    let clock = Arc::new(TestClock::at(World::start()));
    for sessions in [Sessions::Own, Sessions::Pooled] {
        let (left, right) = (OwnDatabase::migrated().await, OwnDatabase::migrated().await);
        let left_store = postgres_store(&left, &clock).await;
        let left_hot = hot(&left, &left_store, sessions);
        let left_store: Arc<dyn Store> = Arc::new(left_store);
        let left_queue = PostgresQueue::new(left_hot, Arc::clone(&left_store), Arc::new(Counted::default()));
        let right_store: Arc<dyn Store> = Arc::new(postgres_store(&right, &clock).await);
        fill(left_store.as_ref()).await;
        fill(right_store.as_ref()).await;

        assert_same_claims(&left_queue, &right_store).await;
        assert_identical_rows(&left, &right).await;
    }
}

#[tokio::test]
async fn both_claims_leave_identical_rows_on_sqlite() {
    let clock = Arc::new(TestClock::at(World::start()));
    let (left, right) = (Folder::new(), Folder::new());
    let (left_store, left_hot) = sqlite_store(&left, &clock).await;
    let (right_store, _) = sqlite_store(&right, &clock).await;
    fill(left_store.as_ref()).await;
    fill(right_store.as_ref()).await;

    let left_queue = SqliteQueue::new(left_hot, left_store, Arc::new(Counted::default()));
    assert_same_claims(&left_queue, &right_store).await;
    assert_identical(&dump_file(&left).await, &dump_file(&right).await);
}

/// What a queue of a database's own hands out is what the general one does.
async fn assert_same_claims(own: &dyn Queue, general: &Arc<dyn Store>) {
    let by_own = claim_all(own).await;
    let chance = Arc::new(Counted::default());
    let by_domain = claim_all(&StoreQueue::new(Arc::clone(general), chance)).await;

    assert!(by_own.len() > 3, "several batches: {}", by_own.len());
    assert_eq!(by_own.len(), by_domain.len());
    for (own, domain) in by_own.iter().flatten().zip(by_domain.iter().flatten()) {
        assert_eq!(own.run, domain.run);
        let rest = |claimed: &ClaimedRun| {
            (
                claimed.fence,
                claimed.request.clone(),
                claimed.timeout,
                claimed.max_response_bytes,
            )
        };
        assert_eq!(rest(own), rest(domain));
    }
}

/// Whoever holds an endpoint may also need its rows: a claimer that passes the endpoint over must not keep them.
#[tokio::test]
async fn a_row_of_an_endpoint_that_is_locked_is_left_alone() {
    let clock = Arc::new(TestClock::at(World::start()));
    let database = OwnDatabase::migrated().await;
    let store: Arc<dyn Store> = Arc::new(postgres_store(&database, &clock).await);
    let due = situations()[0];
    let mut tx = store.begin().await.expect("the store is up");
    tx.create_job(&job()).await.expect("the job is new");
    add(tx.as_mut(), due, 0).await;
    tx.commit().await.expect("nobody else writes");

    let mut holder = store.begin().await.expect("the store is up");
    assert_eq!(
        holder
            .lock_schedules(&[EndpointId(id(1, 0))])
            .await
            .expect("the endpoint is there")
            .len(),
        1
    );
    let mut passing = store.begin().await.expect("the store is up");
    assert!(passing.due_runs(10, None).await.expect("nothing waits").is_empty());
    let rows = database.connect().await;
    let free = rows
        .execute_unprepared("SELECT id FROM live_runs FOR UPDATE NOWAIT")
        .await;
    assert_eq!(free.expect("the row is not locked").rows_affected(), 1);
    drop((holder, passing));
}
