//! An endpoint with everything that decides its next run, and the invariant that binds them.
//!
//! **Each endpoint has at most one plan row**: its next cadence time or one-shot, whichever the governor chose, with
//! source, cause and plan. Every change goes through this aggregate: a store locks and loads it, one of the transitions
//! in the submodules changes it, and the store writes what changed in the same transaction. Pure: no clock, no store.

mod cooldown;
mod due;
mod edit;
mod hints;
mod record;
mod runs;

#[cfg(test)]
mod tests;

pub use cooldown::Cooling;
pub use hints::{HintDraft, HintVerdict, pause_cap};
pub use record::{BaselineTerms, HintTerms, PauseTerms, ScheduleChange, Terms, Trigger};
pub use runs::{Ended, FinishedRun, Holder, Settled};

use due::is_due_cadence;

use crate::{
    endpoint::{Endpoint, EndpointState, Overlap},
    governor::{self, Inputs, Next},
    hint::Hint,
    ids::{Chance, RunId, uuid_at},
    job::JobStatus,
    run::{Cause, LiveRun, Run, Slot},
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

    /// Lets the governor decide anew, and records what made it.
    pub fn replan(&mut self, trigger: Trigger, now: Timestamp, chance: &dyn Chance) {
        self.rewrite_plan_row(now, chance);
        self.record(trigger, now);
    }

    /// Rewrites the plan row if the governor's answer differs. A cadence time that is due stands: what comes after it
    /// starts waiting does not move it.
    fn rewrite_plan_row(&mut self, now: Timestamp, chance: &dyn Chance) {
        if self.plan_row.as_ref().is_some_and(|row| is_due_cadence(row, now)) {
            return;
        }
        let next = self.next(now);
        let same = match (&self.plan_row, &next) {
            (None, None) => true,
            (Some(row), Some(next)) => is_same(row, next, now),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same {
            return;
        }
        self.plan_row = next.map(|next| self.row(next, chance));
        self.dirty.plan_row = true;
    }

    /// The next run: what has come due under the hints of its time, else what the governor says. While a cadence run is
    /// in flight its end decides, unless runs may overlap: there is none then, but for the one that may queue behind it.
    fn next(&self, now: Timestamp) -> Option<Next> {
        if !self.state.runs_cadence() {
            return governor::due_cadence(self.inputs(), now).or_else(|| governor::next(self.inputs(), now));
        }
        let state = governor::behind_run(&self.state);
        let behind = Inputs {
            state: &state,
            ..self.inputs()
        };
        match self.endpoint.overlap {
            Overlap::Skip => None,
            Overlap::Queue => governor::due_cadence(behind, now),
            Overlap::Allow { .. } => governor::due_cadence(behind, now).or_else(|| governor::next(behind, now)),
        }
    }

    /// The next `count` runs if nothing else happened, what is due already first.
    pub fn preview(&self, now: Timestamp, count: usize) -> Vec<Next> {
        let Some(due) = governor::due_cadence(self.inputs(), now).filter(|_| count > 0) else {
            return governor::preview(self.inputs(), now, count);
        };
        let mut state = self.state.clone();
        state.anchor = state.anchor.max(due.planned_at);
        state.cursor = state.cursor.max(due.due_at);
        state.last_planned_at = state.last_planned_at.max(Some(due.planned_at));
        let then = Inputs {
            state: &state,
            ..self.inputs()
        };
        let rest = governor::preview(then, now, count - 1);
        [due].into_iter().chain(rest).collect()
    }

    fn row(&self, next: Next, chance: &dyn Chance) -> LiveRun {
        let id = RunId(uuid_at(next.planned_at, chance));
        let user = self.endpoint.user_id.clone();
        let mut run = Run::planned(id, self.endpoint.id, user, next.source, next.cause, next.planned_at);
        run.job_id = self.endpoint.job_id;
        run.due_at = next.due_since;
        run.clamped_from = next.clamped_from;
        run.hint_id = next.hint_id;
        run.plan_id = next.plan_id;
        run.plan_reason = next.reason;
        let mut row = LiveRun::waiting(run, Slot::Plan);
        row.one_shot_id = next.one_shot_id;
        row
    }
}

/// True when the row already says what the governor says.
fn is_same(row: &LiveRun, next: &Next, now: Timestamp) -> bool {
    let run = &row.run;
    let same_time = run.planned_at == next.planned_at && run.due_at == next.due_since;
    // A past one-shot is "now" at every look: it keeps the time it has.
    let same_shot = next.cause == Cause::HintOneShot && run.due_at <= now && next.due_at <= now;
    (same_time || same_shot)
        && run.cause == next.cause
        && run.source == next.source
        && run.hint_id == next.hint_id
        && run.clamped_from == next.clamped_from
        && run.plan_id == next.plan_id
        && row.one_shot_id == next.one_shot_id
}
