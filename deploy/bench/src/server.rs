//! The cluster that is measured, and the databases that benches make in it. A bench writes to no other.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_postgres::{Client, NoTls, types::ToSql};

use crate::{options::Options, scheduler::command};

/// The cluster.
#[derive(Debug, Clone)]
pub struct Server {
    url: String,
    programs: PathBuf,
    data: PathBuf,
}

impl Server {
    /// Fails when nobody answers.
    pub async fn of(options: &Options) -> Result<Self> {
        let server = Self {
            url: options.server.clone(),
            programs: options.programs.clone(),
            data: options.pg_data.clone(),
        };
        connect(&server.url).await?;
        Ok(server)
    }

    /// Fails when the disk that the cluster is on has less than this left.
    pub fn require_room(&self, gigabytes: u64) -> Result<()> {
        let disk = rustix::fs::statvfs(&self.data).context("the cluster's disk cannot be looked at")?;
        let left = disk.f_bavail * disk.f_frsize / 1_000_000_000;
        ensure!(
            left >= gigabytes,
            "too little disk: {gigabytes} GB are needed beside {}, {left} GB are left",
            self.data.display()
        );
        Ok(())
    }

    /// A new and empty database; one of that name that is there already is left alone and is an error.
    pub async fn create(&self, name: &str) -> Result<Database> {
        let name = format!("baton_bench_{}_{}", name.replace('-', "_"), std::process::id());
        execute(&self.url, &format!("CREATE DATABASE {name}")).await?;
        let mut url = url::Url::parse(&self.url).context("the server's URL is none")?;
        url.set_path(&name);
        Ok(Database {
            server: self.clone(),
            name,
            url: url.into(),
        })
    }

    /// One of PostgreSQL's client programs: that of the cluster, else the one on PATH.
    pub fn program(&self, name: &str) -> Result<Command> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::iter::once(self.programs.clone())
            .chain(std::env::split_paths(&path))
            .map(|folder| folder.join(name))
            .find(|program| program.is_file());
        let found = found.with_context(|| format!("{name} is missing: it comes with PostgreSQL"))?;
        let mut command = Command::new(found);
        command.kill_on_drop(true).stdin(std::process::Stdio::null());
        Ok(command)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(self.data.with_file_name("log")).context("the cluster's log cannot be read")
    }
}

/// A database that a bench made.
#[derive(Debug)]
pub struct Database {
    pub server: Server,
    name: String,
    pub url: String,
}

impl Database {
    /// With Baton's schema, made by its own program.
    pub async fn migrate(&self) -> Result<()> {
        let folder = TempDir::new()?;
        let migrated = command("baton-migrations", folder.path())?
            .args(["up", "--database-url", &self.url])
            .stdout(std::process::Stdio::null())
            .status()
            .await?;
        ensure!(migrated.success(), "the schema cannot be made");
        Ok(())
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn execute(&self, statements: &str) -> Result<()> {
        execute(&self.url, statements).await
    }

    /// The only number of the only row.
    pub async fn count(&self, query: &str) -> Result<i64> {
        self.number(query, &[]).await
    }

    /// The only value of the only row.
    pub async fn number<T>(&self, query: &str, values: &[&(dyn ToSql + Sync)]) -> Result<T>
    where
        T: for<'r> tokio_postgres::types::FromSql<'r>,
    {
        let row = self.connect().await?.query_one(query, values).await;
        Ok(row.with_context(|| format!("failed: {query}"))?.try_get(0)?)
    }

    /// A connection that ends with the client.
    pub async fn connect(&self) -> Result<Client> {
        connect(&self.url).await
    }

    /// Written out, so that the next sample does not pay for the last one.
    pub async fn settle(&self) -> Result<()> {
        self.execute("CHECKPOINT").await
    }

    pub async fn drop_database(self) -> Result<()> {
        execute(&self.server.url, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

async fn execute(url: &str, statements: &str) -> Result<()> {
    let client = connect(url).await?;
    let done = client.batch_execute(statements).await;
    done.with_context(|| format!("failed: {statements}"))
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("PostgreSQL cannot be reached")?;
    // Ends with the client; what goes wrong is told by the client's calls.
    tokio::spawn(connection);
    Ok(client)
}
