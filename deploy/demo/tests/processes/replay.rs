//! `baton-planner replay` on the records of a real scheduler: what was asked can be asked again, digest by digest.

use std::{process::Output, time::Duration};

use baton_demo::scripted::{AnswerFault, Faults};
use baton_proto::v1::{self, Plan, PlanState, endpoint::Baseline};
use serde_json::Value;

use crate::stage::{Stage, binary, forget_configuration};

const HOUR: Duration = Duration::from_secs(3_600);

async fn replay(stage: &Stage, plan: &str, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(binary("baton-planner"));
    forget_configuration(&mut command);
    command
        .args(["replay", plan, "--scheduler", &stage.url])
        .args(arguments);
    command.env("BATON_PLANNER_API_KEY", "not-a-secret");
    command.output().await.expect("the binary runs")
}

async fn document(stage: &Stage, plan: &str, arguments: &[&str]) -> Value {
    let output = replay(stage, plan, &[&["--json"], arguments].concat()).await;
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("one JSON document")
}

/// Endpoints of every kind: with an interval, with a cron, dormant with a cooldown, paused by a person.
async fn furnish(stage: &Stage, job: &str) {
    stage
        .create_endpoint(Some(job), "traffic_monitor", Some(Duration::from_secs(1)))
        .await;
    stage.create_endpoint(Some(job), "slack_operations", None).await;
    let paused = stage.create_endpoint(Some(job), "slow_page_analyzer", None).await;
    let pause = v1::PauseEndpointRequest {
        id: paused,
        until: Some((baton_demo::clock::wall_now() + HOUR).into()),
    };
    stage.jobs().pause_endpoint(pause).await.expect("a person pauses");
    let nightly = v1::Endpoint {
        job_id: Some(job.to_owned()),
        name: "nightly".to_owned(),
        description: "Adds up the day, <b>every</b> night & for ever: \u{1f319}".to_owned(),
        request: Some(v1::HttpRequest {
            method: "POST".to_owned(),
            url: stage.sink.url_of("cache_warm_up"),
            ..Default::default()
        }),
        baseline: Some(Baseline::Cron(v1::CronSchedule {
            expression: "0 3 * * *".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        })),
        cooldown: Some(Duration::from_millis(1_500).try_into().expect("a duration")),
        max_interval: Some(HOUR.try_into().expect("a duration")),
        ..Default::default()
    };
    let request = v1::CreateEndpointRequest {
        endpoint: Some(nightly),
        ..Default::default()
    };
    stage
        .jobs()
        .create_endpoint(request)
        .await
        .expect("an endpoint with a cron");
}

/// Every plan that has an answer, after several changes of signals.
async fn answered(stage: &Stage, sale: &str) -> Vec<Plan> {
    for visitors in [5_000.25, 0.1 + 0.2, 5_200.0, 1.0e-7, 6_000.0] {
        let known = stage.plans().await;
        stage.set_signal(sale, "visitors_per_min", visitors).await;
        stage.await_plan(PlanState::Completed, &known, &[]).await;
    }
    let plans = stage.plans().await.into_iter();
    plans.filter(|plan| plan.state() != PlanState::Asking).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_ask_is_replayed_with_the_same_prompt_and_verdict() {
    let stage = Stage::new(&["--time-compression", "60", "--planner-lease", "10s"]).await;
    let model = stage.start_model(None).await;
    let _planner = stage.start_planner(&model.base_url(), &[]);
    let job = stage.create_job().await;
    furnish(&stage, &job).await;
    let sale = stage.create_sale(&job, "surge").await;
    let plans = answered(&stage, &sale).await;
    assert!(
        plans.len() >= 5
            && plans
                .iter()
                .any(|plan| !plan.hints.is_empty() && !plan.steps.is_empty())
    );
    for plan in &plans {
        let found = document(&stage, &plan.id, &[]).await;
        assert_eq!(found["prompt"]["is_identical"], true, "{found}");
        assert_eq!(found["verdict"]["result"], "identical", "{found}");
        assert_eq!(found["verdict"]["judgement"]["verdict"], "sound", "{found}");
    }
    let told = replay(&stage, &plans[0].id, &[]).await;
    let told = String::from_utf8(told.stdout).expect("text");
    assert!(
        told.ends_with("prompt: identical\nverdict: identical (sound)\n"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_asks_are_replayed_and_a_model_can_be_asked_again() {
    let stage = Stage::new(&["--time-compression", "60", "--planner-lease", "10s"]).await;
    let model = stage.start_model(None).await;
    let _planner = stage.start_planner(&model.base_url(), &[]);
    let job = stage.create_job().await;
    furnish(&stage, &job).await;
    let sale = stage.create_sale(&job, "surge").await;
    let good = stage.await_plan(PlanState::Completed, &[], &[]).await;

    let faults = |answer, status| Faults {
        answer,
        status,
        ..Faults::default()
    };
    let cases = [
        (faults(Some(AnswerFault::Garbage), None), "not-json", "identical"),
        (
            faults(Some(AnswerFault::UnknownEndpoint), None),
            "unknown-alias",
            "identical",
        ),
        (faults(None, Some(500)), "model-server-error", "not-comparable"),
    ];
    let mut visitors = 5_001.0;
    for (fault, verdict, result) in cases {
        let known = stage.plans().await;
        model.set_faults(fault);
        visitors += 1.0;
        stage.set_signal(&sale, "visitors_per_min", visitors).await;
        let failed = stage.await_plan(PlanState::Failed, &known, &[verdict]).await;
        let found = document(&stage, &failed.id, &[]).await;
        assert_eq!(
            (&found["prompt"]["is_identical"], &found["verdict"]["result"]),
            (&Value::Bool(true), &result.into())
        );
        if result == "identical" {
            assert_eq!(found["verdict"]["judgement"]["verdict"], verdict);
            assert_eq!(found["verdict"]["judgement"]["detail"], failed.detail);
        }
    }

    let base_url = model.base_url();
    let again = ["--ask", "--base-url", &base_url];
    model.set_faults(Faults::default());
    let found = document(&stage, &good.id, &again).await;
    assert_eq!(
        (&found["again"]["model"], &found["again"]["differences"]),
        (&"scripted-rules".into(), &Value::Array(vec![]))
    );
    model.set_faults(faults(Some(AnswerFault::Garbage), None));
    let found = document(&stage, &good.id, &again).await;
    assert_eq!(found["again"]["judgement"]["verdict"], "not-json");
    assert_ne!(found["again"]["differences"], Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_replayed_says_why() {
    let stage = Stage::new(&[]).await;
    let unknown = replay(&stage, "01a20c29-d190-70b0-8f09-da9ce661a54f", &[]).await;
    assert_eq!(unknown.status.code(), Some(1));
    let told = String::from_utf8(unknown.stderr).expect("text");
    assert!(told.contains("not found"), "{told}");
    let mistaken = replay(&stage, "p", &["--ask", "--max-prompt-chars", "9"]).await;
    assert_eq!(mistaken.status.code(), Some(2));
    let told = String::from_utf8(mistaken.stderr).expect("text");
    assert!(
        told.contains("--max-prompt-chars: ") && told.contains("--base-url: is missing"),
        "{told}"
    );
}
