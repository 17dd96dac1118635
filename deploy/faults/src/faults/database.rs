//! A database that is away, throws connections out, is held up by somebody, or cannot write.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};
use uuid::Uuid;

use super::{DATABASE_BAR, Fault, WARM_UP, stage};
use crate::{cluster::Cluster, database::execute, stage::Stage, verdict::Verdict};

const AWAY: Duration = Duration::from_secs(4);
/// An outage must show in the health service within this.
const NOT_SERVING_BAR: Duration = Duration::from_secs(2);
const TERMINATIONS: u32 = 50;
const BETWEEN_TERMINATIONS: Duration = Duration::from_millis(200);
const HELD: Duration = Duration::from_secs(12);
const FULL: Duration = Duration::from_millis(2_500);

/// PostgreSQL crashes and recovers.
pub async fn restart(cluster: &Cluster) -> Result<Verdict> {
    let stage = stage(Fault::PostgresRestart, cluster).await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    cluster.crash().await?;
    let noticed = not_serving(&stage).await?;
    tokio::time::sleep(AWAY.saturating_sub(noticed)).await;
    cluster.start().await?;
    let recovery = stage.goes_on(&[]).await?;
    tokio::time::sleep(WARM_UP).await;
    let evidence = stage.close(load.stop().await?).await?;
    let mut verdict = Verdict::of(Fault::PostgresRestart.name(), &evidence, recovery, DATABASE_BAR);
    if noticed > NOT_SERVING_BAR {
        verdict
            .others
            .push(format!("health said SERVING for {noticed:.1?} of the outage"));
    }
    Ok(verdict)
}

/// How long until the first scheduler's health service tells of the outage.
async fn not_serving(stage: &Stage) -> Result<Duration> {
    let start = Instant::now();
    let channel = stage.channels()?.into_iter().next().context("there are schedulers")?;
    let mut health = HealthClient::new(channel);
    loop {
        let answer = health.check(HealthCheckRequest { service: String::new() }).await;
        if answer?.into_inner().status == ServingStatus::NotServing as i32 {
            return Ok(start.elapsed());
        }
        anyhow::ensure!(start.elapsed() < 10 * NOT_SERVING_BAR, "the outage never shows");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Connections are thrown out, a few at a time, in the middle of whatever they do.
pub async fn terminate(cluster: &Cluster) -> Result<Verdict> {
    let stage = stage(Fault::Terminate, cluster).await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    let terminate = format!(
        "SELECT pg_terminate_backend(pid)
           FROM (SELECT pid FROM pg_stat_activity WHERE datname = '{}' ORDER BY RANDOM() LIMIT 2) chosen",
        stage.database.name()
    );
    for _ in 0..TERMINATIONS {
        execute(&cluster.server, &terminate).await?;
        tokio::time::sleep(BETWEEN_TERMINATIONS).await;
    }
    let recovery = stage.goes_on(&[]).await?;
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(Fault::Terminate.name(), &evidence, recovery, DATABASE_BAR))
}

/// A session that holds rows of ten endpoints and does nothing: all others go on meanwhile, and these afterwards.
pub async fn idle_in_transaction(cluster: &Cluster) -> Result<Verdict> {
    let stage = stage(Fault::IdleInTransaction, cluster).await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    let held: Vec<Uuid> = stage
        .dormant
        .iter()
        .take(10)
        .map(|id| Uuid::parse_str(id))
        .collect::<Result<_, _>>()?;
    let holder = stage.database.connect().await?;
    holder.batch_execute("BEGIN").await?;
    for lock in [
        "SELECT 1 FROM endpoint_state WHERE endpoint_id = ANY ($1) FOR UPDATE",
        "SELECT 1 FROM live_runs WHERE endpoint_id = ANY ($1) FOR UPDATE",
    ] {
        holder.query(lock, &[&held]).await?;
    }
    let start = Instant::now();
    let mut recovery = Duration::ZERO;
    while start.elapsed() < HELD {
        recovery = recovery.max(stage.goes_on(&held).await?);
    }
    holder.batch_execute("ROLLBACK").await?;
    recovery = recovery.max(stage.goes_on(&[]).await?);
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(
        Fault::IdleInTransaction.name(),
        &evidence,
        recovery,
        DATABASE_BAR,
    ))
}

/// The errors are PostgreSQL's own in all but their origin: raised in every statement that writes to the queue.
fn failing_with(sqlstate: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'injected' USING ERRCODE = '{sqlstate}'; END $$;
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON live_runs
            FOR EACH STATEMENT EXECUTE FUNCTION fail();"
    )
}

/// Writes fail for a while: no space left, then statements that take too long.
pub async fn disk_full(cluster: &Cluster) -> Result<Verdict> {
    let stage = stage(Fault::DiskFull, cluster).await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    for sqlstate in ["53100", "57014"] {
        stage.database.execute(&failing_with(sqlstate)).await?;
        tokio::time::sleep(FULL).await;
    }
    stage.database.execute("DROP TRIGGER fail ON live_runs").await?;
    let recovery = stage.goes_on(&[]).await?;
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(Fault::DiskFull.name(), &evidence, recovery, DATABASE_BAR))
}
