//! `cargo xtask grpcurl-check`: a stranger's round trip. grpcurl, which knows the API by reflection only, works with the
//! real scheduler binary on a temporary SQLite file. Also a step of `cargo xtask ci`.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::processes::Processes;
use crate::scheduler;
use crate::tools::GRPCURL;
use crate::workspace::Workspace;

/// What reflection must list; more is fine.
const SERVICES: [&str; 6] = [
    "baton.v1.FlashSalesService",
    "baton.v1.JobsService",
    "baton.v1.PlansService",
    "baton.v1.RunsService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
];

/// How long the scheduler may take to claim one run that is due now and to refuse its address.
const RUN_LIMIT: Duration = Duration::from_secs(15);
const RUN_POLL: Duration = Duration::from_millis(100);

/// Builds, starts a scheduler, calls it, and stops it.
pub fn run(workspace: &Workspace, processes: &Processes) -> Result<()> {
    processes.run(&mut workspace.build_binaries())?;
    let program = GRPCURL.obtain(processes)?;
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let scheduler = scheduler::serve(workspace, processes, directory.path(), &[])?;
    let grpcurl = Grpcurl {
        program,
        processes,
        address: scheduler.address().to_owned(),
    };

    check_reflection(&grpcurl)?;
    check_health(&grpcurl)?;
    let job = create_job(&grpcurl)?;
    let endpoint = create_endpoint(&grpcurl, &job)?;
    let run = submit_run(&grpcurl, &endpoint)?;
    check_list_runs(&grpcurl, &job, &run)?;
    check_bad_input(&grpcurl)?;

    let status = scheduler.terminate()?;
    ensure!(status.success(), "the scheduler answered SIGTERM with {status}");
    Ok(())
}

fn check_reflection(grpcurl: &Grpcurl) -> Result<()> {
    let listed = grpcurl.list()?;
    let missing: Vec<_> = SERVICES
        .iter()
        .filter(|service| !listed.lines().any(|line| line == **service))
        .collect();
    ensure!(
        missing.is_empty(),
        "reflection does not list {missing:?}, only:\n{listed}"
    );
    Ok(())
}

fn check_health(grpcurl: &Grpcurl) -> Result<()> {
    let health = grpcurl.call("grpc.health.v1.Health/Check", &json!({}))?;
    ensure!(health["status"] == "SERVING", "health is {health}");
    Ok(())
}

fn create_job(grpcurl: &Grpcurl) -> Result<String> {
    let job = grpcurl.call(
        "baton.v1.JobsService/CreateJob",
        &json!({ "name": "grpcurl check", "description": "Made from outside, over reflection." }),
    )?;
    ensure!(
        job["name"] == "grpcurl check" && job["status"] == "JOB_STATUS_ACTIVE",
        "CreateJob answered {job}"
    );
    let id = text(&job, "id")?;
    let read = grpcurl.call("baton.v1.JobsService/GetJob", &json!({ "id": id }))?;
    ensure!(read == job, "GetJob answered {read} after CreateJob answered {job}");
    Ok(id)
}

/// Dormant: without a baseline it runs only when told. The egress guard refuses its address, so nothing is called.
fn create_endpoint(grpcurl: &Grpcurl, job: &str) -> Result<String> {
    let endpoint = grpcurl.call(
        "baton.v1.JobsService/CreateEndpoint",
        &json!({ "endpoint": {
            "name": "refused",
            "jobId": job,
            "request": { "method": "GET", "url": "http://127.0.0.1:9/" },
            "retry": { "maxAttempts": 1, "baseDelay": "1s", "maxDelay": "1s" },
        } }),
    )?;
    ensure!(endpoint["jobId"] == job, "CreateEndpoint answered {endpoint}");
    ensure!(
        endpoint.get("nextRun").is_none(),
        "a dormant endpoint has a next run: {endpoint}"
    );
    text(&endpoint, "id")
}

fn submit_run(grpcurl: &Grpcurl, endpoint: &str) -> Result<String> {
    let run = grpcurl.call("baton.v1.RunsService/SubmitRun", &json!({ "endpointId": endpoint }))?;
    ensure!(
        run["source"] == "manual" && run["cause"] == "CAUSE_MANUAL",
        "SubmitRun answered {run}"
    );
    text(&run, "id")
}

/// The one run of the job is listed, and ends refused.
fn check_list_runs(grpcurl: &Grpcurl, job: &str, run: &str) -> Result<()> {
    let deadline = Instant::now() + RUN_LIMIT;
    loop {
        let listed = grpcurl.call("baton.v1.RunsService/ListRuns", &json!({ "jobId": job }))?;
        let runs = listed["runs"].as_array().map_or(&[][..], Vec::as_slice);
        ensure!(
            runs.len() == 1 && runs[0]["id"] == run,
            "ListRuns answered {listed}, expected the run {run} alone"
        );
        match runs[0]["status"].as_str() {
            Some("RUN_STATUS_FAILED") => return ensure_refused(&runs[0]),
            Some("RUN_STATUS_PLANNED" | "RUN_STATUS_RUNNING") if Instant::now() < deadline => thread::sleep(RUN_POLL),
            _ => bail!(
                "the run should have been refused by the egress guard, but is {}",
                runs[0]
            ),
        }
    }
}

fn ensure_refused(run: &Value) -> Result<()> {
    ensure!(run["source"] == "manual", "the run's source is not manual: {run}");
    ensure!(
        run.get("statusCode").is_none(),
        "a refused call has an HTTP status: {run}"
    );
    text(run, "error").map(|_reason| ())
}

/// An empty name is refused with the field's path in the details, and nothing is written.
fn check_bad_input(grpcurl: &Grpcurl) -> Result<()> {
    let refusal = grpcurl.refusal("baton.v1.JobsService/CreateJob", &json!({ "name": "" }))?;
    ensure!(
        refusal.contains("Code: InvalidArgument"),
        "an empty name was answered with:\n{refusal}"
    );
    ensure!(
        refusal.contains("BadRequest"),
        "the refusal has no field violations:\n{refusal}"
    );
    let jobs = grpcurl.call("baton.v1.JobsService/ListJobs", &json!({}))?;
    let count = jobs["jobs"].as_array().map_or(0, Vec::len);
    ensure!(
        count == 1,
        "{count} jobs are listed after one was created and one refused"
    );
    Ok(())
}

fn text(message: &Value, field: &str) -> Result<String> {
    let text = message[field].as_str().filter(|text| !text.is_empty());
    Ok(text.with_context(|| format!("no {field} in {message}"))?.to_owned())
}

/// grpcurl, pointed at one server.
struct Grpcurl<'a> {
    program: PathBuf,
    processes: &'a Processes,
    address: String,
}

impl Grpcurl<'_> {
    fn list(&self) -> Result<String> {
        let output = self.output(&[&self.address, "list"])?;
        ensure!(output.status.success(), "grpcurl list: {}", lossy(&output.stderr));
        Ok(lossy(&output.stdout))
    }

    fn call(&self, method: &str, request: &Value) -> Result<Value> {
        let output = self.output(&["-d", &request.to_string(), &self.address, method])?;
        ensure!(
            output.status.success(),
            "{method} with {request}: {}",
            lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).with_context(|| format!("{method} did not answer with one JSON object"))
    }

    /// The error text of a call that must fail.
    fn refusal(&self, method: &str, request: &Value) -> Result<String> {
        let output = self.output(&["-d", &request.to_string(), &self.address, method])?;
        ensure!(
            !output.status.success(),
            "{method} with {request} was accepted: {}",
            lossy(&output.stdout)
        );
        Ok(lossy(&output.stderr))
    }

    fn output(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        self.processes
            .output(command.args(["-plaintext", "-max-time", "20"]).args(args))
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
