//! A hostile planner: it may do all that a planner may, and sends plans of chance without end. No guardrail breaks, no
//! foreign job is touched, no baseline starves; how late baselines are beside it is printed, with and without it.
//!
//! `BATON_HOSTILE_PLANS` sets how many plans it sends (default 300).

mod attacker;
mod bounds;

use std::time::{Duration, SystemTime};

use baton_demo::clock::wall_now;
use baton_proto::v1::{self, Run, endpoint::Baseline};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::{
    postgres::{Database, migrate},
    stage::Stage,
};
use attacker::Attacker;

/// Jobs that it plans for, all at once.
const JOBS: usize = 6;
const BYSTANDERS: usize = 20;
/// At this compression a pause lasts 15 s at most where the interval is short.
const ARGUMENTS: [&str; 6] = [
    "--time-compression",
    "60",
    "--planner-calls-per-hour",
    "1000000",
    "--planner-tokens-per-day",
    "1000000000",
];
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
    pub sale: String,
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
    tokio::time::sleep(Duration::from_secs(2)).await;
    let quiet_from = wall_now();
    tokio::time::sleep(QUIET).await;
    let quiet_to = wall_now();

    let plans = std::env::var("BATON_HOSTILE_PLANS").map_or(300, |text| text.parse().expect("a number"));
    let mut attackers = JoinSet::new();
    for (number, target) in targets.iter().enumerate() {
        let foreign = bystanders.clone();
        let attacker = Attacker::new(stage, target.clone(), foreign, number as u64);
        attackers.spawn(attacker.send(plans / JOBS));
    }
    let tallies = attackers.join_all().await;
    let attacked_to = wall_now();
    let took = attacked_to.duration_since(quiet_to).unwrap_or_default();
    for (code, count) in attacker::sum(tallies) {
        println!("{what}: {count} answers {code}");
    }
    // Until the last of what may still be in force is over.
    tokio::time::sleep(Duration::from_secs(3)).await;

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
    let sale = stage.create_sale(&job, "surge").await;
    Target { job, sale, endpoints }
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
