//! How soon a change reaches the model, and its answer an endpoint: the figures are printed, not asserted.
//!
//! `cargo xtask test --test processes -- reaction --nocapture` shows them. Everything runs at its defaults.

use std::time::{Duration, SystemTime};

use baton_demo::{clock::wall_now, sink::Misbehaviour};
use baton_proto::v1;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    answers::{Answers, Asked, is_because, waves},
    postgres::{Database, migrate},
    stage::{Process, Stage, binary, eventually, forget_configuration},
};

const ROUNDS: usize = 40;
/// Budgets that the rounds do not exhaust.
const ROOM: [&str; 4] = [
    "--planner-calls-per-hour=10000",
    "--planner-steps-per-hour=10000",
    "--planner-tokens-per-day=1000000000",
    "--retention=30d",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_the_model_and_its_answer_an_endpoint_on_sqlite() {
    let stage = Stage::new(&ROOM).await;
    measure("SQLite", &stage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_reaches_the_model_and_its_answer_an_endpoint_on_postgres() {
    let database = Database::create("reaction").await;
    migrate(&database.url).await;
    let stage = Stage::on(TempDir::new().expect("a temporary folder"), &database.url, &ROOM).await;
    measure("PostgreSQL", &stage).await;
    drop(stage);
    database.drop_database().await;
}

/// Alias e1 is what the model starts when a signal has changed; e2 fails when a person runs it.
async fn measure(what: &str, stage: &Stage) {
    let model = Answers::start(|situation| {
        let told = is_because(situation, "signal-changed");
        (waves(if told { &["e1"] } else { &[] }), Duration::ZERO)
    })
    .await;
    let _planner = start_planner(stage, &model);
    let job = stage.create_job().await;
    stage.create_endpoint(Some(&job), "traffic_monitor", None).await;
    let fragile = stage.create_endpoint(Some(&job), "cache_warm_up", None).await;
    let sale = stage.create_sale(&job, "surge").await;
    asked_after(&model, 0, "sale-started").await;

    let mut signals = Figures::default();
    let mut starts = Figures::default();
    let mut failures = Figures::default();
    for round in 0..ROUNDS {
        let (asks, calls) = (model.asked().len(), stage.sink.received().len());
        let changed = wall_now();
        stage
            .set_signal(&sale, "visitors_per_min", 10_000.0 + round as f64)
            .await;
        let asked = asked_after(&model, asks, "signal-changed").await;
        signals.note(changed, asked.at);
        let called = eventually("the step is called", || async {
            stage.sink.received().get(calls).cloned()
        })
        .await;
        starts.note(asked.answered.expect("it was answered"), called.at);
        asked_after(&model, asks, "plan-finished").await;

        // Good and bad take turns, so that each is a change.
        let misbehaviour = (round % 2 == 0).then_some(Misbehaviour::Status(400));
        stage.sink.set_misbehaviour("cache_warm_up", misbehaviour);
        let asks = model.asked().len();
        submit(stage, &fragile).await;
        let asked = asked_after(&model, asks, "outcome-changed").await;
        let ended = stage.sink.received().last().map(|received| received.at);
        failures.note(ended.expect("it was called"), asked.at);
    }
    signals.print(what, "signal changed to model asked");
    failures.print(what, "run failed (or recovered) to model asked");
    starts.print(what, "model answered to first call");
}

/// With its own debounce and name: as a user would start it.
fn start_planner(stage: &Stage, model: &Answers) -> Process {
    let mut command = Command::new(binary("baton-planner"));
    forget_configuration(&mut command);
    command
        .args([
            "run",
            "--scheduler",
            &stage.url,
            "--base-url",
            &model.base_url,
            "--model",
            "told",
        ])
        .env("BATON_PLANNER_API_KEY", "none");
    Process::start(command, &stage.directory.path().join("planner.log"))
}

async fn asked_after(model: &Answers, known: usize, because: &str) -> Asked {
    let what = format!("the model is asked because of {because}");
    eventually(&what, || async {
        let asked = model.asked().into_iter().skip(known);
        asked
            .filter(|asked| asked.answered.is_some())
            .find(|asked| asked.because.iter().any(|reason| reason == because))
    })
    .await
}

async fn submit(stage: &Stage, endpoint: &str) {
    let request = v1::SubmitRunRequest {
        endpoint_id: endpoint.to_owned(),
        ..Default::default()
    };
    stage.runs_client().submit_run(request).await.expect("accepted");
}

/// Times between two events, in milliseconds.
#[derive(Default)]
struct Figures(Vec<f64>);

impl Figures {
    fn note(&mut self, from: SystemTime, to: SystemTime) {
        let gap = to.duration_since(from).unwrap_or_default();
        self.0.push(gap.as_secs_f64() * 1e3);
    }

    fn print(&mut self, what: &str, which: &str) {
        self.0.sort_by(f64::total_cmp);
        let at = |share: f64| self.0[((self.0.len() - 1) as f64 * share).round() as usize];
        println!(
            "{what}: {which}: p50 {:.1} ms, p99 {:.1} ms, n {}",
            at(0.5),
            at(0.99),
            self.0.len()
        );
    }
}
