//! The claim by SQL and the claim through the domain leave the same rows behind.

mod situations;

use std::sync::Arc;

use baton_domain::{
    fixtures::{SeededChance, TestClock, contract::World},
    ids::EndpointId,
    ports::Store,
    services::{Claim, ClaimedRun, Queue, StoreQueue},
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement};

use self::situations::{SECOND, add, id, job, situations};
use crate::databases::{OwnDatabase, postgres_queue, postgres_store};

async fn fill(store: &dyn Store) {
    let mut tx = store.begin().await.expect("the store is up");
    tx.create_job(&job()).await.expect("the job is new");
    for (number, situation) in situations().into_iter().enumerate() {
        add(tx.as_mut(), situation, number).await;
    }
    tx.commit().await.expect("nobody else writes");
}

/// Everything that a claim may touch, row by row.
async fn dump(db: &DatabaseConnection) -> Vec<String> {
    const ROWS: &str = "
        SELECT row FROM (
            SELECT 'live_runs ' || to_jsonb(r)::text AS row FROM live_runs r
            UNION ALL SELECT 'endpoint_state ' || to_jsonb(s)::text FROM endpoint_state s
            UNION ALL SELECT 'hints ' || to_jsonb(h)::text FROM hints h
            UNION ALL SELECT 'schedule_changes ' || (to_jsonb(c) - 'id')::text FROM schedule_changes c
            UNION ALL SELECT 'job_endpoints ' || to_jsonb(e)::text FROM job_endpoints e) everything
         ORDER BY row";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), ROWS))
        .await;
    rows.expect("the tables can be read")
        .iter()
        .map(|row| row.try_get("", "row").expect("a row is text"))
        .collect()
}

/// Claims in batches until nothing is due.
async fn claim_all(queue: &dyn Queue) -> Vec<Vec<ClaimedRun>> {
    let claim = Claim {
        owner: "engine".to_owned(),
        lease: 15 * SECOND,
        limit: 100,
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
    let (left, right) = (OwnDatabase::migrated().await, OwnDatabase::migrated().await);
    let left_store: Arc<dyn Store> = Arc::new(postgres_store(&left, &clock).await);
    let right_store: Arc<dyn Store> = Arc::new(postgres_store(&right, &clock).await);
    fill(left_store.as_ref()).await;
    fill(right_store.as_ref()).await;

    let by_sql = claim_all(&postgres_queue(&left, &clock, &left_store)).await;
    let chance = Arc::new(SeededChance::new(1));
    let by_domain = claim_all(&StoreQueue::new(Arc::clone(&right_store), chance)).await;

    assert!(by_sql.len() > 3, "several batches: {}", by_sql.len());
    assert_eq!(by_sql.len(), by_domain.len());
    for (sql, domain) in by_sql.iter().flatten().zip(by_domain.iter().flatten()) {
        assert_eq!(sql.run, domain.run);
        let rest = |claimed: &ClaimedRun| {
            (
                claimed.fence,
                claimed.request.clone(),
                claimed.timeout,
                claimed.max_response_bytes,
            )
        };
        assert_eq!(rest(sql), rest(domain));
    }
    let (left_db, right_db) = (connect(&left).await, connect(&right).await);
    let (left_rows, right_rows) = (dump(&left_db).await, dump(&right_db).await);
    assert_eq!(left_rows.len(), right_rows.len());
    for (sql, domain) in left_rows.iter().zip(&right_rows) {
        assert_eq!(sql, domain);
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
    assert!(passing.due_runs(10).await.expect("nothing waits").is_empty());
    let rows = connect(&database).await;
    let free = rows
        .execute_unprepared("SELECT id FROM live_runs FOR UPDATE NOWAIT")
        .await;
    assert_eq!(free.expect("the row is not locked").rows_affected(), 1);
    drop((holder, passing));
}

async fn connect(database: &OwnDatabase) -> DatabaseConnection {
    sea_orm::Database::connect(database.url())
        .await
        .expect("the database accepts connections")
}
