//! `execute` and `reschedule`: the real engine and store with a dispatcher that does nothing, on PostgreSQL.

use std::time::Duration;

use anyhow::{Result, ensure};
use baton_domain::{
    ids::uuid_floor,
    time::{Clock as _, Timestamp, before},
};
use baton_runtime::clock::SystemClock;

use crate::{
    drain::drain,
    figure::Figure,
    population::{Open, Owned, Population, open, submit},
    reference::per_second,
    server::Database,
    stage::Stage,
};

const USERS: usize = 100;
const ENDPOINTS: usize = 10_000;
const RUNS: usize = 200_000;
const NO_TIME: Duration = Duration::ZERO;
/// Of the endpoints of `reschedule`; none comes due twice.
const INTERVAL: Duration = Duration::from_secs(24 * 3_600);
/// An id begins with the planned time, and so names the partitions that need not be looked at.
const SUCCEEDED: &str = "SELECT count(*) FROM run_history WHERE status = 'succeeded' AND id >= $1";

/// A database with ten thousand dormant endpoints, and a store on it for the engine in this process.
pub struct Scene {
    pub database: Database,
    pub open: Open,
    pub endpoints: Vec<Owned>,
}

impl Scene {
    pub async fn set(stage: &Stage, name: &str) -> Result<Self> {
        let database = stage.database(name).await?;
        let open = open(&database.url).await?;
        let endpoints = Population::dormant(USERS, ENDPOINTS)
            .copy(&database, &open.opened, SystemClock.now(), NO_TIME)
            .await?;
        Ok(Self {
            database,
            open,
            endpoints,
        })
    }

    /// Submits that many runs and has them run. Runs a second.
    pub async fn drain(&self, runs: usize) -> Result<f64> {
        execute_once(&self.database, &self.open, &self.endpoints, runs).await
    }

    pub async fn strike(self) -> Result<()> {
        drop(self.open);
        self.database.drop_database().await
    }
}

/// Runs submitted and due, over ten thousand endpoints.
pub async fn execute(stage: &Stage) -> Result<Vec<Figure>> {
    let scene = Scene::set(stage, "execute").await?;
    let runs = stage.asked.runs_or(RUNS);
    let sample = async || scene.drain(runs).await;
    let figure = stage.beside_one("execute", "runs/s", &scene.database, sample).await?;
    scene.strike().await?;
    Ok(vec![figure])
}

/// Submits that many runs and has them run. Runs a second.
pub async fn execute_once(database: &Database, open: &Open, endpoints: &[Owned], runs: usize) -> Result<f64> {
    let since = SystemClock.now();
    submit(&open.opened, endpoints, runs, since, NO_TIME).await?;
    database.settle().await?;
    let took = drain(&open.opened, runs).await?;
    check(database, since, runs).await?;
    Ok(per_second(runs, took))
}

/// As many endpoints as runs, each with a plan row that is due.
pub async fn reschedule(stage: &Stage) -> Result<Vec<Figure>> {
    let bare = stage.database("reschedule_ref").await?;
    let runs = stage.asked.runs_or(RUNS);
    let sample = async || reschedule_once(stage, runs).await;
    let figure = stage.beside_one("reschedule", "runs/s", &bare, sample).await?;
    bare.drop_database().await?;
    Ok(vec![figure])
}

async fn reschedule_once(stage: &Stage, runs: usize) -> Result<f64> {
    let database = stage.database("reschedule").await?;
    let open = open(&database.url).await?;
    let due = before(SystemClock.now(), Duration::from_secs(1));
    let population = Population {
        interval: Some(INTERVAL),
        ..Population::dormant(USERS, runs + USERS)
    };
    population.copy(&database, &open.opened, due, NO_TIME).await?;
    database.settle().await?;
    let took = drain(&open.opened, runs).await?;
    check(&database, before(due, Duration::from_secs(1)), runs).await?;
    let planned = database
        .count("SELECT count(*) FROM live_runs WHERE slot = 'plan' AND due_at > now()")
        .await?;
    ensure!(
        usize::try_from(planned) == Ok(runs + USERS),
        "{planned} next runs are planned"
    );
    drop(open);
    database.drop_database().await?;
    Ok(per_second(runs, took))
}

/// Fails unless exactly that many of the runs that were planned since then have succeeded, and none is left to be run. Their
/// ids are the history's key: each is there once.
pub async fn check(database: &Database, since: Timestamp, runs: usize) -> Result<()> {
    let succeeded: i64 = database.number(SUCCEEDED, &[&uuid_floor(since)]).await?;
    ensure!(
        usize::try_from(succeeded) == Ok(runs),
        "{succeeded} of {runs} runs are in the history"
    );
    let left = database
        .count("SELECT count(*) FROM live_runs WHERE slot <> 'plan'")
        .await?;
    ensure!(left == 0, "{left} runs are left in the queue");
    Ok(())
}
