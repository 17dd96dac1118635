//! `submit-unary`: callers of the API, each waiting for its commit. The runs are for later, so that nothing else happens.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use baton_domain::time::{Clock as _, after};
use baton_proto::v1::{SubmitRunRequest, runs_service_client::RunsServiceClient};
use baton_runtime::clock::SystemClock;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tonic::transport::Channel;

use crate::{
    figure::Figure,
    population::{Owned, Population, open},
    reference::per_second,
    scheduler::{channel, scheduler},
    stage::Stage,
};

const ENDPOINTS: usize = 10_000;
const CALLERS: usize = 64;
/// Connections that the callers share.
const CONNECTIONS: usize = 4;
const CALLS: usize = 100_000;
const LATER: Duration = Duration::from_secs(24 * 3_600);
const WAITING: &str = "SELECT count(*) FROM live_runs WHERE slot = 'extra' AND status = 'planned'";

pub async fn unary(stage: &Stage) -> Result<Vec<Figure>> {
    let database = stage.database("submit_unary").await?;
    // The only user that the API knows of.
    let opened = open(&database.url).await?;
    let endpoints = Population::dormant(1, ENDPOINTS)
        .copy(&database, &opened.opened, SystemClock.now(), Duration::ZERO)
        .await?;
    drop(opened);
    let scheduler = scheduler(stage.folder(), &database.url).await?;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(channel(&scheduler.address).await?);
    }
    let calls = stage.asked.runs_or(CALLS);
    let sample = async || {
        let before = database.count(WAITING).await?;
        database.settle().await?;
        let begun = Instant::now();
        call(&channels, &endpoints, calls).await?;
        let took = begun.elapsed();
        let added = database.count(WAITING).await? - before;
        ensure!(
            usize::try_from(added) == Ok(calls),
            "{calls} runs were accepted, {added} wait"
        );
        Ok(per_second(calls, took))
    };
    let figure = stage.beside_one("submit-unary", "runs/s", &database, sample).await?;
    scheduler.stop().await?;
    database.drop_database().await?;
    Ok(vec![figure])
}

/// So many calls, of [`CALLERS`] at a time.
async fn call(channels: &[Channel], endpoints: &[Owned], calls: usize) -> Result<()> {
    let at = after(SystemClock.now(), LATER);
    let planned_time = Some(prost_types::Timestamp {
        seconds: at.timestamp(),
        nanos: 0,
    });
    let caller = |caller: usize| {
        let mut client = RunsServiceClient::new(channels[caller % channels.len()].clone());
        async move {
            for number in (caller..calls).step_by(CALLERS) {
                let request = SubmitRunRequest {
                    endpoint_id: endpoints[number % endpoints.len()].0.to_string(),
                    planned_time,
                    request_id: String::new(),
                };
                client.submit_run(request).await?;
            }
            anyhow::Ok(())
        }
    };
    let callers = stream::iter((0..CALLERS).map(caller)).buffer_unordered(CALLERS);
    callers.try_collect().await
}
