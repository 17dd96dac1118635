//! SQLite's log is moved into the file beside those who write, and written over.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    call::CallOutcome,
    fixtures::{SeededChance, TestClock, contract::World},
    schedule::Settled,
    services::{Claim, EndpointDraft},
};
use baton_store::sqlite::queue::SqliteQueue;
use sea_orm::sqlx::{self, Connection as _, SqliteConnection};

use crate::{
    databases::{Folder, sqlite_store},
    polling::no_key,
};

const HOUR: Duration = Duration::from_secs(3_600);
const MIB: usize = 1024 * 1024;

/// One run whose answer takes a MiB of the log.
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
        response: vec![b'x'; MIB],
        ..CallOutcome::default()
    });
    let settled = world.queue.finish_runs(&[report]).await.expect("the report is taken");
    assert_eq!(settled, [Settled::Succeeded]);
}

#[tokio::test]
async fn a_log_is_written_over_though_writers_never_rest_and_a_reader_has_kept_it_for_a_while() {
    let (clock, folder) = (Arc::new(TestClock::at(World::start())), Folder::new());
    let (store, hot) = sqlite_store(&folder, &clock).await;
    let queue = SqliteQueue::new(hot, store.clone(), Arc::new(SeededChance::new(1)));
    let path = folder.file();
    let world = World::new(store, Arc::new(queue), clock, folder);
    let hourly = EndpointDraft {
        name: "hook".to_owned(),
        method: "POST".to_owned(),
        url: "http://shop.example/".to_owned(),
        interval: Some(HOUR),
        ..EndpointDraft::default()
    };
    let created = world
        .services
        .create_endpoint(&world.user, None, &hourly, &no_key())
        .await;
    created.expect("the endpoint is created");
    let mut reader = SqliteConnection::connect(&format!("sqlite://{}", path.display()))
        .await
        .expect("the file is there");
    let count = "SELECT count(*) FROM run_history";

    let mut snapshot = reader.begin().await.unwrap();
    let before: i64 = sqlx::query_scalar(count).fetch_one(&mut *snapshot).await.unwrap();
    for _ in 0..50 {
        run_once(&world).await;
    }
    let still: i64 = sqlx::query_scalar(count).fetch_one(&mut *snapshot).await.unwrap();
    assert_eq!((before, still), (0, 0), "a reader sees one state");
    snapshot.rollback().await.unwrap();
    for _ in 0..150 {
        run_once(&world).await;
    }

    let log = path.with_file_name(format!("{}-wal", path.file_name().unwrap().display()));
    let log = std::fs::metadata(log).expect("the log is there").len();
    assert!(log < 128 * MIB as u64, "200 MiB were logged, and {log} bytes kept");
    let after: i64 = sqlx::query_scalar(count).fetch_one(&mut reader).await.unwrap();
    assert_eq!(after, 200);
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut reader)
        .await
        .unwrap();
    assert_eq!(sound, "ok");
}
