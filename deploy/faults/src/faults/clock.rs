//! A scheduler whose clock is wrong: the database's decides, so nothing starts early and no lease ends too soon.

use std::time::Duration;

use anyhow::Result;

use super::{DATABASE_BAR, Fault};
use crate::{
    cluster::Cluster,
    stage::{Plan, Stage},
    verdict::Verdict,
};

const LASTS: Duration = Duration::from_secs(10);

pub async fn run(cluster: &Cluster) -> Result<Verdict> {
    let stage = Stage::open(cluster, Fault::Clock.name(), Plan::default(), |number, setup| {
        if number == 0 {
            setup.extra.push("--test-clock-offset=1h".to_owned());
        }
    })
    .await?;
    let load = stage.load()?;
    tokio::time::sleep(LASTS).await;
    let recovery = stage.goes_on(&[]).await?;
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(Fault::Clock.name(), &evidence, recovery, DATABASE_BAR))
}
