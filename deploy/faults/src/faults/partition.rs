//! One scheduler is cut off from the database, and does not hear of it.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{DATABASE_BAR, Fault, WARM_UP};
use crate::{
    cluster::Cluster,
    proxy::Proxy,
    stage::{Plan, Stage},
    verdict::Verdict,
};

const CUT: Duration = Duration::from_secs(8);

pub async fn run(cluster: &Cluster) -> Result<Verdict> {
    let server = url::Url::parse(&cluster.server)?;
    let host = server.host_str().context("the server's URL names its host")?;
    let port = server.port().context("the server's URL names its port")?;
    let proxy = Proxy::start(format!("{host}:{port}")).await?;
    let stage = Stage::open(cluster, Fault::Partition.name(), Plan::default(), |number, setup| {
        if number == 0 {
            let proxied = proxy.address.port().to_string();
            setup.database_url = setup
                .database_url
                .replace(&format!(":{port}/"), &format!(":{proxied}/"));
        }
    })
    .await?;
    let load = stage.load()?;
    tokio::time::sleep(WARM_UP).await;
    proxy.cut();
    let elsewhere = stage.goes_on(&[]).await?;
    tokio::time::sleep(CUT.saturating_sub(elsewhere)).await;
    proxy.heal();
    let recovery = elsewhere.max(stage.goes_on(&[]).await?);
    tokio::time::sleep(WARM_UP).await;
    let evidence = stage.close(load.stop().await?).await?;
    Ok(Verdict::of(Fault::Partition.name(), &evidence, recovery, DATABASE_BAR))
}
