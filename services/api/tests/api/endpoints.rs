//! JobsService, the endpoints half.

use baton_proto::v1::{self as pb, endpoint::Baseline};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::harness::{World, dormant, every, mask, reason, seconds_long, violations};

async fn update(world: &World, endpoint: pb::Endpoint, paths: &[&str]) -> Result<pb::Endpoint, Status> {
    let request = pb::UpdateEndpointRequest {
        endpoint: Some(endpoint),
        update_mask: mask(paths),
    };
    world
        .jobs()
        .update_endpoint(request)
        .await
        .map(tonic::Response::into_inner)
}

async fn get(world: &World, id: &str) -> pb::Endpoint {
    let request = pb::GetEndpointRequest { id: id.to_owned() };
    world.jobs().get_endpoint(request).await.expect("found").into_inner()
}

#[tokio::test]
async fn everything_that_is_written_is_read_back() {
    let world = World::new().await;
    let job = world.job("job").await;
    let written = pb::Endpoint {
        name: "sync".to_owned(),
        description: "copies the stock".to_owned(),
        job_id: Some(job.id.clone()),
        request: Some(pb::HttpRequest {
            method: "PUT".to_owned(),
            url: "https://shop.example/stock?x=1".to_owned(),
            headers: vec![pb::Header {
                name: "x-key".to_owned(),
                value: "secret".to_owned(),
            }],
            body: Some(b"0".to_vec()),
        }),
        baseline: Some(Baseline::Cron(pb::CronSchedule {
            expression: "0 12 * * 1-5".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        })),
        min_interval: Some(prost_types::Duration {
            seconds: 0,
            nanos: 333_000_000,
        }),
        max_interval: Some(seconds_long(86_400)),
        cooldown: Some(seconds_long(900)),
        timeout: Some(seconds_long(2)),
        retry: Some(pb::RetryPolicy {
            max_attempts: 7,
            base_delay: Some(seconds_long(2)),
            max_delay: Some(seconds_long(90)),
        }),
        max_response_bytes: Some(0),
        overlap: pb::OverlapPolicy::Allow.into(),
        max_concurrency: Some(100),
        pause: Some(pb::Pause {
            until: Some(world.in_seconds(60)),
        }),
        ..pb::Endpoint::default()
    };
    let made = world.endpoint(written.clone()).await;
    assert_eq!(made.status(), pb::EndpointStatus::Active);
    let next = made.next_run.clone().expect("a cron has a next time");
    assert_eq!((next.source.as_str(), next.cause()), ("baseline", pb::Cause::Cron));
    let owned = pb::Endpoint {
        id: String::new(),
        status: 0,
        next_run: None,
        create_time: None,
        update_time: None,
        etag: String::new(),
        ..made.clone()
    };
    assert_eq!(owned, written);
    assert_eq!(get(&world, &made.id).await, made);
}

#[tokio::test]
async fn defaults_are_shown_and_an_empty_job_is_none() {
    let world = World::new().await;
    let mut endpoint = dormant("plain", None);
    endpoint.job_id = Some(String::new());
    let made = world.endpoint(endpoint).await;
    assert_eq!((made.overlap(), made.max_concurrency), (pb::OverlapPolicy::Skip, None));
    assert_eq!((made.job_id, made.baseline, made.next_run), (None, None, None));
    assert_eq!(
        (made.min_interval, made.timeout),
        (Some(seconds_long(1)), Some(seconds_long(30)))
    );
    assert_eq!((made.max_response_bytes, made.cooldown), (Some(64 * 1_024), None));
    assert_eq!(made.retry.map(|retry| retry.max_attempts), Some(3));
}

#[tokio::test]
async fn every_mistake_of_a_create_is_told_at_once() {
    let world = World::new().await;
    let endpoint = pb::Endpoint {
        name: String::new(),
        job_id: Some("mine".to_owned()),
        request: Some(pb::HttpRequest {
            method: "BREW".to_owned(),
            url: "ftp://shop.example".to_owned(),
            headers: vec![pb::Header {
                name: "Host".to_owned(),
                value: "x".to_owned(),
            }],
            body: None,
        }),
        baseline: Some(Baseline::Cron(pb::CronSchedule {
            expression: "61 * * * *".to_owned(),
            time_zone: "Mars/Olympus".to_owned(),
        })),
        min_interval: Some(seconds_long(-1)),
        max_interval: Some(prost_types::Duration {
            seconds: i64::MAX,
            nanos: 0,
        }),
        cooldown: Some(prost_types::Duration { seconds: 1, nanos: -1 }),
        timeout: Some(seconds_long(100_000)),
        retry: Some(pb::RetryPolicy {
            max_attempts: -1,
            base_delay: Some(seconds_long(-5)),
            max_delay: Some(seconds_long(7_200)),
        }),
        max_response_bytes: Some(-1),
        overlap: 9,
        max_concurrency: Some(101),
        pause: Some(pb::Pause {
            until: Some(Timestamp { seconds: 0, nanos: -1 }),
        }),
        ..pb::Endpoint::default()
    };
    let request = pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        request_id: "r".repeat(129),
    };
    let found = violations(world.jobs().create_endpoint(request).await);
    let expected = [
        "endpoint.cooldown",
        "endpoint.cron.expression",
        "endpoint.cron.time_zone",
        "endpoint.job_id",
        "endpoint.max_concurrency",
        "endpoint.max_concurrency",
        "endpoint.max_interval",
        "endpoint.max_response_bytes",
        "endpoint.min_interval",
        "endpoint.name",
        "endpoint.overlap",
        "endpoint.pause.until",
        "endpoint.request.headers[0]",
        "endpoint.request.method",
        "endpoint.request.url",
        "endpoint.retry.base_delay",
        "endpoint.retry.max_attempts",
        "endpoint.retry.max_delay",
        "endpoint.timeout",
        "request_id",
    ];
    assert_eq!(found, expected);
    let listed = world.jobs().list_endpoints(pb::ListEndpointsRequest::default()).await;
    assert!(
        listed.expect("listed").into_inner().endpoints.is_empty(),
        "nothing was written"
    );
}

#[tokio::test]
async fn what_is_missing_is_named_once() {
    let world = World::new().await;
    let request = pb::CreateEndpointRequest {
        endpoint: Some(pb::Endpoint {
            name: "no request".to_owned(),
            ..pb::Endpoint::default()
        }),
        ..pb::CreateEndpointRequest::default()
    };
    assert_eq!(
        violations(world.jobs().create_endpoint(request).await),
        ["endpoint.request"]
    );
    let nothing = world.jobs().create_endpoint(pb::CreateEndpointRequest::default()).await;
    assert_eq!(violations(nothing), ["endpoint", "endpoint.name", "endpoint.request"]);
    let nothing = world.jobs().update_endpoint(pb::UpdateEndpointRequest::default()).await;
    assert_eq!(violations(nothing), ["endpoint"]);
}

#[tokio::test]
async fn a_mask_unsets_what_it_names_and_leaves_the_rest() {
    let world = World::new().await;
    let made = world
        .endpoint(pb::Endpoint {
            cooldown: Some(seconds_long(10)),
            max_interval: Some(seconds_long(600)),
            description: "words".to_owned(),
            ..every(60, None)
        })
        .await;
    let blank = || pb::Endpoint {
        id: made.id.clone(),
        ..pb::Endpoint::default()
    };
    let written = update(&world, blank(), &["cooldown", "interval"])
        .await
        .expect("written");
    assert_eq!(
        (written.cooldown, written.baseline, written.next_run),
        (None, None, None)
    );
    assert_eq!(
        (written.max_interval, written.description.as_str()),
        (Some(seconds_long(600)), "words")
    );
    let cron = pb::Endpoint {
        baseline: Some(Baseline::Cron(pb::CronSchedule {
            expression: "* * * * *".to_owned(),
            time_zone: String::new(),
        })),
        name: "ignored".to_owned(),
        ..blank()
    };
    let written = update(&world, cron, &["cron"]).await.expect("written");
    assert!(matches!(written.baseline, Some(Baseline::Cron(_))));
    assert_eq!(written.name, "regular");
    // Without a mask, what is present is written and nothing is unset.
    let named = pb::Endpoint {
        name: "renamed".to_owned(),
        ..blank()
    };
    let written = update(&world, named, &[]).await.expect("written");
    assert_eq!(
        (written.name.as_str(), written.max_interval),
        ("renamed", Some(seconds_long(600)))
    );
    assert!(matches!(written.baseline, Some(Baseline::Cron(_))));
}

#[tokio::test]
async fn the_overlap_policy_is_written_with_its_number() {
    use pb::OverlapPolicy::{Allow, Queue, Skip};

    let world = World::new().await;
    let made = world.endpoint(every(60, None)).await;
    let with = |overlap: pb::OverlapPolicy, most| pb::Endpoint {
        id: made.id.clone(),
        overlap: overlap.into(),
        max_concurrency: most,
        ..pb::Endpoint::default()
    };
    let policy = |endpoint: pb::Endpoint| (endpoint.overlap(), endpoint.max_concurrency);
    let written = update(&world, with(Allow, None), &["overlap"]).await.expect("written");
    assert_eq!(policy(written), (Allow, Some(10)), "the default");
    let written = update(&world, with(Skip, Some(3)), &["max_concurrency"]).await;
    assert_eq!(
        policy(written.expect("written")),
        (Allow, Some(3)),
        "the policy is not named"
    );
    let refused = update(&world, with(Queue, Some(3)), &[]).await;
    assert_eq!(violations(refused), ["endpoint.max_concurrency"]);
    let written = update(&world, with(Queue, None), &["overlap"]).await.expect("written");
    assert_eq!(policy(written), (Queue, None), "the number goes with the policy");
    let blank = pb::Endpoint {
        id: made.id.clone(),
        ..pb::Endpoint::default()
    };
    let written = update(&world, blank, &["overlap"]).await.expect("written");
    assert_eq!(policy(written), (Skip, None), "unset is the default");
    for most in [0, 101] {
        let refused = update(&world, with(Allow, Some(most)), &[]).await;
        assert_eq!(violations(refused), ["endpoint.max_concurrency"], "{most}");
    }
}

#[tokio::test]
async fn every_mistake_of_an_update_is_told_at_once() {
    let world = World::new().await;
    let made = world.endpoint(every(60, None)).await;
    let wrong = |id: &str| pb::Endpoint {
        id: id.to_owned(),
        name: "n".repeat(256),
        baseline: Some(Baseline::Interval(seconds_long(-1))),
        timeout: Some(seconds_long(0)),
        ..pb::Endpoint::default()
    };
    let paths = ["name", "interval", "timeout", "request", "pause", "request.url"];
    let found = violations(update(&world, wrong(&made.id), &paths).await);
    let fields = [
        "endpoint.interval",
        "endpoint.name",
        "endpoint.request",
        "endpoint.timeout",
    ];
    assert_eq!(found, [&fields[..], &["update_mask", "update_mask"]].concat());
    // An endpoint that cannot be looked up: what could not be read is told all the same.
    let found = violations(update(&world, wrong("mine"), &["interval", "request"]).await);
    assert_eq!(found, ["endpoint.id", "endpoint.interval", "endpoint.request"]);
    assert_eq!(get(&world, &made.id).await, made, "nothing was written");
}

#[tokio::test]
async fn etags_guard_updates() {
    let world = World::new().await;
    let made = world.endpoint(every(60, None)).await;
    let stale = pb::Endpoint {
        id: made.id.clone(),
        name: "renamed".to_owned(),
        etag: "999".to_owned(),
        ..pb::Endpoint::default()
    };
    assert_eq!(
        reason(update(&world, stale, &["name"]).await, Code::Aborted),
        "ETAG_MISMATCH"
    );
}

#[tokio::test]
async fn a_repeated_create_has_one_effect() {
    let world = World::new().await;
    let request = |endpoint| pb::CreateEndpointRequest {
        endpoint: Some(endpoint),
        request_id: "once".to_owned(),
    };
    let mut jobs = world.jobs();
    let first = jobs
        .create_endpoint(request(every(60, None)))
        .await
        .expect("created")
        .into_inner();
    let second = jobs
        .create_endpoint(request(every(60, None)))
        .await
        .expect("answered")
        .into_inner();
    assert_eq!(first.id, second.id);
    let reused = jobs.create_endpoint(request(every(61, None))).await;
    assert_eq!(reason(reused, Code::InvalidArgument), "REQUEST_ID_REUSED");
}
