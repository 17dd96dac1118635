//! The load that a fault meets: endpoints with a fast cadence, and a stream of submitted runs.
//!
//! A run counts as accepted when a scheduler has answered so. One that does not answer is asked again, or another one is,
//! with the same request id, as a careful client would.

use std::time::Duration;

use anyhow::Result;
use baton_proto::v1::{
    CreateEndpointRequest, Endpoint, HttpRequest, SubmitRunRequest, endpoint::Baseline,
    jobs_service_client::JobsServiceClient, runs_service_client::RunsServiceClient,
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, stream};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint as Address};
use uuid::Uuid;

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a submission is tried again.
const PATIENCE: Duration = Duration::from_secs(30);
/// Submissions that wait for an answer at once.
const CONCURRENCY: usize = 64;

/// Channels to schedulers, connected when needed and again after a loss.
pub fn channels(addresses: impl IntoIterator<Item = String>) -> Result<Vec<Channel>> {
    let channel = |address: String| {
        let address = Address::from_shared(format!("http://{address}"))?;
        anyhow::Ok(address.connect_timeout(ANSWER).timeout(ANSWER).connect_lazy())
    };
    addresses.into_iter().map(channel).collect()
}

/// Creates an endpoint that calls `url`, dormant without an interval. Returns its id.
pub async fn create_endpoint(channel: &Channel, name: &str, url: &str, interval: Option<Duration>) -> Result<String> {
    let endpoint = Endpoint {
        name: name.to_owned(),
        request: Some(HttpRequest {
            method: "POST".to_owned(),
            url: url.to_owned(),
            ..HttpRequest::default()
        }),
        baseline: interval
            .map(|interval| interval.try_into().map(Baseline::Interval))
            .transpose()?,
        ..Endpoint::default()
    };
    let request = CreateEndpointRequest {
        endpoint: Some(endpoint),
        ..CreateEndpointRequest::default()
    };
    Ok(JobsServiceClient::new(channel.clone())
        .create_endpoint(request)
        .await?
        .into_inner()
        .id)
}

/// Submits until it is accepted; `None` when nobody has taken it for a long time.
async fn submit(channels: &[Channel], number: usize, endpoint_id: String, at: Option<DateTime<Utc>>) -> Option<Uuid> {
    let planned_time = at.map(|at| prost_types::Timestamp {
        seconds: at.timestamp(),
        nanos: 0,
    });
    let request = SubmitRunRequest {
        endpoint_id,
        planned_time,
        request_id: format!("submission-{number}"),
    };
    let deadline = Instant::now() + PATIENCE;
    for channel in channels.iter().cycle().skip(number % channels.len()) {
        match RunsServiceClient::new(channel.clone())
            .submit_run(request.clone())
            .await
        {
            Ok(run) => return Uuid::parse_str(&run.into_inner().id).ok(),
            Err(_) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => {
                eprintln!("submission {number} was never accepted: {error}");
                return None;
            }
        }
    }
    None
}

/// Submits `count` runs that are planned for one instant. Returns the accepted ones.
pub async fn submit_many(channels: &[Channel], endpoints: &[String], count: usize, at: DateTime<Utc>) -> Vec<Uuid> {
    let submissions = (0..count).map(|number| {
        let endpoint = endpoints[number % endpoints.len()].clone();
        submit(channels, number, endpoint, Some(at))
    });
    let accepted = stream::iter(submissions).buffer_unordered(CONCURRENCY);
    accepted.filter_map(std::future::ready).collect().await
}

/// A stream of submissions until it is stopped.
pub struct Load {
    stop: CancellationToken,
    task: JoinHandle<Vec<Uuid>>,
}

impl Load {
    pub fn start(channels: Vec<Channel>, endpoints: Vec<String>, every: Duration) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(keep_submitting(channels, endpoints, every, stop.clone()));
        Self { stop, task }
    }

    /// Waits for what is under way. Returns the accepted runs.
    pub async fn stop(self) -> Result<Vec<Uuid>> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

async fn keep_submitting(
    channels: Vec<Channel>,
    endpoints: Vec<String>,
    every: Duration,
    stop: CancellationToken,
) -> Vec<Uuid> {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut submissions = JoinSet::new();
    for number in 0.. {
        if stop.run_until_cancelled(ticks.tick()).await.is_none() {
            break;
        }
        let (channels, endpoint) = (channels.clone(), endpoints[number % endpoints.len()].clone());
        submissions.spawn(async move { submit(&channels, number, endpoint, None).await });
    }
    submissions.join_all().await.into_iter().flatten().collect()
}
