//! The planner's binary as it is run: between a gRPC server that plays the scheduler and an HTTP server that plays the
//! model, both on loopback.

#[path = "process/doubles.rs"]
mod doubles;
#[path = "process/eval.rs"]
mod eval;

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, ChildStderr, Command, Output, Stdio},
    time::Duration,
};

use doubles::{Call, ModelServer, Scheduler};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);
const KEY_VARIABLE: &str = "BATON_PLANNER_API_KEY";
const ONE_STEP: &str = r#"{"assessment":"slow pages","steps":[{"endpoint":"e1","wave":1,"delay_s":0,"reason":"look"}],
    "hints":[],"review_after_s":120}"#;
const UNKNOWN_ALIAS: &str = r#"{"assessment":"","steps":[{"endpoint":"e9","wave":1,"delay_s":0,"reason":""}],
    "hints":[],"review_after_s":120}"#;

/// The binary with none of this process's settings for planners and models.
fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baton-planner"));
    for (name, _) in std::env::vars() {
        if ["BATON_", "OPENAI_", "OTEL_", "RUST_LOG"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env("NO_PROXY", "127.0.0.1");
    command
}

/// `baton-planner run`.
fn planner(flags: &[&str]) -> Command {
    let mut command = binary();
    command.arg("run").args(flags);
    command
}

/// A planner process that is killed if the test ends early.
struct Running(Option<Child>);

impl Running {
    fn start(scheduler: &Scheduler, model: &ModelServer) -> Self {
        let flags = [
            "--scheduler",
            &scheduler.url,
            "--base-url",
            &model.url,
            "--model",
            "m",
            "--debounce",
            "0s",
        ];
        Self(Some(planner(&flags).env(KEY_VARIABLE, "k").spawn().unwrap()))
    }

    /// Reads the log up to the line with this text. The reader must live as long as the process writes.
    async fn wait_for_line(&mut self, text: &'static str) -> BufReader<ChildStderr> {
        let mut reader = BufReader::new(self.0.as_mut().unwrap().stderr.take().unwrap());
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while !line.contains(text) {
                line.clear();
                assert_ne!(
                    reader.read_line(&mut line).unwrap(),
                    0,
                    "the process ended without `{text}`"
                );
            }
            reader
        });
        timeout(PATIENCE, reading).await.expect("a line in time").unwrap()
    }

    /// SIGTERM, then what the process left behind.
    async fn terminate(mut self) -> Output {
        let child = self.0.take().unwrap();
        let killed = Command::new("kill")
            .args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
        let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
        timeout(PATIENCE, waiting)
            .await
            .expect("stops in time")
            .unwrap()
            .unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

async fn next(scheduler: &mut Scheduler) -> Call {
    timeout(PATIENCE, scheduler.calls.recv())
        .await
        .expect("a call in time")
        .unwrap()
}

#[test]
fn without_key_and_base_url_it_says_what_is_missing_and_exits_with_2() {
    let output = planner(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    let flags: Vec<_> = told
        .lines()
        .map(|line| line.split(':').next().unwrap_or_default())
        .collect();
    assert_eq!(flags, ["--base-url", "--model", "--api-key-env"], "{told}");
    assert!(told.contains(KEY_VARIABLE), "{told}");
}

#[test]
fn a_key_for_another_program_is_not_taken() {
    let flags = ["--base-url", "http://127.0.0.1:1", "--model", "m"];
    let output = planner(&flags).env("OPENAI_API_KEY", "not ours").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn it_asks_repairs_and_submits_over_real_connections_in_one_trace() {
    let mut scheduler = Scheduler::start().await;
    let model = ModelServer::start([UNKNOWN_ALIAS, ONE_STEP]).await;
    let planner = Running::start(&scheduler, &model);

    let Call::Begin {
        request,
        trace_id: begun_in,
    } = next(&mut scheduler).await
    else {
        panic!("BeginPlan is first")
    };
    assert_eq!((request.job_id.as_str(), request.context_revision), ("job", 3));
    let Call::Submit { request, trace_id } = next(&mut scheduler).await else {
        panic!("SubmitPlan follows")
    };
    assert_eq!(request.steps[0].endpoint_id, "id-1");
    assert_eq!(request.call.unwrap().requests, 2);
    assert!(begun_in.is_some() && begun_in == trace_id, "{begun_in:?} {trace_id:?}");

    let output = planner.terminate().await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_stop_while_the_model_is_silent_is_put_on_record() {
    let mut scheduler = Scheduler::start().await;
    // Nothing prepared: the request stays without an answer.
    let mut model = ModelServer::start([]).await;
    let planner = Running::start(&scheduler, &model);
    timeout(PATIENCE, model.asked.recv())
        .await
        .expect("a request in time")
        .unwrap();

    let output = planner.terminate().await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(matches!(next(&mut scheduler).await, Call::Begin { .. }));
    let Call::Fail(request) = next(&mut scheduler).await else {
        panic!("FailPlan follows")
    };
    assert_eq!(request.verdict, "planner-stopped");
}

#[tokio::test]
async fn a_scheduler_that_comes_late_is_found() {
    let address = doubles::free_address().await;
    let model = ModelServer::start([ONE_STEP]).await;
    let flags = [
        "--scheduler",
        &format!("http://{address}"),
        "--base-url",
        &model.url,
        "--model",
        "m",
    ];
    let mut planner = Running(Some(planner(&flags).env(KEY_VARIABLE, "k").spawn().unwrap()));
    let lines = planner.wait_for_line("broke off").await;

    let mut scheduler = Scheduler::start_at(address).await;
    assert!(matches!(next(&mut scheduler).await, Call::Begin { .. }));
    assert!(planner.terminate().await.status.success());
    drop(lines);
}
