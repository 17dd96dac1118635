//! WatchRuns.

use std::time::Duration;

use baton_api::FeedOptions;
use baton_proto::v1::{self as pb, watch_runs_response::Event};
use tonic::{Code, Status, Streaming};

use crate::{
    harness::{World, dormant, every, ok, reason, violations},
    store::Mood,
};

pub(crate) type Watch = Streaming<pb::WatchRunsResponse>;

pub(crate) async fn try_watch(world: &World, request: pb::WatchRunsRequest) -> Result<Watch, Status> {
    let opened = world.runs().watch_runs(request).await;
    opened.map(tonic::Response::into_inner)
}

async fn watch(world: &World, request: pb::WatchRunsRequest) -> Watch {
    try_watch(world, request).await.expect("opened")
}

fn from(cursor: &str) -> pb::WatchRunsRequest {
    pb::WatchRunsRequest {
        cursor: cursor.to_owned(),
        ..pb::WatchRunsRequest::default()
    }
}

/// The next message that is more than a sign of life.
pub(crate) async fn next(watch: &mut Watch) -> Result<(Event, String), Status> {
    loop {
        let message = watch.message().await?.expect("the stream goes on");
        match message.event.expect("an event") {
            Event::Progress(_) => {}
            event => return Ok((event, message.cursor)),
        }
    }
}

pub(crate) async fn run(watch: &mut Watch) -> (pb::Run, String) {
    match next(watch).await {
        Ok((Event::Run(run), cursor)) => (run, cursor),
        other => panic!("not a run: {other:?}"),
    }
}

/// The first message of a watch from now on.
pub(crate) async fn start(watch: &mut Watch) -> String {
    let first = watch.message().await.expect("well").expect("a first message");
    assert!(matches!(first.event, Some(Event::Progress(_))), "{first:?}");
    first.cursor
}

pub(crate) async fn submit(world: &World, endpoint: &pb::Endpoint) -> pb::Run {
    let request = pb::SubmitRunRequest {
        endpoint_id: endpoint.id.clone(),
        ..pb::SubmitRunRequest::default()
    };
    world.runs().submit_run(request).await.expect("submitted").into_inner()
}

#[tokio::test]
async fn a_run_is_told_of_until_its_end() {
    let world = World::new().await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let mut watch = watch(&world, pb::WatchRunsRequest::default()).await;
    start(&mut watch).await;
    let submitted = submit(&world, &endpoint).await;
    let (queued, _) = run(&mut watch).await;
    assert_eq!((&queued.id, queued.status()), (&submitted.id, pb::RunStatus::Planned));
    assert_eq!(world.run_due(&ok()).await, 1);
    let mut last = run(&mut watch).await.0;
    if last.status() == pb::RunStatus::Running {
        last = run(&mut watch).await.0;
    }
    assert_eq!((&last.id, last.status()), (&submitted.id, pb::RunStatus::Succeeded));
    assert_eq!(last.response, b"done", "it is the whole run");
}

#[tokio::test]
async fn only_what_the_filters_let_through_is_told() {
    let world = World::new().await;
    let job = world.job("job").await;
    let grouped = world.endpoint(dormant("grouped", Some(&job))).await;
    let single = world.endpoint(dormant("single", None)).await;
    let filters = [
        pb::WatchRunsRequest {
            job_id: Some(job.id.clone()),
            ..pb::WatchRunsRequest::default()
        },
        pb::WatchRunsRequest {
            endpoint_id: Some(grouped.id.clone()),
            source: Some("manual".to_owned()),
            statuses: vec![pb::RunStatus::Succeeded.into(), pb::RunStatus::Planned.into()],
            ..pb::WatchRunsRequest::default()
        },
    ];
    let mut watches = Vec::new();
    for filter in filters {
        let mut watch = watch(&world, filter).await;
        start(&mut watch).await;
        watches.push(watch);
    }
    submit(&world, &single).await;
    let wanted = submit(&world, &grouped).await;
    for watch in &mut watches {
        let (told, _) = run(watch).await;
        assert_eq!((&told.id, told.status()), (&wanted.id, pb::RunStatus::Planned));
    }
    let planned_by_a_plan = pb::WatchRunsRequest {
        plan_id: Some(wanted.id),
        statuses: vec![0],
        source: Some("AI HINT".to_owned()),
        endpoint_id: Some("x".to_owned()),
        cursor: "garbage".to_owned(),
        snapshot: true,
        job_id: Some(String::new()),
    };
    let wrong = violations(try_watch(&world, planned_by_a_plan).await.map(drop));
    assert_eq!(
        wrong,
        ["cursor", "endpoint_id", "job_id", "snapshot", "source", "statuses[0]"]
    );
}

#[tokio::test]
async fn a_watch_is_resumed_from_any_cursor_without_gap_or_repeat() {
    let world = World::new().await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let mut first = watch(&world, pb::WatchRunsRequest::default()).await;
    let begin = start(&mut first).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let submitted = submit(&world, &endpoint).await;
        let (told, cursor) = run(&mut first).await;
        assert_eq!(told.id, submitted.id);
        seen.push((told.id, cursor));
    }
    for (position, (_, cursor)) in seen.iter().enumerate() {
        let mut resumed = watch(&world, from(cursor)).await;
        for (id, expected) in &seen[position + 1..] {
            let (told, cursor) = run(&mut resumed).await;
            assert_eq!((&told.id, &cursor), (id, expected), "from {position} on");
        }
        drop(resumed);
    }
    let mut resumed = watch(&world, from(&begin)).await;
    assert_eq!(run(&mut resumed).await.0.id, seen[0].0);
}

#[tokio::test]
async fn a_snapshot_first_and_then_what_changes() {
    let world = World::new().await;
    let endpoint = world.endpoint(every(60, None)).await;
    let waiting = submit(&world, &endpoint).await;
    let request = || pb::WatchRunsRequest {
        snapshot: true,
        ..pb::WatchRunsRequest::default()
    };
    let mut watch_first = watch(&world, request()).await;
    let message = watch_first.message().await.expect("well").expect("a run");
    let Some(Event::Run(shown)) = message.event else {
        panic!("not a run: {message:?}");
    };
    assert_eq!((&shown.id, message.cursor.as_str()), (&waiting.id, ""));
    let (end, cursor) = next(&mut watch_first).await.expect("well");
    assert!(matches!(end, Event::SnapshotEnd(_)) && !cursor.is_empty());
    let later = submit(&world, &endpoint).await;
    assert_eq!(run(&mut watch_first).await.0.id, later.id, "nothing is repeated");
    let mut resumed = watch(&world, from(&cursor)).await;
    assert_eq!(run(&mut resumed).await.0.id, later.id);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_with_a_fresh_cursor() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await;
    let request = pb::WatchRunsRequest {
        source: Some("ai-hint".to_owned()),
        ..pb::WatchRunsRequest::default()
    };
    let mut watch = watch(&world, request).await;
    let begin = start(&mut watch).await;
    submit(&world, &hook).await;
    let heard = tokio::time::Instant::now();
    let progress = watch.message().await.expect("well").expect("a sign of life");
    assert!(matches!(progress.event, Some(Event::Progress(_))));
    assert!(heard.elapsed() <= FeedOptions::default().heartbeat);
    assert_ne!(progress.cursor, begin, "it has gone past what the filter kept back");
}

#[tokio::test(start_paused = true)]
async fn what_no_wake_tells_is_found_by_polling() {
    let world = World::new().await;
    world.mood.set(Mood::Deaf);
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let mut watch = watch(&world, pb::WatchRunsRequest::default()).await;
    start(&mut watch).await;
    let submitted = submit(&world, &endpoint).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(run(&mut watch).await.0.id, submitted.id);
    assert!(begun.elapsed() <= FeedOptions::default().poll);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out() {
    let world = World::new().await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let mut watch = watch(&world, pb::WatchRunsRequest::default()).await;
    let cursor = start(&mut watch).await;
    world.mood.set(Mood::Unavailable);
    let away = try_watch(&world, from(&cursor)).await;
    assert_eq!(reason(away.map(drop), Code::Unavailable), "DATABASE_UNAVAILABLE");
    let quiet = tokio::time::timeout(Duration::from_secs(10), next(&mut watch)).await;
    assert!(quiet.is_err(), "{quiet:?}");
    world.mood.set(Mood::Well);
    let submitted = submit(&world, &endpoint).await;
    assert_eq!(run(&mut watch).await.0.id, submitted.id);
}

#[tokio::test]
async fn a_cursor_that_is_too_old_or_of_elsewhere_is_refused() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let elsewhere = World::new().await;
    let hook = elsewhere.endpoint(dormant("hook", None)).await;
    for _ in 0..20 {
        submit(&elsewhere, &hook).await;
    }
    let mut there = watch(&elsewhere, pb::WatchRunsRequest::default()).await;
    let ahead = start(&mut there).await;
    let world = World::new().await;
    assert_eq!(
        reason(
            try_watch(&world, from(&ahead)).await.map(drop),
            Code::FailedPrecondition
        ),
        "CURSOR_AHEAD"
    );
    let mut changed = URL_SAFE_NO_PAD.decode(&ahead).expect("base64");
    changed[7] ^= 1;
    let changed = try_watch(&world, from(&URL_SAFE_NO_PAD.encode(changed))).await;
    assert_eq!(violations(changed.map(drop)), ["cursor"]);

    let endpoint = world.endpoint(dormant("hook", None)).await;
    let mut here = watch(&world, pb::WatchRunsRequest::default()).await;
    let begin = start(&mut here).await;
    submit(&world, &endpoint).await;
    assert_eq!(world.run_due(&ok()).await, 1);
    world.clock.advance(Duration::from_secs(40 * 86_400));
    let kept = baton_domain::limits::RETENTION_MIN;
    world.services.retain(kept).await.expect("pruned");
    assert_eq!(
        reason(
            try_watch(&world, from(&begin)).await.map(drop),
            Code::FailedPrecondition
        ),
        "CURSOR_EXPIRED"
    );
}
