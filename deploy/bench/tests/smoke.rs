//! The harness itself, small: benches run on the test server and on a file, and what they say they finished is there.
//! Nothing here is about speed.

use std::path::PathBuf;

use baton_bench::{
    benches::{
        self, Bench,
        growth::{self, Step},
    },
    figure::Figure,
    options::Options,
    server::Server,
    stage::Stage,
};
use clap::Parser as _;

/// On the server of the tests. What it leaves behind is dropped with the bench.
async fn figures(bench: Bench) -> Vec<Figure> {
    figures_of(bench, "300").await
}

async fn figures_of(bench: Bench, runs: &str) -> Vec<Figure> {
    let stage = stage(bench, runs).await;
    benches::run(bench, &stage).await.expect("it can be measured")
}

async fn stage(bench: Bench, runs: &str) -> Stage {
    let server = std::env::var("BATON_TEST_DATABASE_URL").expect("BATON_TEST_DATABASE_URL: run `cargo xtask test`");
    let temporary = std::env::temp_dir();
    let line = [
        "baton-bench",
        bench.name(),
        "--samples=1",
        "--runs",
        runs,
        "--quick",
        "--programs=/usr/bin",
    ];
    let options = line.iter().map(|word| (*word).to_owned());
    let options = options.chain([
        format!("--server={server}"),
        format!("--pg-data={}", temporary.display()),
    ]);
    let options = Options::parse_from(options);
    let asked = options.wanted.judge().expect("valid options");
    let server = Server::of(&options).await.expect("the server of the tests answers");
    Stage::new(server, asked).expect("there is room")
}

fn is_a_line_about(figure: &Figure, bench: Bench) {
    println!("{figure}");
    let line = figure.json();
    assert_eq!(line["bench"], bench.name());
    for number in ["value", "reference_value", "ratio"] {
        assert!(
            line[number].as_f64().is_some_and(|number| number > 0.0),
            "{number} of {line}"
        );
    }
    assert_eq!(line["samples"].as_array().map(Vec::len), Some(1));
    assert!(line["pass"].is_boolean());
}

/// Each counts in the database itself, and fails when one run too many or too few is in the history.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_executed_is_in_the_history() {
    for bench in [Bench::Execute, Bench::Reschedule] {
        is_a_line_about(&figures(bench).await[0], bench);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_measured_like_a_server() {
    is_a_line_about(&figures(Bench::SqliteExecute).await[0], Bench::SqliteExecute);
}

/// With the real scheduler and the sink in processes of their own.
#[tokio::test(flavor = "multi_thread")]
async fn callers_and_receivers_are_other_processes() {
    for bench in [Bench::SubmitUnary, Bench::SubmitStream, Bench::Http] {
        is_a_line_about(&figures(bench).await[0], bench);
    }
}

/// A figure among others.
fn stands(figures: &[Figure], name: &str) {
    let found = figures.iter().find(|figure| figure.bench == name);
    let figure = found.unwrap_or_else(|| panic!("{name} is not among {figures:?}"));
    println!("{figure}");
    assert!(figure.value() > 0.0, "{figure}");
}

/// Each end reaches each of its two watches once, or there is no figure.
#[tokio::test(flavor = "multi_thread")]
async fn ends_are_watched_through_another_scheduler() {
    let figures = figures(Bench::Watch).await;
    for name in ["watch", "watch-p50", "watch-max"] {
        stands(&figures, name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planner_asks_and_what_it_is_answered_is_called() {
    let figures = figures(Bench::Planner).await;
    for name in ["planner-asked-p99", "planner-started-p99"] {
        stands(&figures, name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_held_while_runs_come_due() {
    let figures = figures(Bench::Pinned).await;
    is_a_line_about(&figures[0], Bench::Pinned);
    for name in ["pinned-drain", "pinned-dead-tuples"] {
        stands(&figures, name);
    }
}

/// Steps as in the table, a thousandth of them.
#[tokio::test(flavor = "multi_thread")]
async fn one_database_grows_step_by_step() {
    let steps = [(200, 0), (400, 0), (400, 5_000)].map(|(endpoints, history)| Step { endpoints, history });
    let stage = stage(Bench::Growth, "300").await;
    let figures = growth::along(&stage, &steps).await.expect("it can be measured");
    assert_eq!(figures.len(), 2 + 2 * steps.len());
    for figure in &figures[..2] {
        assert!(figure.ratio().is_some_and(|ratio| ratio >= 1.0), "{figure}");
    }
    for name in ["growth-execute-200-0", "growth-lateness-400-5000"] {
        stands(&figures, name);
    }
}

/// Which also says that no guardrail broke, and that nobody's cadence did.
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_planner_is_another_process_too() {
    is_a_line_about(&figures_of(Bench::HostileSqlite, "100").await[0], Bench::HostileSqlite);
}

#[tokio::test]
async fn nobody_listening_is_one_line() {
    let line = [
        "baton-bench",
        "execute",
        "--programs=/",
        "--pg-data=/",
        "--server=postgres://x@127.0.0.1:1/x",
    ];
    let error = Server::of(&Options::parse_from(line))
        .await
        .expect_err("nobody listens there");
    assert_eq!(error.to_string(), "PostgreSQL cannot be reached");
}

#[tokio::test]
async fn too_little_disk_is_one_line() {
    let server = std::env::var("BATON_TEST_DATABASE_URL").expect("BATON_TEST_DATABASE_URL: run `cargo xtask test`");
    let data = PathBuf::from("/");
    let line = ["baton-bench", "execute", "--programs=/", "--pg-data=/"].map(str::to_owned);
    let options = Options::parse_from(line.into_iter().chain([format!("--server={server}")]));
    let server = Server::of(&options).await.expect("the server of the tests answers");
    let error = server
        .require_room(u64::MAX)
        .expect_err("no disk is that large")
        .to_string();
    assert!(
        error.starts_with("too little disk: ") && error.contains(&*data.display().to_string()),
        "{error}"
    );
}
