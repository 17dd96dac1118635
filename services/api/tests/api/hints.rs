//! JobsService, hints of people.

use baton_proto::v1::{self as pb, apply_hint_request::Instruction, clear_hints_request::Target};
use tonic::Status;

use crate::harness::{World, every, seconds_long, violations};

async fn apply(world: &World, request: pb::ApplyHintRequest) -> Result<pb::Endpoint, Status> {
    world.jobs().apply_hint(request).await.map(tonic::Response::into_inner)
}

async fn clear(world: &World, target: Option<Target>) -> Result<i32, Status> {
    let answer = world.jobs().clear_hints(pb::ClearHintsRequest { target }).await?;
    Ok(answer.into_inner().cleared)
}

#[tokio::test]
async fn hints_move_the_next_run_and_clearing_moves_it_back() {
    let world = World::new().await;
    let job = world.job("job").await;
    let endpoint = world.endpoint(every(600, Some(&job))).await;
    let request = |instruction| pb::ApplyHintRequest {
        endpoint_id: endpoint.id.clone(),
        instruction: Some(instruction),
        ttl: Some(seconds_long(3_600)),
        reason: "busy".to_owned(),
    };
    let hinted = apply(&world, request(Instruction::Interval(seconds_long(30))))
        .await
        .expect("hinted");
    let next = hinted.next_run.expect("a next run");
    assert_eq!(
        (next.planned_time, next.source.as_str()),
        (Some(world.in_seconds(30)), "manual")
    );
    assert_eq!(next.cause(), pb::Cause::HintInterval);
    let once = apply(&world, request(Instruction::OneShotTime(world.in_seconds(10))))
        .await
        .expect("hinted");
    assert_eq!(once.next_run.expect("a next run").cause(), pb::Cause::HintOneshot);
    let [interval, one_shot] = once.hints.as_slice() else {
        panic!("one of each kind: {:?}", once.hints);
    };
    assert_eq!(
        (interval.author(), interval.reason.as_str()),
        (pb::HintAuthor::Person, "busy")
    );
    assert_eq!(one_shot.expire_time, Some(world.in_seconds(3_600)));
    assert_eq!(
        clear(&world, Some(Target::EndpointId(endpoint.id.clone())))
            .await
            .expect("cleared"),
        2
    );
    apply(&world, request(Instruction::Interval(seconds_long(30))))
        .await
        .expect("hinted");
    assert_eq!(clear(&world, Some(Target::JobId(job.id))).await.expect("cleared"), 1);
}

#[tokio::test]
async fn every_mistake_is_told_at_once() {
    let world = World::new().await;
    let endpoint = world.endpoint(every(600, None)).await;
    let request = |endpoint_id: &str, instruction| pb::ApplyHintRequest {
        endpoint_id: endpoint_id.to_owned(),
        instruction,
        ttl: Some(seconds_long(86_401)),
        reason: "r".repeat(1_001),
    };
    let far = Some(Instruction::OneShotTime(world.in_seconds(90_000)));
    assert_eq!(
        violations(apply(&world, request("x", far)).await),
        ["endpoint_id", "one_shot_time", "reason", "ttl"]
    );
    assert_eq!(
        violations(apply(&world, request("x", None)).await),
        ["endpoint_id", "instruction", "reason", "ttl"]
    );
    let negative = Some(Instruction::Interval(seconds_long(-1)));
    assert_eq!(
        violations(apply(&world, request(&endpoint.id, negative)).await),
        ["interval", "reason", "ttl"]
    );
    let short = Some(Instruction::Interval(prost_types::Duration { seconds: 0, nanos: 1 }));
    assert_eq!(
        violations(apply(&world, request(&endpoint.id, short)).await),
        ["interval", "reason", "ttl"]
    );
    assert_eq!(violations(clear(&world, None).await), ["target"]);
    assert_eq!(
        violations(clear(&world, Some(Target::JobId("x".to_owned()))).await),
        ["job_id"]
    );
}
