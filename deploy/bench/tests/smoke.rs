//! The harness itself, small: benches run on the test server and on a file, and what they say they finished is there.
//! Nothing here is about speed.

use std::path::PathBuf;

use baton_bench::{benches::Bench, figure::Figure, options::Options, server::Server, stage::Stage};
use clap::Parser as _;

/// On the server of the tests. What it leaves behind is dropped with the bench.
async fn figures(bench: Bench) -> Vec<Figure> {
    figures_of(bench, "300").await
}

async fn figures_of(bench: Bench, runs: &str) -> Vec<Figure> {
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
    let asked = options.judge().expect("valid options");
    let server = Server::of(&options).await.expect("the server of the tests answers");
    let stage = Stage::new(server, asked).expect("there is room");
    bench.run(&stage).await.expect("it can be measured")
}

fn is_a_line_about(figure: &Figure, bench: Bench) {
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
    for bench in [Bench::SubmitUnary, Bench::Http] {
        is_a_line_about(&figures(bench).await[0], bench);
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
