//! PlansService, the unary half.

use baton_proto::v1 as pb;
use tonic::Code;

use crate::{
    harness::{UNKNOWN, ok, reason, seconds_long, violations},
    shop::Shop,
};

#[tokio::test]
async fn begin_gives_the_plan_and_the_context_without_what_is_sent_to_endpoints() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun");
    let plan = begun.plan.expect("a plan");
    assert_eq!(
        (plan.state(), plan.planner.as_str()),
        (pb::PlanState::Asking, "planner-1")
    );
    assert!(plan.context_json.is_empty());
    let context = begun.context.expect("a context");
    assert_eq!(context.job.expect("a job").id, shop.job.id);
    assert_eq!(context.as_of_time, Some(shop.world.now()));
    assert_eq!(context.sales[0].changes[0].value, Some(1.0));
    let limits = context.limits.expect("limits");
    assert_eq!((limits.max_steps, limits.max_waves, limits.steps_left), (50, 8, 120));
    let requests = context
        .endpoints
        .iter()
        .filter_map(|shown| shown.endpoint.as_ref()?.request.as_ref());
    let shown: Vec<_> = requests
        .map(|request| (request.headers.len(), request.body.is_some()))
        .collect();
    assert_eq!(shown, [(0, false), (0, false)]);
}

#[tokio::test]
async fn a_second_planner_learns_who_holds_the_lease() {
    let shop = Shop::open().await;
    shop.begin(0).await.expect("begun");
    let refused = shop.begin(0).await;
    let details = tonic_types::StatusExt::get_error_details(refused.as_ref().expect_err("held"));
    let metadata = &details.error_info().expect("an ErrorInfo").metadata;
    assert_eq!(metadata.get("planner").map(String::as_str), Some("planner-1"));
    assert!(metadata.contains_key("lease_expire_time"));
    assert_eq!(reason(refused, Code::Aborted), "PLAN_LEASE_HELD");
}

#[tokio::test]
async fn a_revision_from_the_future_is_refused_before_anything_begins() {
    let shop = Shop::open().await;
    assert_eq!(violations(shop.begin(1_000).await), ["context_revision"]);
    let begun = shop.begin(1).await.expect("an older one is only told");
    assert!(begun.context.expect("a context").context_revision > 1);
}

#[tokio::test]
async fn a_plan_runs_wave_by_wave_and_shows_what_came_of_it() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun");
    let plan = shop.submit(shop.answer(&begun)).await.expect("accepted");
    assert_eq!((plan.state(), plan.wave, plan.waves), (pb::PlanState::Running, 1, 2));
    let verdicts: Vec<_> = plan
        .steps
        .iter()
        .map(|step| step.verdict.as_ref().map(|verdict| verdict.code()))
        .collect();
    assert_eq!(verdicts, [Some(pb::VerdictCode::Accepted); 2]);
    assert_eq!(plan.steps[0].run_status(), pb::RunStatus::Planned);
    assert_eq!(plan.steps[1].run_id, None);
    assert_eq!(
        plan.call.as_ref().map(|call| (call.input_tokens, call.requests)),
        Some((100, 1))
    );
    assert_eq!(plan.review_time, Some(shop.world.in_seconds(300)));
    let early = shop.advance(&plan.id, 2).await;
    assert_eq!(reason(early, Code::FailedPrecondition), "PLAN_STATE");
    assert_eq!(shop.world.run_due(&ok()).await, 1);
    let advanced = shop.advance(&plan.id, 2).await.expect("advanced");
    assert_eq!((advanced.wave, advanced.steps[0].run_status_code), (2, Some(200)));
    assert_eq!(shop.advance(&plan.id, 2).await.expect("has no second effect").wave, 2);
    assert_eq!(shop.world.run_due(&ok()).await, 1);
    let over = shop.get(&plan.id).await.expect("found");
    assert_eq!(over.state(), pb::PlanState::Completed);
    assert!(over.context_json.contains("orders"), "the context as the model saw it");
    let request = pb::ListRunsRequest {
        source: Some("ai-hint".to_owned()),
        statuses: vec![pb::RunStatus::Succeeded.into()],
        ..pb::ListRunsRequest::default()
    };
    let runs = shop
        .world
        .runs()
        .list_runs(request)
        .await
        .expect("listed")
        .into_inner()
        .runs;
    assert_eq!(runs.len(), 2);
    assert!(
        runs.iter()
            .all(|run| run.plan_id.as_ref() == Some(&plan.id) && run.plan_reason.starts_with("wave "))
    );
    let listed = shop.world.plans().list_plans(pb::ListPlansRequest::default()).await;
    let listed = listed.expect("listed").into_inner().plans;
    assert_eq!((listed.len(), listed[0].context_json.as_str()), (1, ""));
}

#[tokio::test]
async fn a_changed_definition_aborts_with_the_current_revision() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun");
    let rename = pb::UpdateJobRequest {
        job: Some(pb::Job {
            description: "everything is different".to_owned(),
            ..shop.job.clone()
        }),
        update_mask: None,
    };
    shop.world.jobs().update_job(rename).await.expect("written");
    let refused = shop.submit(shop.answer(&begun)).await;
    assert_eq!(reason(refused, Code::Aborted), "DEFINITION_CHANGED");
}

#[tokio::test]
async fn a_failed_ask_is_recorded() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun");
    let request = pb::FailPlanRequest {
        plan_id: begun.plan.expect("a plan").id,
        verdict: "not-json".to_owned(),
        detail: "it wrote a poem".to_owned(),
        call: None,
    };
    let failed = shop
        .world
        .plans()
        .fail_plan(request.clone())
        .await
        .expect("recorded")
        .into_inner();
    assert_eq!(
        (failed.state(), failed.verdict.as_str()),
        (pb::PlanState::Failed, "not-json")
    );
    let wrong = pb::FailPlanRequest {
        plan_id: "x".to_owned(),
        verdict: "Not JSON".to_owned(),
        detail: "d".repeat(4_001),
        call: Some(pb::ModelCall {
            input_tokens: -1,
            raw_answer: "a".repeat(64 * 1_024 + 1),
            ..pb::ModelCall::default()
        }),
    };
    let found = violations(shop.world.plans().fail_plan(wrong).await);
    assert_eq!(
        found,
        ["call.input_tokens", "call.raw_answer", "detail", "plan_id", "verdict"]
    );
}

#[tokio::test]
async fn every_mistake_of_a_submission_is_told_at_once() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun");
    let mut request = shop.answer(&begun);
    request.plan_id = "x".to_owned();
    request.steps[0].endpoint_id = "first".to_owned();
    request.steps[1].wave = -1;
    request.steps[1].delay = Some(seconds_long(-1));
    request.steps[1].reason = "r".repeat(1_001);
    request.hints[0].instruction = None;
    request.hints[0].ttl = Some(seconds_long(i64::MAX));
    request.rationale = "r".repeat(4_001);
    request.review_after = None;
    request.call = Some(pb::ModelCall {
        requests: -1,
        latency: Some(seconds_long(-1)),
        prompt_digest: "d".repeat(65),
        ..pb::ModelCall::default()
    });
    let expected = [
        "call.latency",
        "call.prompt_digest",
        "call.requests",
        "hints[0].instruction",
        "hints[0].ttl",
        "plan_id",
        "rationale",
        "review_after",
        "steps[0].endpoint_id",
        "steps[1].delay",
        "steps[1].reason",
        "steps[1].wave",
    ];
    assert_eq!(violations(shop.submit(request).await), expected);
    assert_eq!(violations(shop.advance("x", 1).await), ["plan_id", "wave"]);
    assert_eq!(violations(shop.advance("x", 9).await), ["plan_id", "wave"]);
    assert_eq!(violations(shop.get("x").await), ["id"]);
    let wrong = pb::BeginPlanRequest {
        job_id: "x".to_owned(),
        context_revision: -1,
        planner: String::new(),
    };
    let found = violations(shop.world.plans().begin_plan(wrong).await);
    assert_eq!(found, ["context_revision", "job_id", "planner"]);
}

#[tokio::test]
async fn unknown_and_foreign_plans_and_jobs_are_not_found() {
    let shop = Shop::open().await;
    let begun = shop.begin(0).await.expect("begun");
    let mut answer = shop.answer(&begun);
    answer.plan_id = UNKNOWN.to_owned();
    assert_eq!(reason(shop.submit(answer).await, Code::NotFound), "PLAN_NOT_FOUND");
    assert_eq!(reason(shop.advance(UNKNOWN, 2).await, Code::NotFound), "PLAN_NOT_FOUND");
    assert_eq!(reason(shop.get(UNKNOWN).await, Code::NotFound), "PLAN_NOT_FOUND");
    for job_id in [shop.world.foreign_job().await, UNKNOWN.to_owned()] {
        let request = pb::BeginPlanRequest {
            job_id: job_id.clone(),
            context_revision: 0,
            planner: "planner-1".to_owned(),
        };
        let refused = shop.world.plans().begin_plan(request).await;
        assert_eq!(reason(refused, Code::NotFound), "JOB_NOT_FOUND");
        let watch = pb::WatchPlanningContextsRequest { job_ids: vec![job_id] };
        let refused = shop.world.plans().watch_planning_contexts(watch).await;
        assert_eq!(reason(refused, Code::NotFound), "JOB_NOT_FOUND");
    }
}
