//! RunsService.

use std::time::Duration;

use baton_domain::ids::UserId;
use baton_proto::v1 as pb;
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::harness::{UNKNOWN, World, dormant, every, ok, once, reason, violations};

async fn submit(world: &World, request: pb::SubmitRunRequest) -> Result<pb::Run, Status> {
    world.runs().submit_run(request).await.map(tonic::Response::into_inner)
}

async fn list(world: &World, request: pb::ListRunsRequest) -> Result<Vec<pb::Run>, Status> {
    world
        .runs()
        .list_runs(request)
        .await
        .map(|answer| answer.into_inner().runs)
}

fn now(endpoint: &pb::Endpoint) -> pb::SubmitRunRequest {
    pb::SubmitRunRequest {
        endpoint_id: endpoint.id.clone(),
        ..pb::SubmitRunRequest::default()
    }
}

#[tokio::test]
async fn a_submitted_run_is_manual_and_shows_its_outcome() {
    let world = World::new().await;
    let job = world.job("job").await;
    let endpoint = world.endpoint(dormant("hook", Some(&job))).await;
    let run = submit(&world, now(&endpoint)).await.expect("submitted");
    assert_eq!(
        (run.status(), run.source.as_str(), run.cause()),
        (pb::RunStatus::Planned, "manual", pb::Cause::Manual)
    );
    assert_eq!(
        (run.planned_time, run.job_id.as_ref()),
        (Some(world.now()), Some(&job.id))
    );
    assert_eq!(world.run_due(&ok()).await, 1);
    let request = pb::GetRunRequest { id: run.id.clone() };
    let over = world.runs().get_run(request).await.expect("found").into_inner();
    assert_eq!(
        (over.status(), over.status_code, over.attempt),
        (pb::RunStatus::Succeeded, Some(200), 1)
    );
    assert_eq!(
        (over.response.as_slice(), over.response_truncated),
        (&b"done"[..], false)
    );
    assert!(over.start_time.is_some() && over.finish_time.is_some());
}

#[tokio::test]
async fn a_test_of_an_endpoint_is_one_run_of_that_source() {
    let world = World::new().await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let request = pb::TestEndpointRequest {
        endpoint_id: endpoint.id.clone(),
        request_id: "once".to_owned(),
    };
    let run = world
        .runs()
        .test_endpoint(request.clone())
        .await
        .expect("queued")
        .into_inner();
    assert_eq!((run.source.as_str(), run.cause()), ("test", pb::Cause::Test));
    let again = world
        .runs()
        .test_endpoint(request)
        .await
        .expect("the same again")
        .into_inner();
    assert_eq!(again.id, run.id);
    assert_eq!(world.run_due(&ok()).await, 1);

    for (id, code) in [(UNKNOWN, Code::NotFound), ("nonsense", Code::InvalidArgument)] {
        let request = pb::TestEndpointRequest {
            endpoint_id: id.to_owned(),
            request_id: String::new(),
        };
        assert_eq!(world.runs().test_endpoint(request).await.expect_err(id).code(), code);
    }
}

#[tokio::test]
async fn runs_are_filtered_by_everything() {
    let world = World::new().await;
    let job = world.job("job").await;
    let regular = world.endpoint(every(60, Some(&job))).await;
    let hook = world.endpoint(dormant("hook", None)).await;
    submit(&world, now(&hook)).await.expect("submitted");
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.run_due(&ok()).await, 2);
    let count = async |request: pb::ListRunsRequest| list(&world, request).await.expect("listed").len();
    let all = pb::ListRunsRequest::default;
    // Two over, and the next of the regular one.
    assert_eq!(count(all()).await, 3);
    assert_eq!(
        count(pb::ListRunsRequest {
            job_id: Some(job.id.clone()),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(pb::ListRunsRequest {
            endpoint_id: Some(hook.id.clone()),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        count(pb::ListRunsRequest {
            source: Some("baseline".to_owned()),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(pb::ListRunsRequest {
            source: Some("ai-hint".to_owned()),
            ..all()
        })
        .await,
        0
    );
    let statuses = vec![pb::RunStatus::Succeeded.into()];
    assert_eq!(count(pb::ListRunsRequest { statuses, ..all() }).await, 2);
    assert_eq!(
        count(pb::ListRunsRequest {
            plan_id: Some(UNKNOWN.to_owned()),
            ..all()
        })
        .await,
        0
    );
    assert_eq!(
        count(pb::ListRunsRequest {
            from_time: Some(world.now()),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        count(pb::ListRunsRequest {
            to_time: Some(world.now()),
            ..all()
        })
        .await,
        1
    );
    let newest = list(&world, all()).await.expect("listed");
    assert!(newest.is_sorted_by(|one, next| one.id > next.id), "newest first");
    assert_eq!(newest[0].endpoint_id, regular.id);
}

#[tokio::test]
async fn every_mistake_of_a_list_is_told_at_once() {
    let world = World::new().await;
    let request = pb::ListRunsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        job_id: Some("1".to_owned()),
        endpoint_id: Some("2".to_owned()),
        source: Some("AI HINT".to_owned()),
        statuses: vec![pb::RunStatus::Failed.into(), 0, 99],
        plan_id: Some(String::new()),
        from_time: Some(Timestamp {
            seconds: i64::MIN,
            nanos: 0,
        }),
        to_time: Some(Timestamp {
            seconds: 0,
            nanos: i32::MAX,
        }),
    };
    let expected = [
        "endpoint_id",
        "from_time",
        "job_id",
        "page_size",
        "page_token",
        "plan_id",
        "source",
        "statuses[1]",
        "statuses[2]",
        "to_time",
    ];
    assert_eq!(violations(list(&world, request).await), expected);
}

#[tokio::test]
async fn every_mistake_of_a_submission_is_told_at_once() {
    let world = World::new().await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let request = |endpoint_id: &str, planned_time, request_id: &str| pb::SubmitRunRequest {
        endpoint_id: endpoint_id.to_owned(),
        planned_time: Some(planned_time),
        request_id: request_id.to_owned(),
    };
    let far = world.in_seconds(31 * 86_400);
    let found = violations(submit(&world, request("x", far, &"r".repeat(129))).await);
    assert_eq!(found, ["endpoint_id", "planned_time", "request_id"]);
    assert_eq!(
        violations(submit(&world, request(&endpoint.id, far, "")).await),
        ["planned_time"]
    );
    let garbage = Timestamp { seconds: 0, nanos: -1 };
    assert_eq!(
        violations(submit(&world, request(&endpoint.id, garbage, "")).await),
        ["planned_time"]
    );
    assert!(
        list(&world, pb::ListRunsRequest::default())
            .await
            .expect("listed")
            .is_empty()
    );
}

#[tokio::test]
async fn a_repeated_submission_is_one_run() {
    let world = World::new().await;
    let endpoint = world.endpoint(dormant("hook", None)).await;
    let request = || pb::SubmitRunRequest {
        request_id: "once".to_owned(),
        ..now(&endpoint)
    };
    let first = submit(&world, request()).await.expect("submitted");
    assert_eq!(world.run_due(&ok()).await, 1);
    // Its answer is the run as it is by now.
    let second = submit(&world, request()).await.expect("answered");
    assert_eq!((second.status(), second.id), (pb::RunStatus::Succeeded, first.id));
    let other = pb::SubmitRunRequest {
        planned_time: Some(world.in_seconds(60)),
        ..request()
    };
    assert_eq!(
        reason(submit(&world, other).await, Code::InvalidArgument),
        "REQUEST_ID_REUSED"
    );
    assert_eq!(
        list(&world, pb::ListRunsRequest::default())
            .await
            .expect("listed")
            .len(),
        1
    );
}

#[tokio::test]
async fn waiting_runs_can_be_cancelled_and_others_not() {
    let world = World::new().await;
    let endpoint = world.endpoint(every(60, None)).await;
    let waiting = pb::SubmitRunRequest {
        planned_time: Some(world.in_seconds(600)),
        ..now(&endpoint)
    };
    let run = submit(&world, waiting).await.expect("submitted");
    let cancel = async |id: &str| {
        let request = pb::CancelRunRequest { id: id.to_owned() };
        world.runs().cancel_run(request).await.map(tonic::Response::into_inner)
    };
    let cancelled = cancel(&run.id).await.expect("cancelled");
    assert_eq!(
        (cancelled.status(), cancelled.reason.as_str()),
        (pb::RunStatus::Cancelled, "cancelled")
    );
    assert_eq!(reason(cancel(&run.id).await, Code::FailedPrecondition), "RUN_STATE");
    let planned = list(&world, pb::ListRunsRequest::default()).await.expect("listed");
    let own = planned
        .iter()
        .find(|run| run.source == "baseline")
        .expect("the next one");
    assert_eq!(reason(cancel(&own.id).await, Code::FailedPrecondition), "RUN_STATE");
    assert_eq!(violations(cancel("x").await), ["id"]);
}

#[tokio::test]
async fn archived_endpoints_take_no_runs_and_paused_ones_do() {
    let world = World::new().await;
    let endpoint = world.endpoint(every(60, None)).await;
    let id = || endpoint.id.clone();
    let pause = pb::PauseEndpointRequest { id: id(), until: None };
    world.jobs().pause_endpoint(pause).await.expect("paused");
    submit(&world, now(&endpoint))
        .await
        .expect("a paused endpoint takes manual runs");
    world
        .jobs()
        .archive_endpoint(pb::ArchiveEndpointRequest { id: id() })
        .await
        .expect("archived");
    assert_eq!(
        reason(submit(&world, now(&endpoint)).await, Code::FailedPrecondition),
        "ARCHIVED"
    );
}

#[tokio::test]
async fn somebody_elses_endpoints_and_runs_are_unknown() {
    let world = World::new().await;
    let bob = UserId("bob".to_owned());
    let draft = baton_domain::services::EndpointDraft {
        name: "theirs".to_owned(),
        method: "GET".to_owned(),
        url: "https://shop.example/".to_owned(),
        ..Default::default()
    };
    let made = world
        .services
        .create_endpoint(&bob, None, &draft, &once())
        .await
        .expect("created");
    let wanted = baton_domain::services::RunRequest {
        endpoint_id: made.endpoint.id,
        purpose: baton_domain::services::Purpose::Work,
        planned_at: None,
        trace_parent: None,
    };
    let theirs = world
        .services
        .submit_run(&bob, wanted, &once())
        .await
        .expect("submitted");
    let mut told = Vec::new();
    for (endpoint, run) in [
        (made.endpoint.id.to_string(), theirs.id.to_string()),
        (UNKNOWN.into(), UNKNOWN.into()),
    ] {
        let submitted = submit(
            &world,
            pb::SubmitRunRequest {
                endpoint_id: endpoint,
                ..Default::default()
            },
        )
        .await;
        let read = world.runs().get_run(pb::GetRunRequest { id: run.clone() }).await;
        let cancelled = world.runs().cancel_run(pb::CancelRunRequest { id: run }).await;
        let texts = [
            submitted.as_ref().map(drop).expect_err("unknown").message().to_owned(),
            read.as_ref().map(drop).expect_err("unknown").message().to_owned(),
            cancelled.as_ref().map(drop).expect_err("unknown").message().to_owned(),
        ];
        told.push(texts);
        assert_eq!(reason(submitted, Code::NotFound), "ENDPOINT_NOT_FOUND");
        assert_eq!(reason(read, Code::NotFound), "RUN_NOT_FOUND");
        assert_eq!(reason(cancelled, Code::NotFound), "RUN_NOT_FOUND");
    }
    assert_eq!(told[0], told[1]);
    assert!(
        list(&world, pb::ListRunsRequest::default())
            .await
            .expect("listed")
            .is_empty()
    );
}
