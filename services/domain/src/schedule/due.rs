//! What is due by now, or has passed: fixed before anything changes that would judge it differently.
//!
//! Every due cadence time ends up in one place: as the plan row that waits for its claim, as a run of its own, or within
//! the window of one skipped run. Called by the other transitions.

use crate::{
    endpoint::{EndpointState, Overlap},
    governor::{self, Inputs, Next, behind_last_run},
    hint::Hint,
    ids::Chance,
    run::{Cause, LiveRun, Missed, Run, RunStatus},
    time::Timestamp,
};

use super::{Schedule, Trigger};

impl Schedule {
    /// Fixes what came due under the hints and failures so far, before they change: the first cadence time takes the
    /// plan row and stands, those after it are recorded as coalesced with it.
    pub(super) fn catch_up(&mut self, now: Timestamp, chance: &dyn Chance) {
        if self.endpoint.overlap == Overlap::Skip && self.state.runs_cadence() {
            self.settle_passed("overlap", now, chance);
            return;
        }
        self.hold_planned_one_shot(now);
        let next = self.next(now);
        if next.is_some_and(|next| next.cause.is_cadence() && next.due_at <= now) {
            self.replan(Trigger::Due, now, chance);
        }
        let Some(row) = self.plan_row.as_ref().filter(|row| is_due_cadence(row, now)) else {
            return;
        };
        if let Some((missed, first)) = self.passed_after(Some(&row.run), now) {
            let run = self.row(first, chance).run;
            self.record_skipped(run, missed, "coalesced", now);
        }
    }

    /// Where runs may overlap, a claimed cadence time does not hold up the next. What came due before its claim is
    /// coalesced with it: a late start is not made up for by a burst.
    pub(super) fn plan_beside(&mut self, claimed: &Run, now: Timestamp, chance: &dyn Chance) {
        if claimed.cause.is_cadence() {
            if let Some((missed, first)) = self.passed_after(None, now) {
                let run = self.row(first, chance).run;
                self.record_skipped(run, missed, "coalesced", now);
            }
            self.move_cursor(now);
        }
        self.rewrite_plan_row(now, chance);
    }

    /// Records the cadence times up to `now` that will not run any more, that of a due plan row included, and moves the
    /// anchor to the last of them.
    pub(super) fn settle_passed(&mut self, reason: &str, now: Timestamp, chance: &dyn Chance) {
        let row = self.take_waiting_cadence(now, chance);
        let mut rest = self.passed_after(row.as_ref(), now);
        if let Some(run) = row {
            let mut missed = Missed {
                first: run.planned_at,
                last: run.planned_at,
                count: 1,
            };
            // One window for both, unless times between them have been recorded already.
            let gap = self.state.anchor > run.planned_at;
            if let Some((behind, _)) = rest.take_if(|_| !gap) {
                missed.last = behind.last;
                missed.count = missed.count.saturating_add(behind.count);
            }
            self.record_skipped(run, missed, reason, now);
        }
        if let Some((missed, first)) = rest {
            let run = self.row(first, chance).run;
            self.record_skipped(run, missed, reason, now);
        }
    }

    /// The cadence time that is due and waits for its claim, be it in the plan row or behind a one-shot there.
    fn take_waiting_cadence(&mut self, now: Timestamp, chance: &dyn Chance) -> Option<Run> {
        let row = self.plan_row.take_if(|row| is_due_cadence(row, now));
        self.dirty.plan_row |= row.is_some();
        let waiting = row.or_else(|| {
            let next = self.next(now)?;
            let due = next.cause.is_cadence() && next.due_at <= now;
            due.then(|| self.row(next, chance))
        });
        waiting.map(|row| row.run)
    }

    /// The times that have passed by `now`; behind `row` when a cadence time waits.
    fn passed_after(&self, row: Option<&Run>, now: Timestamp) -> Option<(Missed, Next)> {
        let mut state = self.state.clone();
        if let Some(run) = row {
            note_occurrence(&mut state, run);
        }
        let then = Inputs {
            state: &state,
            ..self.inputs()
        };
        governor::passed_over(then, now)
    }

    fn record_skipped(&mut self, run: Run, missed: Missed, reason: &str, now: Timestamp) {
        self.state.anchor = self.state.anchor.max(missed.last);
        self.dirty.state = true;
        self.ended.push(Run {
            status: RunStatus::Skipped,
            finished_at: Some(now),
            reason: Some(reason.to_owned()),
            missed: Some(missed),
            ..run
        });
    }

    /// After a claim: a hinted time in the plan row that has become too close to it is planned anew when the run ends.
    pub(super) fn withdraw_close_row(&mut self, now: Timestamp) {
        self.hold_planned_one_shot(now);
        let last = self.state.last_planned_at;
        let close = self.plan_row.take_if(|row| {
            let run = &row.run;
            let hinted = matches!(run.cause, Cause::HintInterval | Cause::HintOneShot);
            hinted
                && !is_due_cadence(row, now)
                && behind_last_run(&self.endpoint, last, run.planned_at) > run.planned_at
        });
        self.dirty.plan_row |= close.is_some();
    }

    /// A one-shot that is due and waits in the plan row stays due until it runs, though its life may end meanwhile.
    pub(super) fn hold_planned_one_shot(&mut self, now: Timestamp) {
        let due = self.plan_row.as_ref().filter(|row| row.run.due_at <= now);
        let Some(id) = due.and_then(|row| row.one_shot_id) else {
            return;
        };
        for hint in self.hints.iter_mut().filter(|hint| hint.id == id && !hint.held) {
            hint.held = true;
            self.dirty.hints = true;
        }
    }

    /// One-shots that came due within their life while the endpoint was running stay due until they run.
    pub(super) fn hold_due_one_shots(&mut self, since: Timestamp, now: Timestamp) {
        let due: Vec<bool> = self.hints.iter().map(|hint| self.came_due(hint, since, now)).collect();
        for (hint, due) in self.hints.iter_mut().zip(due) {
            self.dirty.hints |= due && !hint.held;
            hint.held |= due;
        }
    }

    fn came_due(&self, hint: &Hint, since: Timestamp, now: Timestamp) -> bool {
        governor::one_shot_due(self.inputs(), hint)
            .is_some_and(|due| due <= now && due <= hint.expires_at && since <= hint.expires_at)
    }
}

/// Moves the state past a cadence time that runs, or is about to.
pub(super) fn note_occurrence(state: &mut EndpointState, run: &Run) {
    state.anchor = state.anchor.max(run.planned_at);
    state.cursor = state.cursor.max(run.due_at);
}

pub(super) fn is_due_cadence(row: &LiveRun, now: Timestamp) -> bool {
    row.run.cause.is_cadence() && row.run.due_at <= now
}
