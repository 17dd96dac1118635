//! `http`: a scheduler's own process calls a sink in another one. Also what other benches with real processes share.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use baton_domain::time::{Clock as _, Timestamp, elapsed};
use baton_runtime::clock::SystemClock;

use super::execute::check;
use crate::{
    figure::Figure,
    population::{Owned, Population, open, submit},
    reference::per_second,
    scheduler::{Listening, scheduler, sink},
    server::Database,
    sink::Seen,
    stage::Stage,
};

const USERS: usize = 100;
const ENDPOINTS: usize = 10_000;
const RUNS: usize = 50_000;
/// Longest wait for all runs to be over.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(20);
/// While there is none that is planned or under way, everything is over.
pub const LEFT: &str = "SELECT count(*) FROM (SELECT 1 FROM live_runs WHERE slot <> 'plan' LIMIT 1) AS one";
const FIRST_START: &str = "SELECT min(started_at) FROM run_history WHERE started_at >= $1";

/// Runs that are due when a scheduler starts.
pub async fn http(stage: &Stage) -> Result<Vec<Figure>> {
    let runs = stage.asked.runs_or(RUNS);
    let bare = stage.database("http_ref").await?;
    let mut scene = Scene::set(stage, "http").await?;
    let figure = stage
        .beside_one("http", "runs/s", &bare, async || scene.sample(stage, runs).await)
        .await?;
    scene.strike().await?;
    bare.drop_database().await?;
    Ok(vec![figure])
}

/// A database with endpoints that call a sink.
pub struct Scene {
    pub database: Database,
    pub sink: Listening,
    pub endpoints: Vec<Owned>,
}

impl Scene {
    pub async fn set(stage: &Stage, name: &str) -> Result<Self> {
        Self::of(stage, name, USERS, ENDPOINTS).await
    }

    pub async fn of(stage: &Stage, name: &str, users: usize, endpoints: usize) -> Result<Self> {
        let database = stage.database(name).await?;
        let sink = sink(stage.folder()).await?;
        let population = Population {
            url: format!("http://{}/", sink.address),
            ..Population::dormant(users, endpoints)
        };
        let open = open(&database.url).await?;
        let now = SystemClock.now();
        let endpoints = population.copy(&database, &open.opened, now, Duration::ZERO).await?;
        Ok(Self {
            database,
            sink,
            endpoints,
        })
    }

    /// Submits that many runs for now, then starts a scheduler. Runs a second from the first start to the last end.
    pub async fn sample(&mut self, stage: &Stage, runs: usize) -> Result<f64> {
        let planned = SystemClock.now();
        let open = open(&self.database.url).await?;
        submit(&open.opened, &self.endpoints, runs, planned, Duration::ZERO).await?;
        drop(open);
        self.database.settle().await?;
        let since = SystemClock.now();
        let scheduler = scheduler(stage.folder(), &self.database.url).await?;
        let took = all_over(&self.database, since).await?;
        scheduler.stop().await?;
        check(&self.database, planned, runs).await?;
        called_once(&mut self.sink, runs).await?;
        Ok(per_second(runs, took))
    }

    pub async fn strike(self) -> Result<()> {
        self.database.drop_database().await
    }
}

/// Waits until nothing is left but plans. How long that was from the first start after `since`, by this machine's clock.
async fn all_over(database: &Database, since: Timestamp) -> Result<Duration> {
    let client = database.connect().await?;
    let over = once_nothing(async || Ok(client.query_one(LEFT, &[]).await?.try_get(0)?)).await?;
    let first: Option<Timestamp> = database.number(FIRST_START, &[&since]).await?;
    Ok(elapsed(first.context("nothing has started")?, over))
}

/// Looks until nothing is left. When that was.
pub async fn once_nothing(mut left: impl AsyncFnMut() -> Result<i64>) -> Result<Timestamp> {
    let begun = Instant::now();
    while left().await? > 0 {
        ensure!(begun.elapsed() < PATIENCE, "runs are not over after {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
    Ok(SystemClock.now())
}

/// Fails unless the sink was called for each of that many runs, once and not before its time.
pub async fn called_once(sink: &mut Listening, runs: usize) -> Result<Seen> {
    let seen = sink.seen().await?;
    ensure!(seen.runs == runs, "{} of {runs} runs reached the sink", seen.runs);
    ensure!(seen.calls == runs, "{runs} runs were called {} times", seen.calls);
    ensure!(seen.early == 0, "{} calls came before their time", seen.early);
    Ok(seen)
}
