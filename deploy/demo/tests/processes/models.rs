//! Models that come late, answer garbage, name endpoints that do not exist, fail or stall: nothing but a recorded verdict.

use std::time::Duration;

use baton_demo::scripted::{AnswerFault, Faults};
use baton_proto::v1::PlanState;

use crate::stage::{Stage, free_address};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_misbehaves_leaves_a_verdict_and_the_baseline_alone() {
    let stage = Stage::new(&["--time-compression", "60", "--planner-lease", "10s"]).await;
    let address = free_address();
    let _planner = stage.start_planner(&format!("http://{address}/v1"), &[]);
    let job = stage.create_job().await;
    stage
        .create_endpoint(Some(&job), "traffic_monitor", Some(Duration::from_secs(2)))
        .await;
    stage
        .create_endpoint(None, "order_processor_health", Some(Duration::from_millis(500)))
        .await;
    let sale = stage.create_sale(&job, "surge").await;
    stage.await_plan(PlanState::Failed, &[], &["model-unreachable"]).await;
    stage.await_started("baseline", 2).await;

    let model = stage.start_model(Some(address)).await;
    stage.await_plan(PlanState::Completed, &[], &[]).await;

    let answer = |answer| Faults {
        answer: Some(answer),
        ..Faults::default()
    };
    let faults: [(Faults, &[&str]); 4] = [
        (answer(AnswerFault::Garbage), &["not-json"]),
        (answer(AnswerFault::UnknownEndpoint), &["unknown-alias"]),
        (
            Faults {
                status: Some(500),
                ..Faults::default()
            },
            &["model-server-error"],
        ),
        (answer(AnswerFault::Slow), &["model-timeout"]),
    ];
    let mut visitors = 5_001.0;
    for (fault, verdicts) in faults {
        let known = stage.plans().await;
        model.set_faults(fault);
        visitors += 1.0;
        stage.set_signal(&sale, "visitors_per_min", visitors).await;
        let failed = stage.await_plan(PlanState::Failed, &known, verdicts).await;
        assert!(!failed.detail.is_empty(), "{failed:?}");
        stage.await_started("baseline", 2).await;

        let known = stage.plans().await;
        model.set_faults(Faults::default());
        stage.await_plan(PlanState::Completed, &known, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_told_in_one_line_and_is_no_crash_loop() {
    let stage = Stage::new(&["--time-compression", "60"]).await;
    let model = stage.start_model(None).await;
    model.set_faults(Faults {
        status: Some(401),
        ..Faults::default()
    });
    let mut planner = stage.start_planner(&model.base_url(), &[]);
    let job = stage.create_job().await;
    stage
        .create_endpoint(Some(&job), "traffic_monitor", Some(Duration::from_millis(500)))
        .await;
    let sale = stage.create_sale(&job, "surge").await;
    stage.await_plan(PlanState::Failed, &[], &["model-unauthorized"]).await;
    // Whatever comes up now, the circuit is open.
    for visitors in [6_000.0, 7_000.0, 8_000.0] {
        stage.set_signal(&sale, "visitors_per_min", visitors).await;
        stage.await_started("baseline", 1).await;
    }
    assert!(planner.is_running());
    let failed = stage.plans().await.len();
    assert!(failed <= 2, "{failed} asks, most of which could only fail");
    let log = std::fs::read_to_string(stage.directory.path().join("planner.log")).expect("the log");
    let told: Vec<&str> = log.lines().filter(|line| line.contains("API key")).collect();
    assert!((1..=failed + 1).contains(&told.len()), "a line an ask: {log}");
    assert!(log.contains("no asks until it has had a pause"), "{log}");
    assert!(!log.contains("not-a-secret"), "the key is never told");

    model.set_faults(Faults::default());
    // The circuit half-opens by itself.
    stage.await_plan(PlanState::Completed, &[], &[]).await;
}
