//! What looks at the queue find on PostgreSQL, wherever they begin and however little of it they search.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    fixtures::SeededChance,
    ids::{RunId, UserId},
    limits::PlanLimits,
    run::lane_of,
    services::{Claim, Queue, Services},
};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use crate::{
    databases::OwnDatabase,
    plans::burst,
    polling::{endpoint, polled, submit, submit_to},
};

pub async fn serve(database: &OwnDatabase) -> (Services, Arc<dyn Queue>) {
    let opened = polled(database, 1).await;
    let services = Services::new(opened.store, Arc::new(SeededChance::new(3)), PlanLimits::default());
    (services.with_submissions(opened.submissions), opened.queue)
}

async fn claimed(queue: &dyn Queue, limit: usize) -> Vec<RunId> {
    let claim = Claim {
        owner: "engine".to_owned(),
        lease: Duration::from_secs(15),
        limit,
        host_concurrency: None,
        as_of: None,
    };
    let claims = queue.claim_due(&claim).await.expect("the store is up");
    claims.runs.into_iter().map(|claimed| claimed.run.id).collect()
}

/// Tries until it happens.
pub async fn once<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let happens = async {
        loop {
            if let Some(done) = attempt().await {
                return done;
            }
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), happens).await;
    done.expect("it happens in the end")
}

#[tokio::test]
async fn a_queue_full_of_what_is_over_hides_nothing_for_long() {
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    let held = database.connect().await.begin().await.expect("a transaction begins");
    held.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT COUNT(*) FROM live_runs")
        .await
        .expect("the snapshot is taken");
    burst(&db, &["DELETE FROM live_runs"]).await;
    let (services, queue) = serve(&database).await;
    for round in 0..4 {
        let run = submit(&services).await;
        assert_eq!(claimed(queue.as_ref(), 10).await, [run], "round {round}");
    }

    // Once looks begin later than the queue does, they pass over a row that is long due all of a sudden.
    let late = once(async || {
        let run = submit(&services).await;
        let sql = format!(
            "UPDATE live_runs SET due_at = due_at - INTERVAL '1 hour' WHERE id = '{}'",
            run.0
        );
        db.execute_unprepared(&sql).await.expect("it is SQL");
        claimed(queue.as_ref(), 10).await.is_empty().then_some(run)
    })
    .await;
    let next = queue.next_due(None, None).await.expect("the store is up");
    let wait = next.wait.expect("who waits knows for how long that may be");
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
    let found = once(async || {
        let runs = claimed(queue.as_ref(), 10).await;
        (!runs.is_empty()).then_some(runs)
    })
    .await;
    assert_eq!(found, [late]);
    held.rollback().await.expect("the snapshot was held until now");
}

/// Calls begin in that order: nobody's waits for all that another user has.
#[tokio::test]
async fn the_first_of_every_lane_is_handed_out_before_the_second_of_any() {
    let database = OwnDatabase::migrated().await;
    let (services, queue) = serve(&database).await;
    let [ada, bob] = ["ada", "bob"].map(|name| UserId(name.to_owned()));
    let mut of_ada = Vec::new();
    for _ in 0..3 {
        of_ada.push(submit_to(&services, &ada, endpoint(&services, &ada).await).await);
    }
    let of_bob = submit_to(&services, &bob, endpoint(&services, &bob).await).await;
    let runs = claimed(queue.as_ref(), 10).await;
    assert_eq!(runs, [of_ada[0], of_bob, of_ada[1], of_ada[2]]);
}

/// A run that may start behind a hundred that may not, while other lanes always have some that may.
#[tokio::test]
async fn all_of_a_lane_is_searched_now_and_then() {
    let database = OwnDatabase::migrated().await;
    let (services, queue) = serve(&database).await;
    let [ada, bob] = ["ada", "bob"].map(|name| UserId(name.to_owned()));
    assert_ne!(lane_of(&ada), lane_of(&bob));
    let (busy, free) = (endpoint(&services, &bob).await, endpoint(&services, &bob).await);
    for _ in 0..=100 {
        submit_to(&services, &bob, busy).await;
    }
    assert_eq!(
        claimed(queue.as_ref(), 10).await.len(),
        1,
        "one of an endpoint at a time"
    );
    let hidden = submit_to(&services, &bob, free).await;
    once(async || {
        submit(&services).await;
        let runs = claimed(queue.as_ref(), 1).await;
        assert_eq!(runs.len(), 1);
        runs.contains(&hidden).then_some(())
    })
    .await;
}
