//! What a queue finds while an old snapshot keeps all that is over in its indexes.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    fixtures::SeededChance,
    ids::RunId,
    limits::PlanLimits,
    services::{Claim, Queue, Services},
};
use sea_orm::{ConnectionTrait as _, TransactionTrait as _};

use crate::{
    databases::OwnDatabase,
    plans::BURST,
    polling::{polled, submit},
};

async fn claimed(queue: &dyn Queue) -> Vec<RunId> {
    let claim = Claim {
        owner: "engine".to_owned(),
        lease: Duration::from_secs(15),
        limit: 10,
        host_concurrency: None,
    };
    let claims = queue.claim_due(&claim).await.expect("the store is up");
    claims.runs.into_iter().map(|claimed| claimed.run.id).collect()
}

/// The first look is slow, the next claim reads where the lanes begin, and those after it begin there.
#[tokio::test]
async fn a_queue_full_of_what_is_over_hides_nothing() {
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    let held = database.connect().await.begin().await.expect("a transaction begins");
    held.execute_unprepared("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT COUNT(*) FROM live_runs")
        .await
        .expect("the snapshot is taken");
    for statement in BURST.into_iter().chain(["DELETE FROM live_runs"]) {
        db.execute_unprepared(statement).await.expect("it is SQL");
    }
    let opened = polled(&database, 1).await;
    let services = Services::new(opened.store, Arc::new(SeededChance::new(3)), PlanLimits::default());
    let services = services.with_submissions(opened.submissions);
    for round in 0..4 {
        let run = submit(&services).await;
        assert_eq!(claimed(opened.queue.as_ref()).await, [run], "round {round}");
    }

    // Long due all of a sudden: as the queue is read from its beginning every now and then, it is found.
    let late = submit(&services).await;
    let sql = format!(
        "UPDATE live_runs SET due_at = due_at - INTERVAL '1 hour' WHERE id = '{}'",
        late.0
    );
    db.execute_unprepared(&sql).await.expect("it is SQL");
    let found = async {
        loop {
            let runs = claimed(opened.queue.as_ref()).await;
            if !runs.is_empty() {
                return runs;
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    assert_eq!(found.expect("it is found in the end"), [late]);
    held.rollback().await.expect("the snapshot was held until now");
}
