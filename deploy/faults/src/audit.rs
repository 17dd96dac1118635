//! The oracle: `baton-scheduler audit`, which works out by itself what was due and looks for it among what ran.

use std::{path::Path, process::Stdio};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;

use crate::{evidence::wall_now, scheduler::command};

/// How late a start may be after an outage: the outage, a lease, and a backlog on a busy machine.
const EPSILON: &str = "--epsilon=30s";

/// Every finding since `since`, one line each.
pub async fn audit(database_url: &str, folder: &Path, since: DateTime<Utc>) -> Result<Vec<String>> {
    let [from, to] = [since, wall_now()].map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true));
    let output = command("baton-scheduler", folder)?
        .args(["audit", "--json", EPSILON, "--from", &from, "--to", &to])
        .args(["--database-url", database_url])
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("baton-scheduler does not start")?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "the audit ended with {}",
        output.status
    );
    let report: Value = serde_json::from_slice(&output.stdout).context("the audit's report is not JSON")?;
    let count = |name: &str| report[name].as_u64().unwrap_or_default();
    eprintln!(
        "audit: {} endpoints, {} due, {} matched, {} bounded",
        count("endpoints"),
        count("due"),
        count("matched"),
        count("bounded")
    );
    let findings = report["findings"]
        .as_array()
        .context("the audit's report lists its findings")?;
    Ok(findings.iter().map(Value::to_string).collect())
}
