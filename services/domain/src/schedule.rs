//! An endpoint with everything that decides its next run, and the invariant that binds them.
//!
//! **Each endpoint has at most one plan row**: its next cadence time or one-shot, whichever the governor chose, with
//! source, cause and plan. Every change goes through this aggregate: a store locks and loads it, one of the transitions
//! in the submodules changes it, and the store writes what changed in the same transaction. Pure: no clock, no store.

mod edit;
mod hints;
mod runs;

#[cfg(test)]
mod tests;

pub use hints::{HintDraft, HintVerdict, pause_cap};
pub use runs::{Ended, FinishedRun, Settled};

use crate::{
    endpoint::{Endpoint, EndpointState},
    governor::{self, Inputs, Next},
    hint::Hint,
    ids::{Chance, EndpointId, RunId, uuid_at},
    job::JobStatus,
    run::{Cause, LiveRun, Run, RunStatus, Slot},
    time::Timestamp,
};

/// What changed and must be written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dirty {
    pub endpoint: bool,
    pub state: bool,
    pub hints: bool,
    pub plan_row: bool,
}

/// Why a plan row was rewritten: the append-only record that an audit reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleChange {
    pub endpoint_id: EndpointId,
    pub at: Timestamp,
    /// What happened, in kebab-case, such as `created`, `hint-applied` or `paused`.
    pub trigger: &'static str,
    pub next_at: Option<Timestamp>,
    pub cause: Option<Cause>,
}

/// An endpoint with all that decides its next run.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub endpoint: Endpoint,
    /// `None` for an endpoint without a job.
    pub job_status: Option<JobStatus>,
    pub state: EndpointState,
    pub hints: Vec<Hint>,
    /// The planned row of slot `plan`, if there is one.
    pub plan_row: Option<LiveRun>,
    pub dirty: Dirty,
    /// Rows for the run history.
    pub ended: Vec<Run>,
    pub changes: Vec<ScheduleChange>,
}

impl Schedule {
    /// As loaded from a store, or for a new endpoint.
    pub fn new(endpoint: Endpoint, job_status: Option<JobStatus>, state: EndpointState) -> Self {
        Self {
            endpoint,
            job_status,
            state,
            hints: Vec::new(),
            plan_row: None,
            dirty: Dirty::default(),
            ended: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// What the governor reads.
    pub fn inputs(&self) -> Inputs<'_> {
        Inputs {
            endpoint: &self.endpoint,
            job_status: self.job_status,
            state: &self.state,
            hints: &self.hints,
        }
    }

    /// Lets the governor decide anew and rewrites the plan row if its answer differs.
    pub fn replan(&mut self, trigger: &'static str, now: Timestamp, chance: &dyn Chance) {
        let held = self.state.busy.is_some_and(|busy| busy.scheduled);
        let next = if held { None } else { governor::next(self.inputs(), now) };
        if self
            .plan_row
            .as_ref()
            .is_some_and(|row| next.as_ref().is_some_and(|next| is_same(row, next, now)))
        {
            return;
        }
        if self.plan_row.is_none() && next.is_none() {
            return;
        }
        self.changes.push(ScheduleChange {
            endpoint_id: self.endpoint.id,
            at: now,
            trigger,
            next_at: next.as_ref().map(|next| next.planned_at),
            cause: next.as_ref().map(|next| next.cause),
        });
        self.plan_row = next.map(|next| self.row(next, chance));
        self.dirty.plan_row = true;
    }

    fn row(&self, next: Next, chance: &dyn Chance) -> LiveRun {
        let id = RunId(uuid_at(next.planned_at, chance));
        let user = self.endpoint.user_id.clone();
        let mut run = Run::planned(id, self.endpoint.id, user, next.source, next.cause, next.planned_at);
        run.job_id = self.endpoint.job_id;
        run.due_at = next.due_at;
        run.clamped_from = next.clamped_from;
        run.hint_id = next.hint_id;
        run.plan_id = next.plan_id;
        run.plan_reason = next.reason;
        let mut row = LiveRun::waiting(run, Slot::Plan);
        row.one_shot_id = next.one_shot_id;
        row
    }

    /// Records the cadence times up to `now` that will not run any more, and moves the anchor to the last of them.
    fn settle_passed(&mut self, reason: &str, now: Timestamp, chance: &dyn Chance) {
        let Some((missed, first)) = governor::passed_over(self.inputs(), now) else {
            return;
        };
        let id = RunId(uuid_at(missed.first, chance));
        let user = self.endpoint.user_id.clone();
        let mut run = Run::planned(id, self.endpoint.id, user, first.source, first.cause, missed.first);
        run.job_id = self.endpoint.job_id;
        run.status = RunStatus::Skipped;
        run.finished_at = Some(now);
        run.reason = Some(reason.to_owned());
        run.missed = Some(missed);
        run.hint_id = first.hint_id;
        run.plan_id = first.plan_id;
        self.ended.push(run);
        self.state.anchor = missed.last;
        self.dirty.state = true;
    }
}

/// True when the row already says what the governor says; a row that is due stays due.
fn is_same(row: &LiveRun, next: &Next, now: Timestamp) -> bool {
    let run = &row.run;
    let same_time =
        run.planned_at == next.planned_at && (run.due_at == next.due_at || run.due_at.max(next.due_at) <= now);
    // A past one-shot is "now" at every look: it keeps the time it has.
    let same_shot = next.cause == Cause::HintOneShot && run.due_at <= now && run.planned_at <= next.planned_at;
    (same_time || same_shot)
        && run.cause == next.cause
        && run.source == next.source
        && run.hint_id == next.hint_id
        && run.clamped_from == next.clamped_from
        && run.plan_id == next.plan_id
        && row.one_shot_id == next.one_shot_id
}
