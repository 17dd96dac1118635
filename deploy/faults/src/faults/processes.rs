//! Schedulers that die, or fall silent and come back.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::{Fault, TAKEOVER, WARM_UP, stage};
use crate::{cluster::Cluster, verdict::Verdict};

const KILLS: usize = 6;
const BETWEEN_KILLS: Duration = Duration::from_secs(3);
/// How long the place of a killed one stays empty.
const EMPTY: Duration = Duration::from_secs(1);

/// SIGKILL, again and again.
pub async fn kill(cluster: &Cluster) -> Result<Verdict> {
    let mut stage = stage(Fault::Kill, cluster).await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    let mut recovery = Duration::ZERO;
    for number in 0..KILLS {
        stage.kill(number).await?;
        let (taken_over, restarted) = {
            let taken_over = stage.taken_over().await?;
            tokio::time::sleep(EMPTY.saturating_sub(taken_over)).await;
            (taken_over, stage.restart(number).await)
        };
        restarted?;
        recovery = recovery.max(taken_over);
        tokio::time::sleep(BETWEEN_KILLS.saturating_sub(taken_over)).await;
    }
    let bar = stage.plan.lease + TAKEOVER;
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(Fault::Kill.name(), &evidence, recovery, bar))
}

/// SIGSTOP until every lease of it has run out and its runs are elsewhere, then SIGCONT: what it reports then is late.
pub async fn stop(cluster: &Cluster) -> Result<Verdict> {
    let stage = stage(Fault::Stop, cluster).await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    let mut recovery = Duration::ZERO;
    for number in 0..2 {
        stage.scheduler(number).signal(Signal::STOP)?;
        let taken_over = stage.taken_over().await?;
        recovery = recovery.max(taken_over);
        tokio::time::sleep(stage.plan.lease.saturating_sub(taken_over) + TAKEOVER).await;
        stage.scheduler(number).signal(Signal::CONT)?;
        tokio::time::sleep(BETWEEN_KILLS).await;
    }
    let bar = stage.plan.lease + TAKEOVER;
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(Fault::Stop.name(), &evidence, recovery, bar))
}
