//! Collects what the audit of one endpoint finds, within the time that was asked about.
//!
//! Times before that are lived through to know the state of things, and not judged.

use baton_domain::{
    ids::EndpointId,
    run::{Cause, Run, Source},
    time::Timestamp,
};

use super::{
    report::{Finding, Kind},
    rules::Due,
};

/// Counts and findings of one endpoint.
pub struct Findings {
    endpoint_id: EndpointId,
    from: Timestamp,
    to: Timestamp,
    pub due: u64,
    pub matched: u64,
    pub bounded: u64,
    pub list: Vec<Finding>,
    /// Where the last finding tells of several missed times: its place, and how many they are.
    missing: Option<(usize, u64)>,
}

impl Findings {
    pub fn new(endpoint_id: EndpointId, from: Timestamp, to: Timestamp) -> Self {
        Self {
            endpoint_id,
            from,
            to,
            due: 0,
            matched: 0,
            bounded: 0,
            list: Vec::new(),
            missing: None,
        }
    }

    /// Notes a finding about a time, if that time was asked about.
    pub fn add(&mut self, kind: Kind, at: Timestamp, detail: impl Into<String>) {
        if self.covers(at) {
            self.list.push(Finding {
                kind,
                endpoint_id: self.endpoint_id,
                at,
                detail: detail.into(),
            });
        }
    }

    /// A due time that the ledger accounts for with `run`.
    pub fn matched(&mut self, due: &Due, run: &Run) {
        self.missing = None;
        if !self.covers(due.planned) {
            return;
        }
        self.due += 1;
        self.matched += 1;
        self.bounded += u64::from(due.bounds.is_some());
        if run.missed.is_some_and(|missed| missed.first != due.planned) {
            // A window has the cause of its first time.
            return;
        }
        let fits = due.bounds.is_some() || run.cause == due.cause;
        if !fits {
            let detail = format!(
                "is recorded as {}, but the schedule says {}",
                run.cause.as_str(),
                due.cause.as_str()
            );
            self.add(Kind::Unexplained, run.planned_at, detail);
        }
        let baseline = matches!(run.cause, Cause::Cron | Cause::Interval);
        if fits && baseline != (run.source == Source::BASELINE) {
            let detail = format!("{} is recorded as of {}", run.cause.as_str(), run.source.as_str());
            self.add(Kind::Unexplained, run.planned_at, detail);
        }
    }

    /// A due time without a row. Those that follow each other are told in one finding.
    pub fn missed(&mut self, due: &Due) {
        if !self.covers(due.planned) {
            return;
        }
        self.due += 1;
        let until = due.planned.to_rfc3339();
        match &mut self.missing {
            Some((place, count)) if *place + 1 == self.list.len() => {
                *count += 1;
                self.list[*place].detail = format!("{count} times of {} up to {until}, no row", due.cause.as_str());
            }
            _ => {
                self.missing = Some((self.list.len(), 1));
                self.add(
                    Kind::Missed,
                    due.planned,
                    format!("due by {}, no row", due.cause.as_str()),
                );
            }
        }
    }

    pub fn covers(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }
}
