//! What a fault happens to: three schedulers on one database, a sink, and load.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_postgres::Client;
use tonic::transport::Channel;
use uuid::Uuid;

use crate::{
    audit::audit,
    cluster::Cluster,
    database::Database,
    evidence::{self, Evidence},
    load::{Load, channels, create_endpoint},
    scheduler::{Scheduler, Setup, command},
    sink::Sink,
};

const SCHEDULERS: usize = 3;
/// Longest wait for what was accepted to end, after the fault.
const SETTLE: Duration = Duration::from_secs(90);
/// How often the database is looked at while waiting.
const LOOK: Duration = Duration::from_millis(50);

/// How much goes on, and how.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub lease: Duration,
    /// How long each call takes.
    pub call: Duration,
    /// Endpoints with a cadence of a second.
    pub cadences: usize,
    /// Endpoints that runs are submitted for.
    pub dormant: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(3),
            call: Duration::from_millis(100),
            cadences: 30,
            dormant: 40,
        }
    }
}

/// A running stage.
pub struct Stage {
    pub database: Database,
    pub sink: Sink,
    pub plan: Plan,
    /// Ids of the endpoints that runs are submitted for.
    pub dormant: Vec<String>,
    schedulers: Vec<(Setup, Scheduler)>,
    since: DateTime<Utc>,
    folder: TempDir,
}

impl Stage {
    /// `adjust` may change how each scheduler is started, by its number.
    pub async fn open(cluster: &Cluster, name: &str, plan: Plan, adjust: impl Fn(usize, &mut Setup)) -> Result<Self> {
        let folder = TempDir::new()?;
        let database = Database::create(&cluster.server, name).await?;
        let migrated = command("baton-migrations", folder.path())?
            .args(["up", "--database-url", &database.url])
            .stdout(std::process::Stdio::null())
            .status()
            .await?;
        ensure!(migrated.success(), "the schema cannot be made");
        database.watch_claims().await?;
        let mut stage = Self {
            sink: Sink::start(plan.call).await?,
            since: evidence::wall_now(),
            plan,
            dormant: Vec::new(),
            schedulers: Vec::new(),
            database,
            folder,
        };
        for number in 0..SCHEDULERS {
            let mut setup = Setup {
                folder: stage.folder.path().to_owned(),
                database_url: stage.database.url.clone(),
                lease: plan.lease,
                extra: Vec::new(),
            };
            adjust(number, &mut setup);
            let scheduler = Scheduler::start(&setup, None).await?;
            stage.schedulers.push((setup, scheduler));
        }
        stage.populate().await?;
        Ok(stage)
    }

    async fn populate(&mut self) -> Result<()> {
        let channels = self.channels()?;
        let first = channels.last().context("there are schedulers")?;
        let url = self.sink.url();
        let create = |name: String, interval| {
            let url = &url;
            async move { create_endpoint(first, &name, url, interval).await }
        };
        let cadences =
            (0..self.plan.cadences).map(|number| create(format!("cadence-{number}"), Some(Duration::from_secs(1))));
        stream::iter(cadences)
            .buffered(8)
            .try_for_each(|_| std::future::ready(Ok(())))
            .await?;
        let dormant = (0..self.plan.dormant).map(|number| create(format!("dormant-{number}"), None));
        self.dormant = stream::iter(dormant).buffered(8).try_collect().await?;
        Ok(())
    }

    /// To every scheduler.
    pub fn channels(&self) -> Result<Vec<Channel>> {
        channels(self.schedulers.iter().map(|(_, scheduler)| scheduler.address.clone()))
    }

    /// Forty submissions a second, to all schedulers by turns.
    pub fn load(&self) -> Result<Load> {
        Ok(Load::start(
            self.channels()?,
            self.dormant.clone(),
            Duration::from_millis(25),
        ))
    }

    pub fn scheduler(&self, number: usize) -> &Scheduler {
        &self.schedulers[number % SCHEDULERS].1
    }

    /// SIGKILL for one, and another one in its place.
    pub async fn kill(&mut self, number: usize) -> Result<()> {
        self.schedulers[number % SCHEDULERS].1.kill().await
    }

    pub async fn restart(&mut self, number: usize) -> Result<()> {
        let (setup, scheduler) = &mut self.schedulers[number % SCHEDULERS];
        *scheduler = Scheduler::start(setup, Some(&scheduler.address)).await?;
        Ok(())
    }

    /// Waits until none of the runs that are in the air now is still held by the same claim. Returns how long it took.
    pub async fn taken_over(&self) -> Result<Duration> {
        let start = Instant::now();
        let client = self.database.connect().await?;
        let held = evidence::running(&client).await?;
        loop {
            let now = evidence::running(&client).await?;
            if held.iter().all(|claim| !now.contains(claim)) {
                return Ok(start.elapsed());
            }
            ensure!(start.elapsed() < SETTLE, "runs stay with a scheduler that is gone");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until a run of any endpoint but `held_up` has started and ended after this call. Returns how long it took.
    pub async fn goes_on(&self, held_up: &[Uuid]) -> Result<Duration> {
        let start = Instant::now();
        let client = self.connect_patiently().await?;
        let from = evidence::now(&client).await?;
        while !evidence::ran_since(&client, from, held_up).await? {
            ensure!(start.elapsed() < SETTLE, "nothing runs any more");
            tokio::time::sleep(LOOK).await;
        }
        Ok(start.elapsed())
    }

    /// The database may be shaken still.
    async fn connect_patiently(&self) -> Result<Client> {
        let start = Instant::now();
        loop {
            match self.database.connect().await {
                Ok(client) => return Ok(client),
                Err(error) => ensure!(start.elapsed() < SETTLE, "{error:#}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits for the end of what was accepted, drains the schedulers and reads what is left behind.
    pub async fn close(self, accepted: Vec<Uuid>) -> Result<Evidence> {
        let client = self.connect_patiently().await?;
        let start = Instant::now();
        while evidence::unfinished(&client, &accepted).await? > 0 && start.elapsed() < SETTLE {
            tokio::time::sleep(LOOK).await;
        }
        for (_, scheduler) in self.schedulers {
            scheduler.drain().await?;
        }
        let mut evidence = Evidence::read(&client, accepted, self.sink.calls(), self.since).await?;
        evidence.findings = audit(&self.database.url, self.folder.path(), self.since).await?;
        drop(client);
        if std::env::var_os("BATON_FAULTS_KEEP").is_some() {
            eprintln!("kept: {} and {}", self.folder.keep().display(), self.database.url);
        } else {
            self.database.drop_database().await?;
        }
        Ok(evidence)
    }
}
