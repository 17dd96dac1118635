//! What an audit found, for people and for programs.
//!
//! The JSON form is read by the fault tests and by operators' scripts: its fields do not change.

use std::fmt;

use baton_domain::{ids::EndpointId, time::Timestamp};
use serde::Serialize;

/// What is wrong with one time of one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Due, and no row accounts for it.
    Missed,
    /// A row that nothing asked for.
    Extra,
    /// Started before its time.
    Early,
    /// Started late without a reason in the record.
    Late,
    /// A skip without a reason, or a cause that does not fit.
    Unexplained,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missed => "missed",
            Self::Extra => "extra",
            Self::Early => "early",
            Self::Late => "late",
            Self::Unexplained => "unexplained",
        })
    }
}

/// One mistake in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: Kind,
    pub endpoint_id: EndpointId,
    /// The time in question.
    pub at: Timestamp,
    pub detail: String,
}

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Endpoints whose record was checked.
    pub endpoints: u64,
    /// Cadence times that came due.
    pub due: u64,
    /// Of these, how many the ledger accounts for.
    pub matched: u64,
    /// Of these, how many could only be checked against a set of admissible times.
    pub bounded: u64,
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            endpoints: 0,
            due: 0,
            matched: 0,
            bounded: 0,
            findings: Vec::new(),
        }
    }

    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let at = finding.at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            writeln!(
                f,
                "{:<11}  {at}  {}  {}",
                finding.kind, finding.endpoint_id.0, finding.detail
            )?;
        }
        let checked = self.matched - self.bounded;
        write!(
            f,
            "{} endpoints, {} due, {} matched ({checked} checked exactly, {} bounded), {} findings",
            self.endpoints,
            self.due,
            self.matched,
            self.bounded,
            self.findings.len()
        )
    }
}
