//! The watches of a sample, and the count of what they are told.

use std::collections::HashSet;

use anyhow::{Context as _, Result, ensure};
use baton_domain::{ids::JobId, time::Clock as _};
use baton_proto::v1::{
    Run, RunStatus, WatchRunsRequest, WatchRunsResponse, runs_service_client::RunsServiceClient,
    watch_runs_response::Event,
};
use baton_runtime::clock::SystemClock;
use tokio::{sync::mpsc, task::JoinHandle};
use tonic::{Code, Streaming, transport::Channel};

use crate::{scheduler::channel, spread::Spread};

/// Connections that the watches share.
const CONNECTIONS: usize = 8;

/// The end of a run, as one watch was told of it.
#[derive(Debug)]
pub struct Received {
    pub run: String,
    /// Of the run's own job; else of all runs of the user.
    pub by_job: bool,
    /// Microseconds from its `finish_time` to its arrival.
    pub late: i64,
}

/// Opens a watch of each job and one of all runs of the user. Each stands when this returns, and goes on until the
/// scheduler ends it.
pub async fn watch_all(
    address: &str,
    jobs: &[JobId],
    told: mpsc::Sender<Received>,
) -> Result<Vec<JoinHandle<Result<()>>>> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(channel(address).await?);
    }
    let mut watches = Vec::new();
    for (number, job) in jobs.iter().copied().map(Some).chain([None]).enumerate() {
        let stream = open(&channels[number % CONNECTIONS], job).await?;
        watches.push(tokio::spawn(read(stream, job, told.clone())));
    }
    Ok(watches)
}

/// A watch has its place once its first message is here.
async fn open(channel: &Channel, job: Option<JobId>) -> Result<Streaming<WatchRunsResponse>> {
    let request = WatchRunsRequest {
        job_id: job.map(|job| job.0.to_string()),
        statuses: vec![RunStatus::Succeeded.into()],
        ..WatchRunsRequest::default()
    };
    let mut stream = RunsServiceClient::new(channel.clone())
        .watch_runs(request)
        .await?
        .into_inner();
    let first = stream.message().await?.and_then(|message| message.event);
    ensure!(
        matches!(first, Some(Event::Progress(_))),
        "a watch begins with {first:?}"
    );
    Ok(stream)
}

async fn read(
    mut stream: Streaming<WatchRunsResponse>,
    job: Option<JobId>,
    told: mpsc::Sender<Received>,
) -> Result<()> {
    let job = job.map(|job| job.0.to_string());
    loop {
        let message = match stream.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            // The server stops.
            Err(status) if status.code() == Code::Unavailable => return Ok(()),
            Err(status) => return Err(status.into()),
        };
        let now = SystemClock.now().timestamp_micros();
        if let Some(Event::Run(run)) = message.event {
            told.send(received(run, job.as_deref(), now)?).await?;
        }
    }
}

fn received(run: Run, job: Option<&str>, now: i64) -> Result<Received> {
    ensure!(
        run.status() == RunStatus::Succeeded,
        "a watch of ends is told of {run:?}"
    );
    ensure!(
        job.is_none() || run.job_id.as_deref() == job,
        "a watch of another job is told of {run:?}"
    );
    let finished = run.finish_time.context("a run that is over has its time")?;
    Ok(Received {
        run: run.id,
        by_job: job.is_some(),
        late: now - (finished.seconds * 1_000_000 + i64::from(finished.nanos) / 1_000),
    })
}

/// What all watches of a sample were told.
#[derive(Debug, Default)]
pub struct Tally {
    of_job: HashSet<String>,
    of_user: HashSet<String>,
    late: Vec<i64>,
}

impl Tally {
    pub fn len(&self) -> usize {
        self.late.len()
    }

    /// Fails when the same watch was told of this end before.
    pub fn add(&mut self, received: Received) -> Result<()> {
        let Received { run, by_job, late } = received;
        let told = if by_job { &mut self.of_job } else { &mut self.of_user };
        ensure!(!told.contains(&run), "the end of run {run} was told twice");
        told.insert(run);
        self.late.push(late);
        Ok(())
    }

    /// Fails unless the watches of the jobs were told of that many runs, and that of the user of the same.
    pub fn spread(self, runs: usize) -> Result<Spread> {
        let (of_job, of_user) = (self.of_job.len(), self.of_user.len());
        ensure!(
            of_job == runs && self.of_job == self.of_user,
            "of {runs} runs that ended, watches of jobs were told of {of_job}, that of the user of {of_user}"
        );
        Ok(Spread::of(self.late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(run: &str, by_job: bool) -> Received {
        Received {
            run: run.to_owned(),
            by_job,
            late: 2_000,
        }
    }

    #[test]
    fn each_end_is_told_once_to_each_of_its_two_watches() {
        let mut tally = Tally::default();
        for by_job in [true, false] {
            tally.add(told("a", by_job)).unwrap();
        }
        let twice = tally.add(told("a", true)).unwrap_err().to_string();
        assert_eq!(twice, "the end of run a was told twice");
        assert!((tally.spread(1).unwrap().p99 - 2.0).abs() < f64::EPSILON);
    }

    #[test]
    fn an_end_that_one_of_them_missed_is_an_error() {
        for (by_job, other) in [(true, false), (false, true)] {
            let mut tally = Tally::default();
            tally.add(told("a", by_job)).unwrap();
            tally.add(told("b", other)).unwrap();
            tally.spread(1).unwrap_err();
        }
    }

    #[test]
    fn what_belongs_to_another_job_is_an_error() {
        let run = |job: &str| Run {
            job_id: Some(job.to_owned()),
            status: RunStatus::Succeeded.into(),
            finish_time: Some(prost_types::Timestamp {
                seconds: 7,
                nanos: 5_000,
            }),
            ..Run::default()
        };
        assert_eq!(received(run("a"), Some("a"), 7_000_105).unwrap().late, 100);
        received(run("b"), Some("a"), 7_000_105).unwrap_err();
    }
}
