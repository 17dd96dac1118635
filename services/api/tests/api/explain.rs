//! ExplainRun: the chain of a run in one answer.

use std::time::Duration;

use baton_proto::v1 as pb;
use tonic::{Code, Status};

use crate::{
    harness::{UNKNOWN, World, dormant, every, ok, reason, seconds_long, violations},
    watch_runs::submit,
};

async fn explain(world: &World, id: &str) -> Result<pb::ExplainRunResponse, Status> {
    let request = pb::ExplainRunRequest { id: id.to_owned() };
    world.runs().explain_run(request).await.map(tonic::Response::into_inner)
}

/// The one run of this source that is over.
async fn over(world: &World, source: &str) -> pb::Run {
    let request = pb::ListRunsRequest {
        source: Some(source.to_owned()),
        statuses: vec![pb::RunStatus::Succeeded.into()],
        ..pb::ListRunsRequest::default()
    };
    let mut runs = world.runs().list_runs(request).await.expect("listed").into_inner().runs;
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

#[tokio::test]
async fn a_baseline_run_names_its_schedule_and_the_next() {
    let world = World::new().await;
    let regular = world.endpoint(every(60, None)).await;
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.run_due(&ok()).await, 1);
    let run = over(&world, "baseline").await;
    let explained = explain(&world, &run.id).await.expect("explained");
    assert_eq!(explained.run.as_ref(), Some(&run));
    assert_eq!(explained.endpoint.expect("its endpoint").baseline, regular.baseline);
    assert!(explained.hint.is_none() && explained.plan.is_none() && explained.step.is_none());
    let next = explained.next_run.expect("the next one");
    assert_eq!(
        (next.cause(), next.planned_time),
        (pb::Cause::Interval, Some(world.in_seconds(60)))
    );
}

#[tokio::test]
async fn a_manual_run_and_a_test_have_themselves_only() {
    let world = World::new().await;
    let hook = world.endpoint(dormant("hook", None)).await;
    let run = submit(&world, &hook).await;
    let explained = explain(&world, &run.id).await.expect("explained");
    assert_eq!(explained.run.expect("itself").cause(), pb::Cause::Manual);
    assert!(explained.hint.is_none() && explained.plan.is_none() && explained.next_run.is_none());
    assert_eq!(violations(explain(&world, "x").await), ["id"]);
    assert_eq!(reason(explain(&world, UNKNOWN).await, Code::NotFound), "RUN_NOT_FOUND");
}

#[tokio::test]
async fn a_planners_runs_lead_back_to_the_model() {
    let world = World::new().await;
    let job = world.job("shop").await;
    let stepped = world.endpoint(dormant("stepped", Some(&job))).await;
    let hinted = world.endpoint(dormant("hinted", Some(&job))).await;
    world.sale(&job).await;
    let begin = pb::BeginPlanRequest {
        job_id: job.id.clone(),
        context_revision: 0,
        planner: "planner".to_owned(),
    };
    let begun = world.plans().begin_plan(begin).await.expect("begun").into_inner();
    let plan = begun.plan.expect("a plan");
    let answer = pb::SubmitPlanRequest {
        plan_id: plan.id.clone(),
        definition_revision: plan.definition_revision,
        steps: vec![pb::PlanStep {
            wave: 1,
            endpoint_id: stepped.id.clone(),
            reason: "first of all".to_owned(),
            ..pb::PlanStep::default()
        }],
        hints: vec![pb::PlanHint {
            endpoint_id: hinted.id.clone(),
            instruction: Some(pb::plan_hint::Instruction::Interval(seconds_long(10))),
            ttl: Some(seconds_long(600)),
            reason: "watch it".to_owned(),
            verdict: None,
        }],
        rationale: "orders rise".to_owned(),
        review_after: Some(seconds_long(120)),
        call: Some(pb::ModelCall {
            model: "m-1".to_owned(),
            prompt_digest: "0".repeat(64),
            input_tokens: 900,
            output_tokens: 100,
            latency: Some(seconds_long(1)),
            requests: 1,
            raw_answer: "{}".to_owned(),
            ..pb::ModelCall::default()
        }),
    };
    world.plans().submit_plan(answer).await.expect("accepted");
    // The step is due, and the hint's first time.
    while world.run_due(&ok()).await > 0 {}
    world.clock.advance(Duration::from_secs(10));
    while world.run_due(&ok()).await > 0 {}
    let request = pb::ListRunsRequest {
        source: Some("ai-hint".to_owned()),
        statuses: vec![pb::RunStatus::Succeeded.into()],
        ..pb::ListRunsRequest::default()
    };
    let runs = world.runs().list_runs(request).await.expect("listed").into_inner().runs;
    let of = |endpoint: &pb::Endpoint| runs.iter().find(|run| run.endpoint_id == endpoint.id).expect("it ran");

    let explained = explain(&world, &of(&stepped).id).await.expect("explained");
    let step = explained.step.expect("its step");
    assert_eq!((step.step, step.reason.as_str()), (1, "first of all"));
    assert_eq!(step.verdict.expect("a verdict").code(), pb::VerdictCode::Accepted);
    let plan = explained.plan.expect("its plan");
    assert_eq!(plan.rationale, "orders rise");
    let call = plan.call.expect("the ask");
    assert_eq!(
        (call.model.as_str(), call.input_tokens, call.raw_answer.as_str()),
        ("m-1", 900, "{}")
    );
    assert!(plan.context_json.contains("orders") && plan.context_digest.len() == 64);
    assert!(explained.hint.is_none() && explained.plan_hint.is_none());

    let explained = explain(&world, &of(&hinted).id).await.expect("explained");
    let hint = explained.hint.expect("its hint");
    assert_eq!(hint.fate(), pb::HintFate::InForce);
    assert_eq!(hint.hint.expect("as written").author(), pb::HintAuthor::Planner);
    assert_eq!(explained.plan_hint.expect("as wanted").reason, "watch it");
    assert_eq!(explained.plan.expect("its plan").id, plan.id);
    assert!(explained.step.is_none());
    assert_eq!(
        explained.next_run.expect("the next one").cause(),
        pb::Cause::HintInterval
    );
}
