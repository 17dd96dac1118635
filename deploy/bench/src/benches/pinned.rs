//! `pinned`: `execute` at 2 000 runs a second while another session holds a snapshot open, so that nothing of what the
//! queue leaves behind can be cleaned away.
//!
//! Runs are submitted as time goes on, a quarter of a second's worth at a time, each due half a millisecond after the one
//! before; the engine runs all the while. `pinned` is the rate at which ends are committed in the last 30 seconds of the
//! pin, over that of 30 seconds before it: 1 while the engine keeps up. What is left to keep up with is told by
//! `pinned-drain`: with the snapshot still open, runs that are all due at once, over the same before the pin.

use std::time::Duration;

use anyhow::{Result, ensure};
use baton_domain::time::{Clock as _, Timestamp, after, before};
use baton_runtime::clock::SystemClock;
use tokio_postgres::Client;

use super::{
    execute::{Scene, check},
    lateness::sleep_until,
};
use crate::{
    drain::Running, figure::Figure, population::submit, reference::per_second, server::Database, stage::Stage,
};

/// 2 000 a second, submitted so many at a time, so long before the first of them is due.
const APART: Duration = Duration::from_micros(500);
const BATCH: usize = 500;
const AHEAD: Duration = Duration::from_secs(1);
/// Due within the time that is looked at, before the pin and at its end: 30 seconds.
const RUNS: usize = 60_000;
/// How many times as long the snapshot has been held by then.
const AGES: u32 = 5;
/// Due at once.
const DRAINED: usize = 50_000;
const PIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM change_marks";
const DEAD: &str = "SELECT COALESCE(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables";

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let window = lasts(stage.asked.runs_or(RUNS));
    let scene = Scene::set(stage, "pinned").await?;
    let drained = stage.asked.runs_or(DRAINED);
    let free_drain = scene.drain(drained).await?;
    let free = paced(&scene, Duration::ZERO, window).await?;
    let pin = pin(&scene.database).await?;
    let kept = paced(&scene, window * AGES, window).await?;
    let kept_drain = scene.drain(drained).await?;
    let dead = scene.database.count(DEAD).await?;
    unpin(pin).await?;
    scene.strike().await?;
    eprintln!("pinned: {kept:.0} runs/s, {free:.0} without; drained {kept_drain:.0} runs/s, {free_drain:.0} without");
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let dead = dead as f64;
    Ok(vec![
        Figure::alone("pinned", "runs/s", vec![kept]).against("unpinned", &[free]),
        Figure::alone("pinned-drain", "runs/s", vec![kept_drain]).against("unpinned", &[free_drain]),
        Figure::alone("pinned-dead-tuples", "rows", vec![dead]),
    ])
}

/// From the first of so many runs to the one after the last.
fn lasts(runs: usize) -> Duration {
    APART * u32::try_from(runs).unwrap_or(u32::MAX)
}

/// Runs that come due one after the other for so long. Ends a second, in the last part of it.
async fn paced(scene: &Scene, ages: Duration, window: Duration) -> Result<f64> {
    let from = after(SystemClock.now(), AHEAD);
    let runs = usize::try_from((ages + window).as_micros() / APART.as_micros())?;
    let mut running = Running::start(&scene.open.opened);
    let ends = async {
        sleep_until(after(from, ages)).await;
        let until_then = running.finished();
        sleep_until(after(from, ages + window)).await;
        running.finished() - until_then
    };
    let (submitted, ended) = tokio::join!(submit_in_time(scene, from, runs), ends);
    submitted?;
    running.reached(runs).await?;
    running.stop().await?;
    check(&scene.database, from, runs).await?;
    Ok(per_second(ended, window))
}

/// Fails when submitting does not keep up with the time.
async fn submit_in_time(scene: &Scene, from: Timestamp, runs: usize) -> Result<()> {
    for first in (0..runs).step_by(BATCH) {
        let due = after(from, lasts(first));
        sleep_until(before(due, AHEAD)).await;
        let endpoints = &scene.endpoints[first % scene.endpoints.len()..];
        let batch = BATCH.min(runs - first);
        submit(&scene.open.opened, endpoints, batch, due, APART).await?;
        ensure!(
            SystemClock.now() < due,
            "submitting takes longer than the runs are apart"
        );
    }
    Ok(())
}

/// A session whose snapshot is from now.
async fn pin(database: &Database) -> Result<Client> {
    let client = database.connect().await?;
    client.batch_execute(PIN).await?;
    Ok(client)
}

/// Fails when the server had ended the session, as it may do with one that idles in a transaction.
async fn unpin(client: Client) -> Result<()> {
    Ok(client.batch_execute("COMMIT").await?)
}
