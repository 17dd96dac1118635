//! `submit-unary` and `submit-stream`: callers of the API whose runs are durable before the answer. The runs are for later,
//! so that nothing else happens.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use baton_domain::time::{Clock as _, after};
use baton_proto::v1::{
    SubmitRunRequest, SubmitRunsRequest, runs_service_client::RunsServiceClient, submit_runs_result::Outcome,
};
use baton_runtime::clock::SystemClock;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tonic::transport::Channel;

use crate::{
    figure::Figure,
    population::{Owned, Population, open},
    reference::{self, per_second},
    scheduler::{Listening, channel, scheduler},
    server::Database,
    stage::Stage,
};

const ENDPOINTS: usize = 10_000;
const CALLERS: usize = 64;
/// Connections that the callers share.
const CONNECTIONS: usize = 4;
const CALLS: usize = 100_000;
const STREAMED: usize = 200_000;
/// Messages that one stream may have.
const STREAM: usize = 50_000;
const LATER: Duration = Duration::from_secs(24 * 3_600);
const WAITING: &str = "SELECT count(*) FROM live_runs WHERE slot = 'extra' AND status = 'planned'";

/// [`CALLERS`] at a time, on [`CONNECTIONS`].
pub async fn unary(stage: &Stage) -> Result<Vec<Figure>> {
    let scene = Scene::set(stage, "submit_unary").await?;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(channel(&scene.scheduler.address).await?);
    }
    let calls = stage.asked.runs_or(CALLS);
    let sample = async || {
        scene
            .sample(calls, async || call(&channels, &scene.endpoints, calls).await)
            .await
    };
    let figure = stage
        .beside_one("submit-unary", "runs/s", &scene.database, sample)
        .await?;
    scene.strike().await?;
    Ok(vec![figure])
}

/// One stream at a time, on one connection: a new one where the last had to end.
pub async fn streamed(stage: &Stage) -> Result<Vec<Figure>> {
    let scene = Scene::set(stage, "submit_stream").await?;
    let channel = channel(&scene.scheduler.address).await?;
    let runs = stage.asked.runs_or(STREAMED);
    let mut sample = async || {
        scene
            .sample(runs, async || send(&channel, &scene.endpoints, runs).await)
            .await
    };
    let bare = async || reference::copy(&scene.database, runs).await;
    let figure = stage
        .beside("submit-stream", "rows/s", reference::COPY, bare, &mut sample)
        .await?;
    scene.strike().await?;
    Ok(vec![figure])
}

/// A scheduler, and endpoints of the only user that its API knows of.
struct Scene {
    database: Database,
    scheduler: Listening,
    endpoints: Vec<Owned>,
}

impl Scene {
    async fn set(stage: &Stage, name: &str) -> Result<Self> {
        let database = stage.database(name).await?;
        let opened = open(&database.url).await?;
        let endpoints = Population::dormant(1, ENDPOINTS)
            .copy(&database, &opened.opened, SystemClock.now(), Duration::ZERO)
            .await?;
        drop(opened);
        let scheduler = scheduler(stage.folder(), &database.url).await?;
        Ok(Self {
            database,
            scheduler,
            endpoints,
        })
    }

    /// Runs a second. Fails unless exactly as many wait as were submitted, all of which must be accepted.
    async fn sample(&self, runs: usize, submit: impl AsyncFnOnce() -> Result<()>) -> Result<f64> {
        let before = self.database.count(WAITING).await?;
        self.database.settle().await?;
        let begun = Instant::now();
        submit().await?;
        let took = begun.elapsed();
        let added = self.database.count(WAITING).await? - before;
        ensure!(
            usize::try_from(added) == Ok(runs),
            "{runs} runs were accepted, {added} wait"
        );
        Ok(per_second(runs, took))
    }

    async fn strike(self) -> Result<()> {
        self.scheduler.stop().await?;
        self.database.drop_database().await
    }
}

/// So many calls, of [`CALLERS`] at a time.
async fn call(channels: &[Channel], endpoints: &[Owned], calls: usize) -> Result<()> {
    let at = tomorrow();
    let caller = |caller: usize| {
        let mut client = RunsServiceClient::new(channels[caller % channels.len()].clone());
        async move {
            for number in (caller..calls).step_by(CALLERS) {
                client.submit_run(request(endpoints, number, at)).await?;
            }
            anyhow::Ok(())
        }
    };
    let callers = stream::iter((0..CALLERS).map(caller)).buffer_unordered(CALLERS);
    callers.try_collect().await
}

/// So many messages, [`STREAM`] of them in a stream. Fails when one is not accepted.
async fn send(channel: &Channel, endpoints: &[Owned], runs: usize) -> Result<()> {
    let at = tomorrow();
    let mut client = RunsServiceClient::new(channel.clone());
    for first in (0..runs).step_by(STREAM) {
        let numbers = first..runs.min(first + STREAM);
        let sent = numbers.len();
        let requests: Vec<SubmitRunsRequest> = numbers
            .map(|number| SubmitRunsRequest {
                run: Some(request(endpoints, number, at)),
            })
            .collect();
        let results = client.submit_runs(stream::iter(requests)).await?.into_inner().results;
        let accepted = results
            .iter()
            .filter(|result| matches!(result.outcome, Some(Outcome::RunId(_))));
        let accepted = accepted.count();
        ensure!(accepted == sent, "{accepted} of {sent} runs of a stream were accepted");
    }
    Ok(())
}

fn request(endpoints: &[Owned], number: usize, at: prost_types::Timestamp) -> SubmitRunRequest {
    SubmitRunRequest {
        endpoint_id: endpoints[number % endpoints.len()].0.to_string(),
        planned_time: Some(at),
        request_id: String::new(),
    }
}

fn tomorrow() -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: after(SystemClock.now(), LATER).timestamp(),
        nanos: 0,
    }
}
