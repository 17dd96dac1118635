//! What happens around every call: deadlines, panics, shedding, sizes, and messages that are none.

use std::{sync::atomic::Ordering, time::Duration};

use baton_api::Options;
use baton_proto::v1 as pb;
use futures_util::future::{Either, select};
use tokio::time::Instant;
use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::{
    harness::{UNKNOWN, World, reason, violations},
    store::Mood,
};

fn get() -> pb::GetJobRequest {
    pb::GetJobRequest { id: UNKNOWN.to_owned() }
}

/// Sends a ListJobsRequest to whatever path.
async fn send_to(world: &World, path: &'static str, message: pb::ListJobsRequest) -> Result<(), Status> {
    let mut client = Grpc::new(world.channel.clone());
    client.ready().await.expect("connected");
    let codec: ProstCodec<pb::ListJobsRequest, pb::Job> = ProstCodec::default();
    let sent = client.unary(Request::new(message), PathAndQuery::from_static(path), codec);
    sent.await.map(drop)
}

#[tokio::test(start_paused = true)]
async fn a_callers_deadline_is_kept_and_named() {
    let world = World::new().await;
    // Connects before the clock matters.
    assert_eq!(
        reason(world.jobs().get_job(get()).await, Code::NotFound),
        "JOB_NOT_FOUND"
    );
    world.mood.set(Mood::Stuck);
    for millis in [8, 20, 500, 5_000] {
        let mut request = Request::new(get());
        request.set_timeout(Duration::from_millis(millis));
        let begun = Instant::now();
        assert_eq!(
            reason(world.jobs().get_job(request).await, Code::DeadlineExceeded),
            "DEADLINE_EXCEEDED"
        );
        assert!(
            begun.elapsed() <= Duration::from_millis(millis),
            "{millis} ms took {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_deadline_has_the_servers() {
    let world = World::with(Options {
        deadline: Duration::from_secs(7),
        ..Options::default()
    })
    .await;
    world.mood.set(Mood::Stuck);
    let begun = Instant::now();
    assert_eq!(
        reason(world.jobs().get_job(get()).await, Code::DeadlineExceeded),
        "DEADLINE_EXCEEDED"
    );
    assert_eq!(begun.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_no_deadline_but_its_callers() {
    let world = World::new().await;
    let request = pb::WatchPlanningContextsRequest::default;
    let mut endless = world
        .plans()
        .watch_planning_contexts(request())
        .await
        .expect("opened")
        .into_inner();
    endless.message().await.expect("open").expect("the end of the snapshot");
    let silence = tokio::time::timeout(Duration::from_secs(600), endless.message()).await;
    assert!(silence.is_err(), "{silence:?}");
    let mut limited = Request::new(request());
    limited.set_timeout(Duration::from_secs(90));
    let mut limited = world
        .plans()
        .watch_planning_contexts(limited)
        .await
        .expect("opened")
        .into_inner();
    limited.message().await.expect("open").expect("the end of the snapshot");
    let begun = Instant::now();
    assert_eq!(
        reason(limited.message().await, Code::DeadlineExceeded),
        "DEADLINE_EXCEEDED"
    );
    assert!((89..=90).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_panic_costs_one_call_and_not_the_connection() {
    let world = World::new().await;
    let request = pb::WatchPlanningContextsRequest::default;
    let mut watch = world
        .plans()
        .watch_planning_contexts(request())
        .await
        .expect("opened")
        .into_inner();
    watch.message().await.expect("open").expect("the end of the snapshot");
    world.mood.set(Mood::Panics);
    assert_eq!(reason(world.jobs().get_job(get()).await, Code::Internal), "INTERNAL");
    // A stream that panics in its midst is ended properly too.
    tokio::time::pause();
    assert_eq!(reason(watch.message().await, Code::Internal), "INTERNAL");
    world.mood.set(Mood::Well);
    assert_eq!(
        reason(world.jobs().get_job(get()).await, Code::NotFound),
        "JOB_NOT_FOUND"
    );
    assert_eq!(world.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_beyond_the_limit_are_turned_away_at_once() {
    let world = World::with(Options {
        max_calls: 1,
        max_streams: 1,
        ..Options::default()
    })
    .await;
    let request = pb::WatchPlanningContextsRequest::default;
    // A stream takes no call's place.
    let mut watch = world
        .plans()
        .watch_planning_contexts(request())
        .await
        .expect("opened")
        .into_inner();
    watch.message().await.expect("open").expect("the end of the snapshot");
    world.mood.set(Mood::Stuck);
    let (mut one, mut other) = (world.jobs(), world.jobs());
    let calls = select(Box::pin(one.get_job(get())), Box::pin(other.get_job(get()))).await;
    let (Either::Left((turned_away, stuck)) | Either::Right((turned_away, stuck))) = calls;
    let details = turned_away
        .as_ref()
        .expect_err("one is one too many")
        .get_error_details();
    let retry = details.retry_info().expect("a RetryInfo");
    assert!(retry.retry_delay.is_some_and(|delay| !delay.is_zero()));
    assert_eq!(reason(turned_away, Code::ResourceExhausted), "OVERLOADED");
    let second = world.plans().watch_planning_contexts(request()).await;
    assert_eq!(reason(second.map(drop), Code::ResourceExhausted), "OVERLOADED");
    // Busy is not dead.
    let check = HealthCheckRequest::default();
    HealthClient::new(world.channel.clone())
        .check(check)
        .await
        .expect("health is answered");
    // The place of a call that its caller gave up is free again, and so is that of one that was answered.
    world.mood.set(Mood::Well);
    drop(stuck);
    for _ in 0..3 {
        let taken = tokio::time::timeout(Duration::from_secs(10), until_taken(&world));
        taken.await.expect("a place becomes free");
    }
}

/// Virtual time moves on when everything else has come to rest, calls within handlers included.
#[tokio::test(start_paused = true)]
async fn planners_wait_for_one_another_and_nobody_waits_for_them() {
    let world = World::new().await;
    let renew = || {
        let mut plans = world.plans();
        let request = pb::RenewPlanRequest {
            plan_id: UNKNOWN.to_owned(),
        };
        tokio::spawn(async move { plans.renew_plan(request).await })
    };
    world.mood.set(Mood::Stuck);
    let under_way = renew();
    tokio::time::sleep(Duration::from_millis(1)).await;
    world.mood.set(Mood::Well);
    let mut waiting: Vec<_> = (0..100).map(|_| renew()).collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(
        reason(world.jobs().get_job(get()).await, Code::NotFound),
        "JOB_NOT_FOUND"
    );
    // So many may stand in the line of one credential.
    let full: Vec<_> = waiting.extract_if(.., |call| call.is_finished()).collect();
    assert_eq!((waiting.len(), full.len()), (64, 36));
    for refused in full {
        let refused = refused.await.expect("no panic");
        let retry = refused.as_ref().expect_err("full").get_error_details();
        assert!(retry.retry_info().is_some_and(|retry| retry.retry_delay.is_some()));
        assert_eq!(reason(refused, Code::ResourceExhausted), "OVERLOADED");
    }
    under_way.abort();
    for call in waiting {
        let answered = call.await.expect("no panic");
        assert_eq!(reason(answered, Code::NotFound), "PLAN_NOT_FOUND");
    }
}

/// Calls until the server has a place again, which it learns of a moment after the call before has ended.
async fn until_taken(world: &World) {
    while let Err(status) = world.jobs().list_jobs(pb::ListJobsRequest::default()).await {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn messages_that_are_too_large_are_refused() {
    let world = World::new().await;
    let request = pb::CreateJobRequest {
        name: "x".to_owned(),
        description: "d".repeat(5 * 1_024 * 1_024),
        ..pb::CreateJobRequest::default()
    };
    assert_eq!(
        reason(world.jobs().create_job(request).await, Code::ResourceExhausted),
        "MESSAGE_TOO_LARGE"
    );
}

#[tokio::test]
async fn what_cannot_be_decoded_is_the_callers_mistake() {
    let world = World::new().await;
    // A number where a name belongs.
    let number = pb::ListJobsRequest {
        page_size: 5,
        ..pb::ListJobsRequest::default()
    };
    let refused = send_to(&world, "/baton.v1.JobsService/CreateJob", number).await;
    assert_eq!(reason(refused, Code::InvalidArgument), "MALFORMED_REQUEST");
}

#[tokio::test]
async fn methods_and_services_that_do_not_exist_are_named_as_such() {
    let world = World::new().await;
    for path in [
        "/baton.v1.JobsService/Nonsense",
        "/baton.v1.Nonsense/GetJob",
        "/nonsense",
    ] {
        let refused = send_to(&world, path, pb::ListJobsRequest::default()).await;
        assert_eq!(reason(refused, Code::Unimplemented), "UNIMPLEMENTED", "{path}");
    }
}

#[tokio::test]
async fn an_outage_is_unavailable_and_says_when_to_try_again() {
    let world = World::new().await;
    let rows = [
        (Mood::Unavailable, Code::Unavailable, "DATABASE_UNAVAILABLE"),
        (Mood::Broken, Code::Internal, "INTERNAL"),
    ];
    for (mood, code, expected) in rows {
        world.mood.set(mood);
        let refused = world.jobs().get_job(get()).await;
        let status = refused.as_ref().expect_err("refused");
        assert!(!status.message().contains("10.1.2.3") && !status.message().contains("secret"));
        assert_eq!(reason(refused, code), expected);
    }
}

/// A status travels in headers, and gRPC's core takes 8 KiB of them. Found by the fuzz test: a signal's name of 8 KiB came
/// back in its violation, and the caller saw a broken connection.
#[tokio::test]
async fn a_refusal_with_much_to_tell_still_arrives() {
    let world = World::new().await;
    let odd_names = ["界", "ß", "x"].map(|letter| (letter.repeat(8_000), f64::NAN));
    let sale = pb::CreateFlashSaleRequest {
        flash_sale: Some(pb::FlashSale {
            signals: odd_names.into(),
            ..pb::FlashSale::default()
        }),
        ..pb::CreateFlashSaleRequest::default()
    };
    let wrong_name = world.sales().create_flash_sale(sale).await.expect_err("refused");
    let steps = vec![pb::PlanStep::default(); 500];
    let many_steps = pb::SubmitPlanRequest {
        steps,
        ..pb::SubmitPlanRequest::default()
    };
    let many_steps = world.plans().submit_plan(many_steps).await.expect_err("refused");
    for refused in [wrong_name, many_steps] {
        let in_headers = refused.details().len() * 4 / 3 + refused.message().len() * 3;
        assert!(in_headers < 7_900, "{in_headers} bytes");
        assert!(violations(Err::<(), _>(refused)).len() > 1);
    }
}
