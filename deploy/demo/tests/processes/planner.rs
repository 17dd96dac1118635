//! The baseline does not need the planner, and a planner needs no memory.

use std::time::Duration;

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn the_baseline_goes_on_without_the_planner_and_a_new_one_picks_up() {
    let stage = Stage::new(&["--time-compression", "60", "--planner-lease", "3s"]).await;
    let model = stage.start_model(None).await;
    let planner = stage.start_planner(&model.base_url(), &[]);
    let job = stage.create_job().await;
    stage
        .create_endpoint(Some(&job), "traffic_monitor", Some(Duration::from_secs(2)))
        .await;
    stage
        .create_endpoint(None, "order_processor_health", Some(Duration::from_millis(700)))
        .await;
    stage.create_sale(&job, "surge").await;
    stage.await_started("ai-hint", 3).await;

    planner.kill().await;
    // The hints of the killed planner run out, and the endpoint falls back to its own schedule.
    let monitors = || async {
        let runs = stage.runs().await;
        let latest = runs
            .into_iter()
            .find(|run| run.job_id.as_deref() == Some(&job) && run.start_time.is_some());
        latest.filter(|run| run.source == "baseline").map(drop)
    };
    crate::stage::eventually("traffic_monitor is back on its baseline", monitors).await;
    stage.await_started("baseline", 3).await;

    let _planner = stage.start_planner(&model.base_url(), &[]);
    stage.await_started("ai-hint", 3).await;
}
