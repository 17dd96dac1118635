//! SummarizeRuns.

use baton_proto::v1 as pb;
use tonic::Status;

use crate::{
    harness::{World, dormant, ok, violations},
    watch_runs::submit,
};

async fn summarize(world: &World, request: pb::SummarizeRunsRequest) -> Result<pb::SummarizeRunsResponse, Status> {
    let answer = world.runs().summarize_runs(request).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn runs_of_the_last_day_are_counted() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await;
    submit(&world, &hook).await;
    assert_eq!(world.run_due(&ok()).await, 1);
    submit(&world, &hook).await;
    world.clock.advance(std::time::Duration::from_secs(1));
    let answer = summarize(&world, pb::SummarizeRunsRequest::default())
        .await
        .expect("counted");
    assert_eq!(answer.to_time, Some(world.now()));
    assert_eq!(answer.from_time, Some(world.in_seconds(-86_400)));
    let [endpoint] = answer.endpoints.as_slice() else {
        panic!("one endpoint: {answer:?}");
    };
    let [manual] = endpoint.sources.as_slice() else {
        panic!("one source: {endpoint:?}");
    };
    assert_eq!((&endpoint.endpoint_id, manual.source.as_str()), (&hook.id, "manual"));
    assert_eq!((manual.succeeded, manual.planned, manual.failed), (1, 1, 0));
    assert_eq!(manual.success_rate, Some(1.0));
    assert!(manual.p50_duration.is_some() && manual.p95_lateness.is_some());
    let other = pb::SummarizeRunsRequest {
        source: Some("baseline".to_owned()),
        ..pb::SummarizeRunsRequest::default()
    };
    assert!(summarize(&world, other).await.expect("counted").endpoints.is_empty());
}

#[tokio::test]
async fn summaries_come_in_pages_of_endpoints() {
    let world = World::new().await;
    for number in 0..3 {
        let hook = world.endpoint(dormant(&format!("hook {number}"), None)).await;
        submit(&world, &hook).await;
    }
    let mut request = pb::SummarizeRunsRequest {
        page_size: 2,
        to_time: Some(world.in_seconds(1)),
        ..pb::SummarizeRunsRequest::default()
    };
    let first = summarize(&world, request.clone()).await.expect("counted");
    assert_eq!(first.endpoints.len(), 2);
    request.page_token = first.next_page_token;
    let second = summarize(&world, request.clone()).await.expect("counted");
    assert_eq!((second.endpoints.len(), second.next_page_token.as_str()), (1, ""));
    request.source = Some("manual".to_owned());
    assert_eq!(violations(summarize(&world, request).await), ["page_token"]);
}

#[tokio::test]
async fn every_mistake_of_a_window_is_told() {
    let world = World::new().await;
    let request = |from, to| pb::SummarizeRunsRequest {
        from_time: Some(world.in_seconds(from)),
        to_time: Some(world.in_seconds(to)),
        ..pb::SummarizeRunsRequest::default()
    };
    assert_eq!(violations(summarize(&world, request(0, 0)).await), ["to_time"]);
    assert_eq!(
        violations(summarize(&world, request(0, 32 * 86_400)).await),
        ["from_time"]
    );
    let garbage = pb::SummarizeRunsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        job_id: Some(String::new()),
        endpoint_id: Some("x".to_owned()),
        source: Some("AI HINT".to_owned()),
        ..request(0, 1)
    };
    let expected = ["endpoint_id", "job_id", "page_size", "page_token", "source"];
    assert_eq!(violations(summarize(&world, garbage).await), expected);
}
