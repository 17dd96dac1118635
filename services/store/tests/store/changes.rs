//! The change feed where several write at once: what is slower is waited for, and a look stays cheap.

use std::sync::Arc;

use baton_domain::{
    fixtures::contract::World,
    ids::RunId,
    ports::{ChangeCursor, ChangeQuery, Changes, Store, Tx},
    services::{EndpointDraft, Idempotency, Purpose, RunRequest},
};

use crate::databases::{postgres_world, sqlite_world};

fn once() -> Idempotency {
    Idempotency {
        method: "Test",
        request_id: String::new(),
        digest: String::new(),
    }
}

async fn submit(world: &World, name: &str) -> RunId {
    let draft = EndpointDraft {
        name: name.to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/hook".to_owned(),
        ..EndpointDraft::default()
    };
    let created = world.services.create_endpoint(&world.user, None, &draft, &once()).await;
    let request = RunRequest {
        endpoint_id: created.expect("the endpoint is created").endpoint.id,
        purpose: Purpose::Work,
        planned_at: None,
        trace_parent: None,
    };
    let run = world.services.submit_run(&world.user, request, &once()).await;
    run.expect("the run is queued").id
}

async fn read(world: &World, after: ChangeCursor) -> Changes {
    let query = ChangeQuery {
        after,
        until: None,
        live_only: false,
        users: vec![world.user.clone()],
        limit: 100,
        bytes: usize::MAX,
    };
    world.services.read_changes(&query).await.expect("the place is kept")
}

fn ids(changes: &Changes) -> Vec<RunId> {
    changes.runs.iter().map(|changed| changed.run.id).collect()
}

/// Reads on until two changes were seen: what others do in the same cluster holds the head back for a moment.
async fn next_two(world: &World, mut at: ChangeCursor) -> (Vec<RunId>, ChangeCursor) {
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let changes = read(world, at).await;
        seen.extend(ids(&changes));
        at = changes.next;
    }
    (seen, at)
}

/// A transaction that has changed the run and is still open.
async fn change(store: &Arc<dyn Store>, run: RunId) -> Box<dyn Tx> {
    let mut tx = store.begin().await.expect("the store is up");
    let rows = tx.live_runs(&[run]).await.expect("the row is there");
    tx.update_live(&rows).await.expect("the row is written");
    tx
}

/// Two transactions that write at once, the first of them committed last.
#[tokio::test]
async fn a_slower_transaction_on_postgres_is_waited_for() {
    let world = postgres_world().await;
    let head = world.services.change_head().await.expect("there is a head");
    let (first, second) = (submit(&world, "one").await, submit(&world, "two").await);
    let (submitted, start) = next_two(&world, head).await;
    assert_eq!(submitted, [first, second]);
    let slow = change(&world.store, first).await;
    let fast = change(&world.store, second).await;
    fast.commit().await.expect("nobody is in the way");

    let early = read(&world, start).await;
    assert_eq!(
        (ids(&early), early.is_last),
        (Vec::new(), true),
        "it would be passed over"
    );
    slow.commit().await.expect("nobody is in the way");
    let (late, at) = next_two(&world, early.next).await;
    assert_eq!(late, [first, second], "in the order in which they began to write");
    assert!(read(&world, at).await.runs.is_empty());
}

#[tokio::test]
async fn an_open_transaction_on_sqlite_is_not_told_of() {
    let world = sqlite_world().await;
    let run = submit(&world, "one").await;
    let start = world.services.change_head().await.expect("there is a head");
    let open = change(&world.store, run).await;
    let early = read(&world, start).await;
    assert!(early.runs.is_empty());
    open.commit().await.expect("nobody is in the way");
    assert_eq!(ids(&read(&world, early.next).await), [run]);
}
