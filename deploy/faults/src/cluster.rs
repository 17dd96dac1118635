//! The PostgreSQL cluster that faults break: stopped like a crash, and started again.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{process::Command, time::Instant};

use crate::{Options, database};

/// Longest wait for the server to answer after a start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the cluster is, and how its server is controlled.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub server: String,
    pg_ctl: PathBuf,
    data: PathBuf,
    account: Option<(u32, u32)>,
}

impl Cluster {
    pub fn of(options: &Options) -> Result<Self> {
        let account = options.pg_account.as_deref().map(|text| {
            let (user, group) = text.split_once(':').context("--pg-account is not UID:GID")?;
            anyhow::Ok((user.parse()?, group.parse()?))
        });
        Ok(Self {
            server: options.server.clone(),
            pg_ctl: options.pg_ctl.clone(),
            data: options.pg_data.clone(),
            account: account.transpose()?,
        })
    }

    /// As after a power cut: no checkpoint, every connection gone.
    pub async fn crash(&self) -> Result<()> {
        self.control(&["stop", "--wait", "--mode", "immediate"]).await
    }

    /// Returns once a query is answered.
    pub async fn start(&self) -> Result<()> {
        let log = self.data.with_file_name("log").display().to_string();
        self.control(&["start", "--wait", "--log", &log]).await?;
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = database::execute(&self.server, "SELECT 1").await {
            ensure!(Instant::now() < deadline, "PostgreSQL does not answer: {error:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn control(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(&self.pg_ctl);
        command.args(arguments).arg("--silent").arg("--pgdata").arg(&self.data);
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        let folder = self.data.parent().context("the data directory has a parent")?;
        command.current_dir(folder).stdin(std::process::Stdio::null());
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let status = command.status().await.context("pg_ctl does not start")?;
        ensure!(status.success(), "pg_ctl {} ended with {status}", arguments.join(" "));
        Ok(())
    }
}
