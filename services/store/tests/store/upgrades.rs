//! A schema that moves on under a serving scheduler: columns that a later version adds must not disturb it.

use std::time::Duration;

use baton_domain::{
    call::CallOutcome,
    fixtures::contract::World,
    schedule::Settled,
    services::{Claim, EndpointDraft, Idempotency},
};
use sea_orm::ConnectionTrait as _;

use crate::databases::{OwnDatabase, postgres_world_on};

const HOUR: Duration = Duration::from_secs(3_600);

async fn run_once(world: &World) {
    world.clock.advance(HOUR);
    let claim = Claim {
        owner: "engine".to_owned(),
        lease: Duration::from_secs(15),
        limit: 10,
        host_concurrency: None,
        as_of: None,
    };
    let claimed = world.queue.claim_due(&claim).await.expect("the claim succeeds").runs;
    assert_eq!(claimed.len(), 1);
    let report = claimed[0].report(CallOutcome {
        status_code: Some(200),
        ..CallOutcome::default()
    });
    let settled = world.queue.finish_runs(&[report]).await.expect("the report is taken");
    assert_eq!(settled, [Settled::Succeeded]);
}

#[tokio::test]
async fn a_column_that_a_later_version_adds_does_not_disturb_the_hot_path() {
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    let world = postgres_world_on(database).await;
    let hourly = EndpointDraft {
        name: "hook".to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/".to_owned(),
        interval: Some(HOUR),
        ..EndpointDraft::default()
    };
    let once = Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    };
    let created = world.services.create_endpoint(&world.user, None, &hourly, &once).await;
    created.expect("the endpoint is created");
    // Several times: statements are prepared, and kept, on every connection.
    for _ in 0..4 {
        run_once(&world).await;
    }
    for table in ["live_runs", "run_history", "endpoint_state", "job_endpoints", "hints"] {
        let add = format!("ALTER TABLE {table} ADD COLUMN of_a_later_version TEXT");
        db.execute_unprepared(&add).await.expect("the column is added");
    }
    for _ in 0..4 {
        run_once(&world).await;
    }
}
