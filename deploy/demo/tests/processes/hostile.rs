//! A hostile planner: it may do all that a planner may, and sends plans of chance without end. No guardrail breaks, no
//! foreign job is touched, no baseline starves; how late baselines are beside it is printed, with and without it. What that
//! may come to is held by `cargo xtask bench hostile`.
//!
//! `BATON_HOSTILE_PLANS` sets how many plans it sends (default 300).

mod bounds;

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, SystemTime},
};

use baton_demo::clock::wall_now;
use baton_proto::v1::{self, Run, endpoint::Baseline};
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    postgres::{Database, migrate},
    stage::{Stage, binary, eventually, forget_configuration},
};

/// Jobs that it plans for, all at once.
const JOBS: usize = 6;
const BYSTANDERS: usize = 20;
/// A job may be asked about ten times a second then, and a pause lasts 6 s at most. Nothing slows the planner down: here it
/// is the guardrails that must hold.
const ARGUMENTS: [&str; 4] = ["--time-compression", "600", "--planner-share", "1"];
/// How long the baseline is watched alone.
const QUIET: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_planner_breaks_nothing_on_sqlite() {
    let stage = Stage::new(&ARGUMENTS).await;
    attack("SQLite", &stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_planner_breaks_nothing_on_postgres() {
    let database = Database::create("hostile").await;
    migrate(&database.url).await;
    let stage = Stage::on(TempDir::new().expect("a temporary folder"), &database.url, &ARGUMENTS).await;
    attack("PostgreSQL", &stage).await;
    drop(stage);
    database.drop_database().await;
}

/// A job under attack, with its endpoints in the order of [`bounds::SHAPES`].
#[derive(Debug, Clone)]
pub struct Target {
    pub job: String,
    pub endpoints: Vec<String>,
}

async fn attack(what: &str, stage: &Stage) {
    let mut bystanders = Vec::new();
    let untouched = stage.create_job().await;
    for number in 0..BYSTANDERS {
        let job = (number % 4 == 0).then_some(untouched.as_str());
        let interval = Some(Duration::from_millis(500));
        bystanders.push(stage.create_endpoint(job, "order_processor_health", interval).await);
    }
    let mut targets = Vec::new();
    for _ in 0..JOBS {
        targets.push(target(stage).await);
    }
    // Each has found its phase.
    await_starts(stage, &bystanders, SystemTime::UNIX_EPOCH).await;
    let quiet_from = wall_now();
    // What is measured.
    tokio::time::sleep(QUIET).await;
    let quiet_to = wall_now();

    let plans = std::env::var("BATON_HOSTILE_PLANS").map_or(300, |text| text.parse().expect("a number"));
    for (answer, count) in attacked(stage, plans, &bystanders).await {
        println!("{what}: {count} answers {answer}");
    }
    let attacked_to = wall_now();
    let took = attacked_to.duration_since(quiet_to).unwrap_or_default();
    // Whatever is still in force, each baseline goes on.
    await_starts(stage, &bounds::with_baseline(&targets), attacked_to).await;

    let runs = stage.all_runs().await;
    bounds::hold(&runs, &targets, &bystanders);
    let quiet = lateness(&runs, &bystanders, quiet_from, quiet_to);
    let attacked = lateness(&runs, &bystanders, quiet_to, attacked_to);
    println!(
        "{what}: {plans} plans in {:.1} s; baseline lateness p99 {:.2} ms alone ({} runs), {:.2} ms beside it ({} runs): ratio {:.2}",
        took.as_secs_f64(),
        quiet.p99(),
        quiet.0.len(),
        attacked.p99(),
        attacked.0.len(),
        attacked.p99() / quiet.p99()
    );
}

/// Lets it send that many plans. How many answers it had, by call and code.
async fn attacked(stage: &Stage, plans: usize, foreign: &[String]) -> BTreeMap<String, usize> {
    let mut command = Command::new(binary("baton-hostile-planner"));
    forget_configuration(&mut command);
    command
        .args(["--scheduler", &stage.url, "--plans", &plans.to_string()])
        .args(["--foreign", &foreign.join(",")])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.expect("the binary starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "it had an answer that it must not have: {errors}"
    );
    let tally: BTreeMap<String, usize> = serde_json::from_slice(&output.stdout).expect("a JSON object of numbers");
    assert_eq!(tally.get("BeginPlan Ok"), Some(&plans), "{tally:?}");
    tally
}

/// Waits until a run of each of these endpoints has started after that time.
async fn await_starts(stage: &Stage, endpoints: &[String], after: SystemTime) {
    for id in endpoints {
        let request = v1::ListRunsRequest {
            endpoint_id: Some(id.clone()),
            ..Default::default()
        };
        eventually("a run of every endpoint", || async {
            let newest = stage.runs_client().list_runs(request.clone()).await;
            let newest = newest.expect("runs").into_inner().runs;
            let mut starts = newest
                .iter()
                .filter_map(|run| SystemTime::try_from(run.start_time?).ok());
            starts.any(|start| start > after).then_some(())
        })
        .await;
    }
}

async fn target(stage: &Stage) -> Target {
    let job = stage.create_job().await;
    let mut endpoints = Vec::new();
    for shape in bounds::SHAPES {
        let span =
            |millis: Option<u64>| millis.map(|millis| Duration::from_millis(millis).try_into().expect("a duration"));
        let endpoint = v1::Endpoint {
            job_id: Some(job.clone()),
            name: "traffic_monitor".to_owned(),
            request: Some(v1::HttpRequest {
                method: "POST".to_owned(),
                url: stage.sink.url_of("traffic_monitor"),
                ..Default::default()
            }),
            baseline: span(shape.interval_ms).map(Baseline::Interval),
            min_interval: span(Some(bounds::MIN_INTERVAL_MS)),
            cooldown: span(shape.cooldown_ms),
            pause: shape.paused.then(v1::Pause::default),
            ..Default::default()
        };
        endpoints.push(stage.create(endpoint).await);
    }
    stage.create_sale(&job, "surge").await;
    Target { job, endpoints }
}

/// How late runs started, in milliseconds, in order.
struct Lateness(Vec<f64>);

impl Lateness {
    fn p99(&self) -> f64 {
        let position = ((self.0.len().max(1) - 1) as f64 * 0.99).round() as usize;
        self.0.get(position).copied().unwrap_or(f64::NAN)
    }
}

fn lateness(runs: &[Run], endpoints: &[String], from: SystemTime, to: SystemTime) -> Lateness {
    let mine = runs.iter().filter(|run| endpoints.contains(&run.endpoint_id));
    let mut late: Vec<f64> = mine
        .filter_map(|run| {
            let planned = SystemTime::try_from(run.planned_time?).ok()?;
            let started = SystemTime::try_from(run.start_time?).ok()?;
            let late = started.duration_since(planned).ok()?;
            (from..to).contains(&planned).then_some(late.as_secs_f64() * 1e3)
        })
        .collect();
    late.sort_by(f64::total_cmp);
    Lateness(late)
}
