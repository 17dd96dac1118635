//! Claims that begin before their time on PostgreSQL, by the database's clock; and when writers are that waited for one.

use std::time::Duration;

use baton_domain::{
    endpoint::Pause,
    ids::{EndpointId, UserId},
    limits,
    run::{Run, lane_of},
    services::{Claim, ClaimedRun, Claims, Purpose, Queue, RunRequest, Services},
    time::{Timestamp, after},
};
use baton_store::postgres::claim::{BESIDE, lock_due};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement, TransactionTrait as _, TryGetable};
use tokio_util::sync::CancellationToken;

use crate::{
    databases::OwnDatabase,
    looks::{once, serve},
    plans::CLAIMS,
    polling::{endpoint, no_key},
};

/// Claims that were made as of a time that had not come.
const ROUNDS: usize = 20;
const SOON: Duration = Duration::from_millis(20);

/// The one value of a statement.
pub async fn ask<T: TryGetable>(db: &DatabaseConnection, sql: &str) -> T {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql));
    let row = row.await.expect("it is SQL").expect("one row");
    row.try_get_by_index(0).expect("it is of that type")
}

async fn time(db: &DatabaseConnection) -> Timestamp {
    ask(db, "SELECT CLOCK_TIMESTAMP()").await
}

fn ada() -> UserId {
    UserId("ada".to_owned())
}

async fn submit_for(services: &Services, endpoint_id: EndpointId, planned_at: Timestamp) -> Run {
    submit_of(services, &ada(), endpoint_id, planned_at).await
}

async fn submit_of(services: &Services, user: &UserId, endpoint_id: EndpointId, planned_at: Timestamp) -> Run {
    let request = RunRequest {
        endpoint_id,
        purpose: Purpose::Work,
        planned_at: Some(planned_at),
        trace_parent: None,
    };
    let run = services.submit_run(user, request, &no_key()).await;
    run.expect("the run is queued")
}

async fn claim(queue: &dyn Queue, as_of: Option<Timestamp>) -> Claims {
    let claim = Claim {
        owner: "engine".to_owned(),
        // Nothing is taken back: what is claimed here never ends.
        lease: Duration::from_secs(3_600),
        limit: 10,
        host_concurrency: None,
        as_of,
    };
    queue.claim_due(&claim).await.expect("the store is up")
}

/// Waits until the next run comes due within the head start, and claims as of then.
async fn claim_ahead(queue: &dyn Queue) -> Vec<ClaimedRun> {
    let due = once(async || {
        let next = queue.next_due(None, None).await.expect("the store is up");
        next.at.filter(|_| next.wait <= Some(queue.head_start()))
    });
    claim(queue, Some(due.await)).await.runs
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_claimed_before_its_time_is_seen_by_nobody_until_then() {
    let database = OwnDatabase::migrated().await;
    let (db, watch) = (database.connect().await, database.connect().await);
    let (services, queue) = serve(&database).await;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
        loop {
            let ahead = "SELECT COUNT(*) FROM live_runs WHERE status = 'running' AND started_at > CLOCK_TIMESTAMP()";
            assert_eq!(ask::<i64>(&watch, ahead).await, 0);
        }
    }));
    let mut ahead = 0;
    once(async || {
        let endpoint = endpoint(&services, &ada()).await;
        let planned = submit_for(&services, endpoint, after(time(&db).await, SOON)).await;
        let claimed = claim_ahead(queue.as_ref()).await;
        let now = time(&db).await;
        // The test may have been held up for longer than its run had to wait.
        for claimed in &claimed {
            assert_eq!(claimed.run.id, planned.id);
            let started = claimed.run.started_at.expect("it has started");
            assert!(planned.due_at <= started && started <= now, "{started} at {now}");
            ahead += usize::from(started == planned.due_at);
        }
        if claimed.is_empty() {
            once(async || (!claim(queue.as_ref(), None).await.runs.is_empty()).then_some(())).await;
        }
        (ahead == ROUNDS).then_some(())
    })
    .await;
    stop.cancel();
    assert!(watching.await.expect("nothing was seen before its time").is_none());
}

/// It would wait for the end of this claim, and for the next one. In a flood the first that comes due after that is waited for.
#[tokio::test]
async fn what_comes_due_while_a_claim_takes_its_time_is_taken_along() {
    const APART: Duration = Duration::from_millis(500);
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    let (services, _queue) = serve(&database).await;
    for (takes_us, patience_us, found) in [
        ("1000000", "NULL", 3),
        ("0", "NULL", 1),
        ("0", "2000000", 2),
        ("0", "1", 1),
    ] {
        // Once this is not held up for longer than they are apart.
        once(async || {
            db.execute_unprepared("DELETE FROM live_runs").await.expect("it is SQL");
            let soon = time(&db).await;
            let times = [soon, after(soon, APART), after(soon, 2 * APART)];
            for at in times {
                submit_for(&services, endpoint(&services, &ada()).await, at).await;
            }
            let tx = db.begin().await.expect("a transaction begins");
            let prepare = format!("PREPARE looked ({CLAIMS}) AS {}", lock_due(false));
            tx.execute_unprepared(&prepare).await.expect("it is SQL");
            let look = format!("EXECUTE looked (NULL, 10, NULL, 48, NULL, NULL, {takes_us}, {patience_us}, 0)");
            let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, look));
            let rows = rows.await.expect("it runs");
            let in_time = time(&db).await < times[1];
            tx.execute_unprepared("DEALLOCATE looked").await.expect("it is there");
            tx.rollback().await.expect("nothing was written");
            let now: Timestamp = rows[0].try_get("", "now").expect("it is a time");
            in_time.then(|| {
                assert_eq!(rows.len(), found, "{takes_us}, {patience_us}");
                assert_eq!(now == times[found - 1], found > 1, "{now}");
            })
        })
        .await;
    }
}

/// Of the flood itself nothing is waited for. Where others have something soon, less of it is taken.
#[tokio::test]
async fn in_a_flood_a_claim_waits_for_what_others_have() {
    const APART: Duration = Duration::from_millis(40);
    const LONG: i64 = 2_000_000;
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    let (services, _queue) = serve(&database).await;
    let mut others = (0..).map(|number| UserId(format!("user-{number}")));
    let bob = others.find(|user| lane_of(user) != lane_of(&ada()));
    let bob = bob.expect("lanes are many");
    let mut flood = Vec::new();
    for _ in 0..=limits::LANE_PER_CLAIM {
        flood.push(endpoint(&services, &ada()).await);
    }
    let (next, other) = (endpoint(&services, &ada()).await, endpoint(&services, &bob).await);
    let of_ada = 1_i64 << lane_of(&ada());
    for (flooded, patience_us, waits_for, share, of_bob) in [
        (of_ada, LONG, 2, BESIDE, 1),
        (of_ada, 1, 0, BESIDE, 0),
        (0, LONG, 1, BESIDE, 0),
        (-1, LONG, 0, limits::LANE_PER_CLAIM, 0),
    ] {
        // Once it is there before any of that comes due.
        once(async || {
            db.execute_unprepared("DELETE FROM live_runs").await.expect("it is SQL");
            for id in &flood {
                submit_for(&services, *id, time(&db).await).await;
            }
            let now = time(&db).await;
            let times = [now, after(now, APART), after(now, 2 * APART)];
            submit_for(&services, next, times[1]).await;
            submit_of(&services, &bob, other, times[2]).await;
            let tx = db.begin().await.expect("a transaction begins");
            let prepare = format!("PREPARE looked ({CLAIMS}) AS {}", lock_due(false));
            tx.execute_unprepared(&prepare).await.expect("it is SQL");
            let look = format!("EXECUTE looked (NULL, 500, NULL, 48, NULL, NULL, 0, {patience_us}, {flooded})");
            let rows = tx.query_all_raw(Statement::from_string(DbBackend::Postgres, look));
            let rows = rows.await.expect("it runs");
            let in_time = time(&db).await < times[1];
            tx.execute_unprepared("DEALLOCATE looked").await.expect("it is there");
            tx.rollback().await.expect("nothing was written");
            in_time.then(|| {
                let value = |name: &str| rows[0].try_get::<i64>("", name).expect("it is a number");
                assert_eq!(value("share"), i64::from(share), "{flooded}, {patience_us}");
                assert_eq!(value("cut_set"), of_ada, "there is more of hers, and of nobody else's");
                let now: Timestamp = rows[0].try_get("", "now").expect("it is a time");
                assert_eq!(now == times[waits_for], waits_for > 0, "{flooded}, {patience_us}");
                assert_eq!(rows.len(), usize::from(share) + of_bob, "{flooded}, {patience_us}");
            })
        })
        .await;
    }
}

#[tokio::test]
async fn no_claim_is_as_of_a_time_that_is_far() {
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    let (services, queue) = serve(&database).await;
    let endpoint = endpoint(&services, &ada()).await;
    let tomorrow = after(time(&db).await, Duration::from_secs(86_400));
    submit_for(&services, endpoint, tomorrow).await;
    let before = time(&db).await;
    for passed in [tomorrow, before] {
        let claims = claim(queue.as_ref(), Some(passed)).await;
        assert!(claims.runs.is_empty());
        assert!(before <= claims.at && claims.at <= time(&db).await);
    }
}

/// Whoever has an endpoint may have begun later than those who wait for it, and be as of a time that has not come yet.
#[tokio::test]
async fn a_change_that_waited_for_an_endpoint_is_later_than_what_it_waited_for() {
    const WAITING: &str =
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let database = OwnDatabase::migrated().await;
    let (db, holder) = (database.connect().await, database.connect().await);
    let (services, _queue) = serve(&database).await;
    let endpoint = endpoint(&services, &ada()).await;
    let held = holder.begin().await.expect("a transaction begins");
    held.execute_unprepared("SELECT 1 FROM endpoint_state FOR UPDATE")
        .await
        .expect("nobody else has it");
    let pausing = tokio::spawn(async move { services.pause_endpoint(&ada(), endpoint, Pause::UntilResumed).await });
    once(async || (ask::<i64>(&db, WAITING).await == 1).then_some(())).await;
    let released = time(&db).await;
    held.commit().await.expect("it was held until now");
    pausing.await.expect("it ends").expect("the endpoint is paused");
    let changed: Timestamp = ask(&db, "SELECT MAX(changed_at) FROM schedule_changes").await;
    assert!(changed >= released, "{changed} before {released}");
}
