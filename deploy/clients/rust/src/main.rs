//! The story with Rust's stubs and their connection (feature `client`): a job and an endpoint, a run watched to its end,
//! a list by source, a refusal read.
//!
//! Started by `cargo xtask clients` with the scheduler's address and a URL that answers 200. Prints one line.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use baton_proto::{
    client::{Connect, Transport},
    v1::{
        CreateEndpointRequest, CreateJobRequest, Endpoint, HttpRequest, ListRunsRequest, Run, RunStatus,
        SubmitRunRequest, WatchRunsRequest, jobs_service_client::JobsServiceClient,
        runs_service_client::RunsServiceClient, watch_runs_response::Event,
    },
};
use tonic::Code;
use tonic_types::{FieldViolation, StatusExt as _};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("no address")?;
    let url = arguments.next().context("no URL")?;
    let line = tokio::time::timeout(Duration::from_secs(30), story(&address, url)).await??;
    println!("{line}");
    Ok(())
}

async fn story(address: &str, url: String) -> Result<String> {
    let baton = Connect::to(format!("http://{address}")).lazily()?;
    let (mut jobs, mut runs) = (baton.jobs(), baton.runs());

    let job = CreateJobRequest {
        name: "story in Rust".to_owned(),
        request_id: "story-in-rust".to_owned(),
        ..CreateJobRequest::default()
    };
    let job = jobs.create_job(job).await?.into_inner();
    let endpoint = CreateEndpointRequest {
        endpoint: Some(told_to(job.id.clone(), url)),
        ..CreateEndpointRequest::default()
    };
    let endpoint = jobs.create_endpoint(endpoint).await?.into_inner();
    let run = run_to_its_end(&mut runs, &endpoint.id).await?;
    ensure!(
        run.status() == RunStatus::Succeeded && run.status_code == Some(200),
        "the run ended as {run:?}"
    );
    check_lists_by_source(&mut runs, &job.id, &run.id).await?;
    let violation = refusal(&mut jobs).await?;
    Ok(format!(
        "rust: run {} {} with 200; refused: {} {}",
        run.id, run.source, violation.field, violation.description
    ))
}

fn told_to(job_id: String, url: String) -> Endpoint {
    Endpoint {
        job_id: Some(job_id),
        name: "told to".to_owned(),
        request: Some(HttpRequest {
            method: "POST".to_owned(),
            url,
            body: Some(br#"{"from":"rust"}"#.to_vec()),
            ..HttpRequest::default()
        }),
        ..Endpoint::default()
    }
}

/// Submits a run and answers with it once the watch, opened before, has told of its end.
async fn run_to_its_end(runs: &mut RunsServiceClient<Transport>, endpoint_id: &str) -> Result<Run> {
    let watch = WatchRunsRequest {
        endpoint_id: Some(endpoint_id.to_owned()),
        ..WatchRunsRequest::default()
    };
    let mut watch = runs.watch_runs(watch).await?.into_inner();
    // The first message says that nothing is missed from here on.
    watch.message().await?.context("the watch ended")?;
    let run = SubmitRunRequest {
        endpoint_id: endpoint_id.to_owned(),
        ..SubmitRunRequest::default()
    };
    let submitted = runs.submit_run(run).await?.into_inner();
    while let Some(change) = watch.message().await? {
        match change.event {
            Some(Event::Run(run)) if run.id == submitted.id && run.finish_time.is_some() => return Ok(run),
            _ => {}
        }
    }
    bail!("the watch ended before the run did")
}

/// Finds the run, and it alone, among the manual runs of its job, and none among the baseline's.
async fn check_lists_by_source(runs: &mut RunsServiceClient<Transport>, job_id: &str, run_id: &str) -> Result<()> {
    for (source, expected) in [("manual", &[run_id][..]), ("baseline", &[])] {
        let list = ListRunsRequest {
            job_id: Some(job_id.to_owned()),
            source: Some(source.to_owned()),
            ..ListRunsRequest::default()
        };
        let listed = runs.list_runs(list).await?.into_inner().runs;
        let found: Vec<&str> = listed.iter().map(|run| run.id.as_str()).collect();
        ensure!(
            found == expected,
            "runs with source {source} are {found:?}, not {expected:?}"
        );
    }
    Ok(())
}

/// Sends a job without a name and reads what is wrong with it.
async fn refusal(jobs: &mut JobsServiceClient<Transport>) -> Result<FieldViolation> {
    let Err(refused) = jobs.create_job(CreateJobRequest::default()).await else {
        bail!("a job without a name was accepted");
    };
    ensure!(refused.code() == Code::InvalidArgument, "refused with {refused:?}");
    let details = refused.get_error_details();
    let violations = details
        .bad_request()
        .context("no BadRequest")?
        .field_violations
        .as_slice();
    match violations {
        [only] => Ok(only.clone()),
        several => bail!("the refusal names {} fields", several.len()),
    }
}
