//! No fault: much due at one instant, shared by three schedulers, each run once.

use std::time::Duration;

use anyhow::Result;
use tokio::time::Instant;

use super::Fault;
use crate::{
    cluster::Cluster,
    evidence::{unfinished, wall_now},
    load::submit_many,
    stage::{Plan, Stage},
    verdict::Verdict,
};

const RUNS: usize = 20_000;
/// All are accepted by then.
const AHEAD: chrono::TimeDelta = chrono::TimeDelta::seconds(100);
const PATIENCE: Duration = Duration::from_secs(180);

pub async fn run(cluster: &Cluster) -> Result<Verdict> {
    let plan = Plan {
        lease: Duration::from_secs(15),
        call: Duration::from_millis(5),
        cadences: 0,
        dormant: 400,
    };
    let stage = Stage::open(cluster, Fault::None.name(), plan, |_, _| {}).await?;
    let due = wall_now() + AHEAD;
    let accepted = submit_many(&stage.channels()?, &stage.dormant, RUNS, due).await;
    anyhow::ensure!(wall_now() < due, "submitting took longer than {AHEAD}");
    tokio::time::sleep((due - wall_now()).to_std().unwrap_or_default()).await;
    let start = Instant::now();
    let client = stage.database.connect().await?;
    while unfinished(&client, &accepted).await? > 0 && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Nothing to recover from: how long it took to do it all is told instead.
    let took = start.elapsed();
    eprintln!("{RUNS} runs took {took:.1?}");
    let evidence = stage.close(accepted).await?;
    Ok(Verdict::of(Fault::None.name(), &evidence, Duration::ZERO, PATIENCE).with_shares(&evidence, 3))
}
