//! The database of one fault: made, watched by a trigger, read and dropped, past the schedulers.

use anyhow::{Context as _, Result};
use tokio_postgres::{Client, NoTls};

/// Every claim is noted beside the queue: whose it was, under which fence, and until when its lease held at first.
const WATCH: &str = "
    CREATE TABLE noted_claims (run_id uuid NOT NULL, fence bigint NOT NULL, owner text NOT NULL,
                               at timestamptz NOT NULL, lease_until timestamptz NOT NULL);
    CREATE FUNCTION note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO noted_claims VALUES (NEW.id, NEW.fence, NEW.lease_owner, CLOCK_TIMESTAMP(), NEW.lease_until);
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_claim AFTER UPDATE ON live_runs
       FOR EACH ROW WHEN (NEW.status = 'running' AND OLD.fence <> NEW.fence) EXECUTE FUNCTION note_claim();";

/// A database of its own.
pub struct Database {
    server: String,
    name: String,
    pub url: String,
}

impl Database {
    /// Empty: the schedulers' own program makes the schema.
    pub async fn create(server: &str, name: &str) -> Result<Self> {
        let name = format!("baton_faults_{}", name.replace('-', "_"));
        execute(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        execute(server, &format!("CREATE DATABASE {name}")).await?;
        let mut url = url::Url::parse(server).context("the server's URL is none")?;
        url.set_path(&name);
        Ok(Self {
            server: server.to_owned(),
            name,
            url: url.into(),
        })
    }

    pub async fn watch_claims(&self) -> Result<()> {
        execute(&self.url, WATCH).await
    }

    pub async fn execute(&self, statements: &str) -> Result<()> {
        execute(&self.url, statements).await
    }

    /// A connection that ends with the client.
    pub async fn connect(&self) -> Result<Client> {
        connect(&self.url).await
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub async fn drop_database(self) -> Result<()> {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name)).await
    }
}

/// Runs statements on a connection of their own.
pub async fn execute(url: &str, statements: &str) -> Result<()> {
    let client = connect(url).await?;
    client
        .batch_execute(statements)
        .await
        .with_context(|| format!("failed: {statements}"))
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("PostgreSQL cannot be reached")?;
    // Ends with the client; what goes wrong is told by the client's calls.
    tokio::spawn(connection);
    Ok(client)
}
