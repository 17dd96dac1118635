//! Two planners, each killed again and again in the midst of a plan: no step runs twice, none is forgotten.

use std::{collections::BTreeMap, time::Duration};

use baton_proto::v1::{Plan, PlanState, RunStatus};

use crate::{
    answers::{Answers, is_because, waves},
    stage::{Process, Stage, eventually},
};

const ROUNDS: usize = 12;
const WAVES: usize = 3;
/// Expired leases free the job after this.
const LEASE: &str = "1s";

#[tokio::test(flavor = "multi_thread")]
async fn planners_that_are_killed_in_mid_plan_repeat_nothing_and_forget_nothing() {
    let stage = Stage::new(&["--planner-lease", LEASE, "--planner-calls-per-hour", "1000"]).await;
    let model = Answers::start(|situation| {
        let told = is_because(situation, "signal-changed") || is_because(situation, "lease-expired");
        let plan = waves(if told { &["e1", "e2", "e3"] } else { &[] });
        (plan, Duration::from_millis(60))
    })
    .await;
    let job = stage.create_job().await;
    for name in ["traffic_monitor", "cache_warm_up", "database_query_trace"] {
        stage.create_endpoint(Some(&job), name, None).await;
    }
    let mut planners = [0, 1].map(|_| Some(stage.start_planner(&model.base_url, &[])));
    let sale = stage.create_sale(&job, "surge").await;
    for round in 0..ROUNDS {
        let known = stage.plans().await;
        stage
            .set_signal(&sale, "visitors_per_min", 20_000.0 + round as f64)
            .await;
        // Each round another one dies, and a bit later in the course of things.
        let moment = Duration::from_millis(20 * (round as u64 % 12));
        tokio::time::sleep(moment).await;
        kill_and_replace(&stage, &model, &mut planners[round % 2]).await;
        await_waves(&stage, &known).await;
    }
    drop(planners);
    nothing_twice_nothing_forgotten(&stage).await;
}

async fn kill_and_replace(stage: &Stage, model: &Answers, planner: &mut Option<Process>) {
    if let Some(planner) = planner.take() {
        planner.kill().await;
    }
    *planner = Some(stage.start_planner(&model.base_url, &[]));
}

/// Until a new plan with steps is over, whoever carried it on.
async fn await_waves(stage: &Stage, known: &[Plan]) {
    eventually("a plan of three waves is over", || async {
        let plans = stage.plans().await.into_iter();
        let mut new = plans.filter(|plan| known.iter().all(|old| old.id != plan.id));
        new.any(|plan| plan.state() == PlanState::Completed && plan.steps.len() == WAVES)
            .then_some(())
    })
    .await;
}

async fn nothing_twice_nothing_forgotten(stage: &Stage) {
    let runs = stage.runs().await;
    let mut of_step: BTreeMap<(String, i32), usize> = BTreeMap::new();
    for run in &runs {
        let plan = run.plan_id.clone().expect("only plans run anything");
        *of_step.entry((plan, run.step())).or_default() += 1;
        assert_eq!(run.status(), RunStatus::Succeeded, "{run:?}");
    }
    assert!(of_step.values().all(|runs| *runs == 1), "a run a step: {of_step:?}");
    for plan in stage.plans().await.iter().filter(|plan| !plan.steps.is_empty()) {
        match plan.state() {
            PlanState::Completed => {
                let ran = plan
                    .steps
                    .iter()
                    .filter(|step| of_step.contains_key(&(plan.id.clone(), step.step)));
                assert_eq!(ran.count(), WAVES, "{plan:?}");
            }
            // Replaced while it was under way: what had started is over, the rest never starts.
            PlanState::Superseded => {}
            state => panic!("a plan with steps is {state:?}: {plan:?}"),
        }
    }
    let mut calls: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for received in stage.sink.received() {
        *calls.entry(received.run_id).or_default() += 1;
    }
    assert_eq!(calls.len(), runs.len(), "every run was called");
    assert!(calls.values().all(|calls| *calls == 1), "and once: {calls:?}");
}
