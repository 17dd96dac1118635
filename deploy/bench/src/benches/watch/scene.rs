//! The jobs whose runs are watched, and the scheduler that they are watched through.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use baton_domain::{
    endpoint::RetryPolicy,
    ids::{JobId, UserId},
    limits,
    services::EndpointDraft,
    time::Clock as _,
};
use baton_runtime::clock::SystemClock;
use baton_store::Opened;
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    population::{Owned, no_key, open, services, submit},
    scheduler::{Listening, scheduler_with, sink},
    server::Database,
    stage::Stage,
};

const JOBS: usize = 199;
/// Of each job, so that no run waits for another one of its endpoint.
const ENDPOINTS: usize = 10;
/// Longest wait for the call that is held.
const PATIENCE: Duration = Duration::from_secs(30);

/// Jobs of the only user that the API knows of.
pub struct Scene {
    pub database: Database,
    pub sink: Listening,
    pub jobs: Vec<JobId>,
    /// Those of different jobs by turns.
    pub endpoints: Vec<Owned>,
}

impl Scene {
    pub async fn set(stage: &Stage) -> Result<Self> {
        let database = stage.database("watch").await?;
        let sink = sink(stage.folder()).await?;
        let url = format!("http://{}/", sink.address);
        let opened = open(&database.url).await?;
        let jobs = jobs(&opened.opened).await?;
        let mut endpoints = Vec::new();
        for _ in 0..ENDPOINTS {
            for job in &jobs {
                endpoints.push(endpoint(&opened.opened, Some(*job), draft(&url)).await?);
            }
        }
        Ok(Self {
            database,
            sink,
            jobs,
            endpoints,
        })
    }

    pub async fn strike(self) -> Result<()> {
        self.database.drop_database().await
    }
}

/// The call that takes up the only place of a scheduler, until it is let go.
pub struct Held(TcpStream);

impl Held {
    /// Starts a scheduler with one place for calls, and returns once that is taken. No other may run yet.
    pub async fn start(stage: &Stage, scene: &Scene, opened: &Opened) -> Result<(Listening, Self)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let draft = EndpointDraft {
            timeout: Some(limits::TIMEOUT_MAX),
            retry: Some(RetryPolicy {
                max_attempts: 1,
                ..RetryPolicy::default()
            }),
            ..draft(&format!("http://{}/", listener.local_addr()?))
        };
        let endpoint = endpoint(opened, None, draft).await?;
        submit(opened, &[endpoint], 1, SystemClock.now(), Duration::ZERO).await?;
        let one_place = ["--concurrency", "1"];
        let scheduler = scheduler_with(stage.folder(), &scene.database.url, &one_place).await?;
        let called = timeout(PATIENCE, listener.accept()).await;
        let (call, _) = called.context("the scheduler that is watched does not call")??;
        Ok((scheduler, Self(call)))
    }

    /// The call fails, and is over with that.
    pub fn let_go(self) {
        drop(self.0);
    }
}

async fn jobs(opened: &Opened) -> Result<Vec<JobId>> {
    let services = services(opened);
    let mut jobs = Vec::new();
    for number in 1..=JOBS {
        let made = services
            .create_job(&user(), &format!("job {number}"), "", &no_key())
            .await;
        jobs.push(made.map_err(|error| anyhow!("{error}"))?.id);
    }
    Ok(jobs)
}

async fn endpoint(opened: &Opened, job: Option<JobId>, draft: EndpointDraft) -> Result<Owned> {
    let made = services(opened).create_endpoint(&user(), job, &draft, &no_key()).await;
    let schedule = made.map_err(|error| anyhow!("{error}"))?;
    Ok((schedule.endpoint.id, schedule.endpoint.user_id.clone()))
}

fn draft(url: &str) -> EndpointDraft {
    EndpointDraft {
        name: "endpoint".to_owned(),
        method: "POST".to_owned(),
        url: url.to_owned(),
        ..EndpointDraft::default()
    }
}

fn user() -> UserId {
    UserId("local".to_owned())
}
