//! The life of one endpoint, lived again from the record: what came due when, and which row accounts for it.
//!
//! Events are the changes that people and planners made, and the starts and ends that the history shows. Between them
//! only time passes. Where the ledger differs within admissible bounds, the replay goes on from what the ledger says.

use baton_domain::{
    run::{Cause, Run, RunStatus},
    schedule::{ScheduleChange, Trigger},
    time::Timestamp,
};

use super::{
    accounts::Accounts,
    findings::Findings,
    rules::{Due, Past, Rules},
};

/// Something that happened to the endpoint.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    Ended(&'a Run),
    Changed(&'a ScheduleChange),
    Started(&'a Run),
}

/// The replay of one endpoint.
pub struct Replay<'a> {
    rules: Rules,
    past: Past,
    accounts: Accounts<'a>,
    /// Until when something that came due waits or runs, as far as rows tell.
    open_until: Timestamp,
    /// What comes due from here on may not have been recorded yet.
    pending_from: Timestamp,
    deleted: bool,
}

impl Event<'_> {
    pub fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Ended(run) => run.finished_at,
            Self::Changed(change) => Some(change.at),
            Self::Started(run) => run.started_at,
        }
    }

    /// Of what happens at one instant: first what ends, last what starts.
    pub fn order(&self) -> u8 {
        match self {
            Self::Ended(_) => 0,
            Self::Changed(_) => 1,
            Self::Started(_) => 2,
        }
    }
}

impl<'a> Replay<'a> {
    /// `pending_from` is when what runs or waits now came due: what passes meanwhile is recorded when that is over.
    pub fn new(rules: Rules, past: Past, accounts: Accounts<'a>, pending_from: Timestamp) -> Self {
        Self {
            rules,
            past,
            accounts,
            open_until: Timestamp::MIN_UTC,
            pending_from,
            deleted: false,
        }
    }

    /// Begins with a run that came due before.
    pub fn begin_with(mut self, run: &Run) -> Self {
        self.open_until = run.finished_at.unwrap_or(Timestamp::MAX_UTC);
        self
    }

    /// Lives through one event.
    pub fn follow(&mut self, event: Event<'a>, findings: &mut Findings) -> anyhow::Result<()> {
        let Some(now) = event.at() else { return Ok(()) };
        if let Event::Changed(change) = event
            && change.trigger == Trigger::Deleted
        {
            // What waited went with it.
            self.deleted = true;
        }
        if self.deleted {
            return Ok(());
        }
        if let Event::Started(run) = event
            && !run.cause.is_cadence()
        {
            self.past.last_claimed = self.past.last_claimed.max(Some(run.planned_at));
        }
        self.advance(now, findings);
        let paused_until = self.rules.pause_end().filter(|end| *end <= now);
        self.past.cursor = self.past.cursor.max(paused_until.unwrap_or(self.past.cursor));
        let judged_anew = match event {
            Event::Ended(run) => self.end(run, now),
            Event::Changed(change) => self.change(change, now)?,
            Event::Started(run) => {
                self.start(run, findings);
                false
            }
        };
        self.past.seen = now;
        // Behind a time that waits or runs, only times after a change count.
        if judged_anew && self.open_until > now {
            self.past.cursor = self.past.cursor.max(now);
        }
        self.advance(now, findings);
        Ok(())
    }

    /// Lets the rest of the time pass.
    pub fn finish(mut self, until: Timestamp, findings: &mut Findings) -> Accounts<'a> {
        self.advance(until, findings);
        self.accounts
    }

    fn next(&self, until: Timestamp) -> Option<Due> {
        let alive = !self.deleted;
        self.rules.next(&self.past).filter(|due| alive && due.at <= until)
    }

    /// Accounts for what has come due by `now`. What may not have been recorded yet ends it.
    fn advance(&mut self, now: Timestamp, findings: &mut Findings) {
        while let Some(due) = self.next(now) {
            if self.account(&due, findings) {
                continue;
            }
            if due.at >= self.pending_from {
                return;
            }
            self.pass(due.planned, due.at);
            findings.missed(&due);
        }
    }

    /// Finds the row of a due time and moves on behind it. False when there is none.
    fn account(&mut self, due: &Due, findings: &mut Findings) -> bool {
        if let Some(run) = self.accounts.take(due.planned) {
            self.accept(run, due.planned, due.at);
            findings.matched(due, run);
            return true;
        }
        let Some((run, reached)) = due.bounds.and_then(|bounds| self.accounts.take_within(bounds)) else {
            return false;
        };
        self.accept(run, reached, reached);
        findings.matched(due, run);
        true
    }

    fn accept(&mut self, run: &Run, planned: Timestamp, at: Timestamp) {
        self.open_until = self.open_until.max(run.finished_at.unwrap_or(Timestamp::MAX_UTC));
        self.pass(planned, at);
    }

    fn pass(&mut self, planned: Timestamp, at: Timestamp) {
        self.past.anchor = planned;
        self.past.cursor = at.max(self.past.seen).max(self.past.cursor);
    }

    /// A start tells of a time that the bounds leave open.
    fn start(&mut self, run: &'a Run, findings: &mut Findings) {
        if !run.cause.is_cadence() {
            return;
        }
        let next = self.rules.next(&self.past);
        if let Some(due) = next.filter(|due| due.bounds.is_some_and(|bounds| bounds.admit(run.planned_at)))
            && self.accounts.take_own(run)
        {
            self.accept(run, run.planned_at, run.planned_at);
            findings.matched(&due, run);
        }
        self.past.last_claimed = self.past.last_claimed.max(Some(run.planned_at));
        if self.rules.terms().overlap == "allow" {
            // What passed before the start goes with it; what follows is planned at once.
            self.past.cursor = self.past.cursor.max(run.started_at.unwrap_or(self.past.cursor));
        }
    }

    /// True when times are judged by something else from now on.
    fn end(&mut self, run: &Run, now: Timestamp) -> bool {
        if run.started_at.is_none() || run.cause == Cause::Test {
            return false;
        }
        let cadence = run.cause.is_cadence();
        if cadence {
            self.past.cursor = self.past.cursor.max(now);
        }
        match run.status {
            RunStatus::Succeeded => self.forget_failures() && !cadence,
            RunStatus::Failed if cadence => {
                self.past.failures = self.past.failures.saturating_add(1);
                self.past.failures_known |= self.past.failures > MANY_FAILURES;
                false
            }
            RunStatus::Failed | RunStatus::Planned | RunStatus::Running | RunStatus::Cancelled | RunStatus::Skipped => {
                false
            }
        }
    }

    /// True when there was something to forget.
    fn forget_failures(&mut self) -> bool {
        let any = self.past.failures > 0 || !self.past.failures_known;
        self.past.failures = 0;
        self.past.failures_known = true;
        any
    }

    /// True when times are judged by something else from now on.
    fn change(&mut self, change: &ScheduleChange, now: Timestamp) -> anyhow::Result<bool> {
        let Some(terms) = &change.terms else { return Ok(false) };
        let rules = Rules::new(terms)?;
        let freed = self.rules.pause_hints().any(|pause| {
            let still = rules.pause_hints().any(|other| other.id == pause.id);
            pause.expires_at > now && !still
        });
        let resumed = match change.trigger {
            Trigger::Redefined => true,
            Trigger::JobStatus => rules.terms().job_runs,
            Trigger::Resumed => self.rules.is_paused_by_person(now),
            _ => false,
        };
        if freed || resumed {
            self.past.cursor = self.past.cursor.max(now);
        }
        let judged_anew = match change.trigger {
            Trigger::FailuresReset => self.forget_failures(),
            Trigger::Resumed => resumed,
            Trigger::Assigned | Trigger::PlanAccepted | Trigger::HintUsed | Trigger::Deleted => false,
            Trigger::Created
            | Trigger::Redefined
            | Trigger::JobStatus
            | Trigger::Paused
            | Trigger::Archived
            | Trigger::HintApplied
            | Trigger::HintsCleared
            | Trigger::Due
            | Trigger::RunEnded => true,
        };
        self.rules = rules;
        Ok(judged_anew)
    }
}

/// From so many failures in a row on, more make no difference.
const MANY_FAILURES: u32 = 5;
