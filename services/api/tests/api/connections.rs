//! Connections: kept alive by either side, given up when nobody is there, and replaced when they are old.

use std::{sync::atomic::Ordering, time::Duration};

use baton_api::Options;
use baton_proto::v1::{self as pb, jobs_service_client::JobsServiceClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use crate::{
    harness::{World, dormant},
    watch_runs::{run, start, submit},
};

fn connections(world: &World) -> usize {
    world.connections.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_old_connection_and_is_resumed_on_the_next() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await;
    let opened = world.runs().watch_runs(pb::WatchRunsRequest::default()).await;
    let mut watch = opened.expect("opened").into_inner();
    let mut cursor = start(&mut watch).await;
    let Options {
        connection_age,
        connection_grace,
        ..
    } = Options::default();
    let begun = Instant::now();
    while let Ok(Some(message)) = watch.message().await {
        cursor = message.cursor;
    }
    let age = begun.elapsed();
    assert!(
        age >= connection_age && age <= connection_age + 2 * connection_grace,
        "{age:?}"
    );
    let submitted = submit(&world, &hook).await;
    let request = pb::WatchRunsRequest {
        cursor,
        ..pb::WatchRunsRequest::default()
    };
    let mut resumed = world.runs().watch_runs(request).await.expect("opened").into_inner();
    assert_eq!(run(&mut resumed).await.0.id, submitted.id);
    assert_eq!(connections(&world), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_other_end_does_not_answer_is_closed() {
    let world = World::new().await;
    let mut silent = world.raw_connection();
    // The preface of a client and its settings, and then nothing: no ping is answered.
    silent
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .expect("open");
    silent.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("open");
    let begun = Instant::now();
    let mut told = Vec::new();
    let closed = timeout(Duration::from_secs(600), silent.read_to_end(&mut told)).await;
    closed.expect("it is closed").expect("and not broken");
    let options = Options::default();
    let limit = options.keepalive_interval + 2 * options.keepalive_timeout;
    assert!(begun.elapsed() <= limit, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_pings_are_answered() {
    let world = World::new().await;
    let pinging = world.connect(|endpoint| {
        endpoint
            .http2_keep_alive_interval(Duration::from_secs(5))
            .keep_alive_timeout(Duration::from_secs(2))
            .keep_alive_while_idle(true)
    });
    let mut jobs = JobsServiceClient::new(pinging);
    jobs.list_jobs(pb::ListJobsRequest::default()).await.expect("listed");
    let before = connections(&world);
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    jobs.list_jobs(pb::ListJobsRequest::default()).await.expect("listed");
    assert_eq!(connections(&world), before, "one connection, ten minutes long");
}
