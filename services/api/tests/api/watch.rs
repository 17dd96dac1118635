//! WatchPlanningContexts.

use std::time::Duration;

use baton_api::Options;
use baton_proto::v1::{self as pb, watch_planning_contexts_response::Event};
use tokio::time::Instant;
use tonic::{Code, Status, Streaming};

use crate::{
    harness::{World, mask, reason, violations},
    store::Mood,
};

type Watch = Streaming<pb::WatchPlanningContextsResponse>;

async fn open(world: &World, job_ids: &[&pb::Job]) -> Watch {
    let job_ids = job_ids.iter().map(|job| job.id.clone()).collect();
    let request = pb::WatchPlanningContextsRequest { job_ids };
    let opened = world.plans().watch_planning_contexts(request).await;
    opened.expect("opened").into_inner()
}

async fn next(watch: &mut Watch) -> Result<Event, Status> {
    let message = watch.message().await?.expect("the stream goes on");
    Ok(message.event.expect("an event"))
}

async fn context(watch: &mut Watch) -> pb::PlanningContext {
    match next(watch).await {
        Ok(Event::Context(context)) => context,
        other => panic!("not a context: {other:?}"),
    }
}

fn id(context: &pb::PlanningContext) -> String {
    context.job.as_ref().expect("a job").id.clone()
}

/// Changes the sale's signals.
async fn signal(world: &World, sale: &pb::FlashSale, value: f64) {
    let request = pb::UpdateFlashSaleRequest {
        flash_sale: Some(pb::FlashSale {
            id: sale.id.clone(),
            signals: [("orders".to_owned(), value)].into(),
            ..pb::FlashSale::default()
        }),
        update_mask: mask(&["signals"]),
    };
    world.sales().update_flash_sale(request).await.expect("written");
}

#[tokio::test]
async fn a_snapshot_first_and_then_what_changes() {
    let world = World::new().await;
    let job = world.job("shop").await;
    let sale = world.sale(&job).await;
    world.job("without a sale").await;
    let mut watch = open(&world, &[]).await;
    let shown = context(&mut watch).await;
    assert_eq!((id(&shown), shown.sales[0].changes.len()), (job.id.clone(), 1));
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
    signal(&world, &sale, 2.0).await;
    let changed = context(&mut watch).await;
    assert!(changed.context_revision > shown.context_revision);
    assert_eq!(
        changed.sales[0].flash_sale.as_ref().expect("a sale").signals["orders"],
        2.0
    );
    let paused = pb::PauseJobRequest { id: job.id.clone() };
    world.jobs().pause_job(paused).await.expect("paused");
    assert_eq!(
        next(&mut watch).await.expect("told"),
        Event::RemovedJobId(job.id.clone())
    );
    world
        .jobs()
        .resume_job(pb::ResumeJobRequest { id: job.id.clone() })
        .await
        .expect("resumed");
    assert_eq!(id(&context(&mut watch).await), job.id);
    world
        .jobs()
        .delete_job(pb::DeleteJobRequest { id: job.id.clone() })
        .await
        .expect("deleted");
    assert_eq!(next(&mut watch).await.expect("told"), Event::RemovedJobId(job.id));
}

#[tokio::test]
async fn an_empty_snapshot_ends_too() {
    let world = World::new().await;
    let mut watch = open(&world, &[]).await;
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
}

#[tokio::test]
async fn only_the_named_jobs_are_shown() {
    let world = World::new().await;
    let wanted = world.job("wanted").await;
    let other = world.job("other").await;
    let sale = world.sale(&wanted).await;
    let other_sale = world.sale(&other).await;
    let mut watch = open(&world, &[&wanted]).await;
    assert_eq!(id(&context(&mut watch).await), wanted.id);
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
    signal(&world, &other_sale, 2.0).await;
    signal(&world, &sale, 2.0).await;
    assert_eq!(id(&context(&mut watch).await), wanted.id);
    let request = pb::WatchPlanningContextsRequest {
        job_ids: vec![wanted.id, "x".to_owned(), String::new()],
    };
    let refused = world.plans().watch_planning_contexts(request).await;
    assert_eq!(violations(refused), ["job_ids[1]", "job_ids[2]"]);
}

#[tokio::test]
async fn a_reader_that_stays_behind_gets_the_newest_state_only() {
    let world = World::new().await;
    let job = world.job("shop").await;
    // Each context is far larger than what pipes and windows hold.
    for _ in 0..40 {
        let mut endpoint = crate::harness::dormant("large", Some(&job));
        endpoint.description = "d".repeat(4_000);
        world.endpoint(endpoint).await;
    }
    let sale = world.sale(&job).await;
    let mut watch = open(&world, &[]).await;
    context(&mut watch).await;
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
    for value in 0..200 {
        signal(&world, &sale, f64::from(value)).await;
    }
    let mut received = 0;
    loop {
        let changed = context(&mut watch).await;
        received += 1;
        if changed.sales[0].flash_sale.as_ref().expect("a sale").signals["orders"] == 199.0 {
            break;
        }
    }
    assert!(
        received < 100,
        "{received} of 200 states were kept for a reader that did not read"
    );
}

#[tokio::test(start_paused = true)]
async fn what_no_wake_tells_is_found_by_polling() {
    let world = World::new().await;
    let job = world.job("shop").await;
    let sale = world.sale(&job).await;
    world.mood.set(Mood::Deaf);
    let mut watch = open(&world, &[]).await;
    context(&mut watch).await;
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
    signal(&world, &sale, 2.0).await;
    let begun = Instant::now();
    assert_eq!(context(&mut watch).await.sales[0].changes.len(), 2);
    let waited = begun.elapsed();
    assert!(
        !waited.is_zero() && waited <= Options::default().watch_poll,
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out() {
    let world = World::new().await;
    let job = world.job("shop").await;
    let sale = world.sale(&job).await;
    let mut watch = open(&world, &[]).await;
    context(&mut watch).await;
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
    world.mood.set(Mood::Unavailable);
    let waiting = tokio::time::timeout(Duration::from_secs(60), watch.message()).await;
    assert!(waiting.is_err(), "the stream neither ends nor speaks: {waiting:?}");
    world.mood.set(Mood::Well);
    signal(&world, &sale, 3.0).await;
    assert_eq!(context(&mut watch).await.sales[0].changes.len(), 2);
}

#[tokio::test]
async fn a_store_that_is_broken_ends_the_stream_without_telling_why() {
    let world = World::new().await;
    let job = world.job("shop").await;
    let sale = world.sale(&job).await;
    let mut watch = open(&world, &[]).await;
    context(&mut watch).await;
    assert!(matches!(next(&mut watch).await, Ok(Event::SnapshotEnd(_))));
    // The wake of this change finds the store broken, or the poll does.
    signal(&world, &sale, 2.0).await;
    context(&mut watch).await;
    world.mood.set(Mood::Broken);
    tokio::time::pause();
    let ended = next(&mut watch).await;
    assert!(!ended.as_ref().expect_err("ended").message().contains("secret"));
    assert_eq!(reason(ended, Code::Internal), "INTERNAL");
}
