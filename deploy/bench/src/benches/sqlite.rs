//! `sqlite-execute` and `sqlite-http`: the same on a SQLite file, beside SQLite's own single-row commits.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use baton_domain::time::{Clock as _, Timestamp, elapsed};
use baton_runtime::clock::SystemClock;
use sea_orm::sqlx::{self, ConnectOptions as _, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use super::real::{self, LEFT, called_once, once_nothing};
use crate::{
    drain::drain,
    figure::Figure,
    population::{Open, Owned, Population, open, submit},
    reference::{self, per_second},
    scheduler::{scheduler, sink},
    stage::Stage,
};

const USERS: usize = 100;
const ENDPOINTS: usize = 10_000;
const EXECUTED: usize = 100_000;
const CALLED: usize = 50_000;
const FINISHED: &str = "SELECT count(*) FROM run_history WHERE status = 'succeeded'";
const FIRST_START: &str = "SELECT min(started_at) FROM run_history WHERE started_at >= ?";

/// Runs submitted and due, over ten thousand endpoints.
pub async fn execute(stage: &Stage) -> Result<Vec<Figure>> {
    let file = File::new()?;
    let (open, endpoints) = file.populate(Population::dormant(USERS, ENDPOINTS)).await?;
    let runs = stage.asked.runs_or(EXECUTED);
    let mut sample = async || {
        let before = file.count(FINISHED).await?;
        submit(&open.opened, &endpoints, runs, SystemClock.now(), Duration::ZERO).await?;
        let took = drain(&open.opened, runs).await?;
        file.check(before, runs).await?;
        Ok(per_second(runs, took))
    };
    let bare = async || reference::sqlite(file.folder.path(), stage.reference_lasts()).await;
    let figure = stage
        .beside("sqlite-execute", "runs/s", reference::SQLITE, bare, &mut sample)
        .await?;
    Ok(vec![figure])
}

/// A scheduler on a file; each sample after one of `http`.
pub async fn http(stage: &Stage) -> Result<Vec<Figure>> {
    let runs = stage.asked.runs_or(CALLED);
    let scene = real::Scene::set(stage, "sqlite_http_ref").await?;
    let mut scene = scene;
    let mut sample = async || http_once(stage, runs).await;
    let figure = stage
        .beside(
            "sqlite-http",
            "runs/s",
            "http",
            async || scene.sample(stage, runs).await,
            &mut sample,
        )
        .await?;
    scene.strike().await?;
    Ok(vec![figure])
}

async fn http_once(stage: &Stage, runs: usize) -> Result<f64> {
    let file = File::new()?;
    let mut sink = sink(stage.folder()).await?;
    let population = Population {
        url: format!("http://{}/", sink.address),
        ..Population::dormant(USERS, ENDPOINTS)
    };
    let (open, endpoints) = file.populate(population).await?;
    submit(&open.opened, &endpoints, runs, SystemClock.now(), Duration::ZERO).await?;
    // The file is served by one process at a time.
    drop(open);
    let since = SystemClock.now();
    let scheduler = scheduler(stage.folder(), &file.url()).await?;
    let over = once_nothing(async || file.count(LEFT).await).await?;
    scheduler.stop().await?;
    file.check(0, runs).await?;
    called_once(&mut sink, runs).await?;
    let mut reader = file.reader().await?;
    let first: Option<Timestamp> = sqlx::query_scalar(FIRST_START)
        .bind(since)
        .fetch_one(&mut reader)
        .await?;
    Ok(per_second(runs, elapsed(first.context("nothing has started")?, over)))
}

/// A database in a folder of its own.
struct File {
    folder: TempDir,
}

impl File {
    fn new() -> Result<Self> {
        Ok(Self {
            folder: TempDir::new()?,
        })
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bench.db")
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    async fn populate(&self, population: Population) -> Result<(Open, Vec<Owned>)> {
        let open = open(&self.url()).await?;
        let endpoints = population.insert(&open.opened).await?;
        Ok((open, endpoints))
    }

    async fn reader(&self) -> Result<SqliteConnection> {
        let options = SqliteConnectOptions::new().filename(self.path()).read_only(true);
        Ok(options.disable_statement_logging().connect().await?)
    }

    async fn count(&self, query: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(query).fetch_one(&mut self.reader().await?).await?)
    }

    /// Fails unless exactly that many runs were added to the history.
    async fn check(&self, before: i64, runs: usize) -> Result<()> {
        let added = self.count(FINISHED).await? - before;
        ensure!(
            usize::try_from(added) == Ok(runs),
            "{added} of {runs} runs are in the history"
        );
        let left = self.count(LEFT).await?;
        ensure!(left == 0, "{left} runs are left in the queue");
        Ok(())
    }
}
