//! What is left behind: the runs as the database has them, every claim, and the sink's log.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use chrono::{DateTime, Utc};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::sink::Call;

/// A run as one table has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub in_history: bool,
    pub status: String,
    pub attempt: i64,
    pub planned_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
}

/// A claim as the trigger noted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub owner: String,
    pub at: DateTime<Utc>,
    pub lease_until: DateTime<Utc>,
}

/// Everything that a verdict is made of.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    pub accepted: Vec<Uuid>,
    pub records: BTreeMap<Uuid, Vec<Recorded>>,
    /// In order.
    pub claims: BTreeMap<Uuid, Vec<Claim>>,
    pub calls: Vec<Call>,
    /// Findings of `baton-scheduler audit`, one line each.
    pub findings: Vec<String>,
}

impl Evidence {
    pub async fn read(client: &Client, accepted: Vec<Uuid>, calls: Vec<Call>, since: DateTime<Utc>) -> Result<Self> {
        let mut evidence = Self {
            accepted,
            calls,
            ..Self::default()
        };
        let records = "
            SELECT TRUE AS in_history, id, status, attempt, planned_at, started_at FROM run_history
             UNION ALL
            SELECT FALSE, id, status, attempt, planned_at, started_at FROM live_runs";
        for row in client.query(records, &[]).await? {
            let recorded = Recorded {
                in_history: row.try_get("in_history")?,
                status: row.try_get("status")?,
                attempt: row.try_get("attempt")?,
                planned_at: row.try_get("planned_at")?,
                started_at: row.try_get("started_at")?,
            };
            evidence.records.entry(row.try_get("id")?).or_default().push(recorded);
        }
        let claims = "SELECT run_id, owner, at, lease_until FROM noted_claims WHERE at >= $1 ORDER BY run_id, fence";
        for row in client.query(claims, &[&since]).await? {
            let claim = Claim {
                owner: row.try_get("owner")?,
                at: row.try_get("at")?,
                lease_until: row.try_get("lease_until")?,
            };
            evidence.claims.entry(row.try_get("run_id")?).or_default().push(claim);
        }
        Ok(evidence)
    }
}

/// The runs in the air, each with the fence of its claim.
pub async fn running(client: &Client) -> Result<BTreeSet<(Uuid, i64)>> {
    let rows = client
        .query("SELECT id, fence FROM live_runs WHERE status = 'running'", &[])
        .await?;
    rows.iter()
        .map(|row| Ok((row.try_get("id")?, row.try_get("fence")?)))
        .collect()
}

/// The database's time.
pub async fn now(client: &Client) -> Result<DateTime<Utc>> {
    Ok(client.query_one("SELECT CLOCK_TIMESTAMP()", &[]).await?.try_get(0)?)
}

/// True when a run of another endpoint than these has started after `from` and is over.
pub async fn ran_since(client: &Client, from: DateTime<Utc>, held_up: &[Uuid]) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1
                                FROM run_history
                               WHERE started_at > $1 AND status = 'succeeded' AND endpoint_id <> ALL ($2))";
    Ok(client.query_one(sql, &[&from, &held_up]).await?.try_get(0)?)
}

/// How many of these are not in the history.
pub async fn unfinished(client: &Client, accepted: &[Uuid]) -> Result<usize> {
    let sql = "SELECT COUNT(*) FROM run_history WHERE id = ANY ($1)";
    let finished: i64 = client.query_one(sql, &[&accepted]).await?.try_get(0)?;
    Ok(accepted.len().saturating_sub(usize::try_from(finished)?))
}

/// This machine's time, which is also the database's and the schedulers'.
#[expect(
    clippy::disallowed_methods,
    reason = "the evidence is about real time; nothing here is simulated"
)]
pub fn wall_now() -> DateTime<Utc> {
    Utc::now()
}
