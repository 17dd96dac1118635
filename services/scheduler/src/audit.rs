//! `baton-scheduler audit`: works out from the record which cadence times came due, and finds the run of each.
//!
//! Read-only, beside whoever serves. How to read it: [`rules`] says when the next time is, [`replay`] lives an endpoint's
//! life again, [`accounts`] hands out the ledger's rows, [`starts`] checks each row by itself, [`overlaps`] what ran beside
//! what, [`one_shots`] those hints, [`report`] tells. None of it calls the governor: a checker that asks the checked finds nothing.

mod accounts;
mod findings;
mod one_shots;
mod overlaps;
mod replay;
mod report;
mod rules;
mod starts;

#[cfg(test)]
mod lives;

use std::time::Duration;

use anyhow::Context as _;
use baton_domain::{
    ids::{EndpointId, UserId},
    ports::Store,
    run::{Run, RunStatus},
    schedule::{ScheduleChange, Trigger},
    time::{Timestamp, before},
};

pub use report::Report;

use accounts::Accounts;
use findings::Findings;
use overlaps::Policies;
use replay::{Event, Replay};
use report::Kind;
use rules::{Past, Rules};

/// So many runs before the time asked about tell the state of things at its beginning.
const WARM_UP_RUNS: usize = 32;
const ENDPOINTS_AT_ONCE: usize = 200;

/// What to audit.
#[derive(Debug, Clone)]
pub struct Question {
    pub from: Timestamp,
    pub to: Timestamp,
    /// `None`: of every user.
    pub user: Option<UserId>,
    /// How late a start may be without a reason, and a record without being missed.
    pub epsilon: Duration,
}

/// Audits one endpoint after the other.
pub async fn audit(store: &dyn Store, question: &Question) -> anyhow::Result<Report> {
    let mut report = Report::new(question.from, question.to);
    let mut after = None;
    loop {
        let mut tx = store.read().await?;
        let ids = tx
            .recorded_endpoints(question.user.as_ref(), after, ENDPOINTS_AT_ONCE)
            .await?;
        drop(tx);
        let Some(last) = ids.last() else { return Ok(report) };
        after = Some(*last);
        for id in ids {
            let ledger = Ledger::read(store, id, question).await?;
            let findings = ledger.check(question).with_context(|| format!("endpoint {}", id.0))?;
            report.endpoints += 1;
            report.due += findings.due;
            report.matched += findings.matched;
            report.bounded += findings.bounded;
            report.findings.extend(findings.list);
        }
    }
}

/// What the database knows of one endpoint, in one snapshot.
struct Ledger {
    id: EndpointId,
    changes: Vec<ScheduleChange>,
    runs: Vec<Run>,
    now: Timestamp,
}

/// Where the replay begins.
struct Origin<'a> {
    at: Timestamp,
    /// The run that it begins with; `None` at the creation of the endpoint.
    run: Option<&'a Run>,
}

impl Ledger {
    async fn read(store: &dyn Store, id: EndpointId, question: &Question) -> anyhow::Result<Self> {
        let mut tx = store.read().await?;
        Ok(Self {
            id,
            changes: tx.recorded_changes(id).await?,
            runs: tx.recorded_runs(id, question.from, question.to, WARM_UP_RUNS).await?,
            now: tx.now(),
        })
    }

    fn check(&self, question: &Question) -> anyhow::Result<Findings> {
        let mut findings = Findings::new(self.id, question.from, question.to);
        let policies = Policies::of(&self.changes);
        starts::check(&self.runs, &policies, self.now, question.epsilon, &mut findings);
        overlaps::check(&self.runs, &policies, question.epsilon, &mut findings);
        let settled = question.to.min(before(self.now, question.epsilon));
        one_shots::check(&self.changes, &self.runs, settled, &mut findings);
        if let Some(origin) = self.origin(question.from) {
            self.check_cadence(&origin, question, &mut findings)?;
        }
        findings.list.sort_by_key(|finding| (finding.at, finding.kind));
        Ok(findings)
    }

    /// A cadence run from before the time asked about, else the creation, else the first cadence run there is.
    fn origin(&self, from: Timestamp) -> Option<Origin<'_>> {
        let first = self.changes.iter().find(|change| change.terms.is_some())?;
        let mut known = self
            .runs
            .iter()
            .filter(|run| run.cause.is_cadence() && run.started_at.is_some() && run.planned_at >= first.at);
        let run = known.next();
        if first.trigger == Trigger::Created && run.is_none_or(|run| run.planned_at >= from) {
            return Some(Origin {
                at: first.at,
                run: None,
            });
        }
        run.map(|run| Origin {
            at: run.planned_at,
            run: Some(run),
        })
    }

    fn check_cadence(&self, origin: &Origin<'_>, question: &Question, findings: &mut Findings) -> anyhow::Result<()> {
        let until = question.to.min(self.now);
        let pending_from = before(self.now, question.epsilon).min(self.busy_since().unwrap_or(self.now));
        let mut replay = self.replay_from(origin, pending_from)?;
        for event in self.events(origin, until) {
            replay.follow(event, findings)?;
        }
        let accounts = replay.finish(until, findings);
        for left in accounts.left_over() {
            let settled = match left.run.missed {
                Some(missed) => missed.last <= until && left.run.finished_at <= Some(until),
                None => left.run.due_at <= until,
            };
            if !settled {
                continue;
            }
            let cause = left.run.cause.as_str();
            let detail = match left.run.missed {
                Some(_) => format!(
                    "stands for {} times of {cause}, {} more than were due",
                    left.count, left.left
                ),
                None => format!("{cause} was not due at this time"),
            };
            findings.add(Kind::Extra, left.run.planned_at, detail);
        }
        Ok(())
    }

    fn replay_from<'a>(&'a self, origin: &Origin<'a>, pending_from: Timestamp) -> anyhow::Result<Replay<'a>> {
        let mut in_force = self.changes.iter().rev().filter(|change| change.at <= origin.at);
        let terms = in_force.find_map(|change| change.terms.as_ref());
        let rules = Rules::new(terms.context("no terms are recorded at the beginning")?)?;
        let past = Past {
            anchor: origin.at,
            cursor: origin.at,
            seen: origin.at,
            last_claimed: origin.run.map(|run| run.planned_at),
            failures: 0,
            failures_known: origin.run.is_none(),
        };
        let later = self
            .runs
            .iter()
            .filter(|run| run.planned_at >= origin.at && origin.run.is_none_or(|first| run.id != first.id));
        let replay = Replay::new(rules, past, Accounts::of(later), pending_from);
        Ok(match origin.run {
            Some(run) => replay.begin_with(run),
            None => replay,
        })
    }

    /// What happened after the origin and up to `until`, in order.
    fn events<'a>(&'a self, origin: &Origin<'a>, until: Timestamp) -> Vec<Event<'a>> {
        let changes = self.changes.iter().map(Event::Changed);
        let starts = self.runs.iter().map(Event::Started);
        let ends = self.runs.iter().map(Event::Ended);
        let all = ends.chain(changes).chain(starts);
        let since = origin.at;
        let mut events: Vec<(Timestamp, Event<'a>)> = all
            .filter_map(|event| Some((event.at()?, event)))
            .filter(|(at, _)| *at <= until && (*at > since || (origin.run.is_some() && *at == since)))
            .collect();
        events.sort_by_key(|(at, event)| (*at, event.order()));
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// Since when something runs or waits: what comes due from then on is recorded when that is over.
    fn busy_since(&self) -> Option<Timestamp> {
        let live = self.runs.iter().filter(|run| !run.status.is_terminal());
        let busy =
            live.filter(|run| run.status == RunStatus::Running || run.started_at.is_some() || run.due_at <= self.now);
        busy.map(|run| run.planned_at).min()
    }
}
