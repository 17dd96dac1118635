//! Transitions that running causes: claim, retry, end, lost lease.

use std::time::Duration;

use crate::{
    call::CallOutcome,
    endpoint::{Busy, EndpointStatus, Outcome, Overlap, RetryPolicy},
    ids::{Chance, EndpointId, HintId, RunId},
    job::JobStatus,
    limits,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    time::{Timestamp, after},
};

use super::{Schedule, Trigger, due::note_occurrence};

/// What the engine reports about a call that is over.
#[derive(Debug, Clone)]
pub struct FinishedRun {
    pub run_id: RunId,
    pub endpoint_id: EndpointId,
    /// As the claim told it. A queue may record some ends in a shorter way; whether it can, the run's row decides.
    pub cause: Cause,
    /// The token of the claim; a report with an older one is refused.
    pub fence: i64,
    pub outcome: CallOutcome,
}

/// Who takes a run, and until when it is theirs without a sign of life.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'a> {
    /// Name of the engine.
    pub owner: &'a str,
    pub lease_until: Timestamp,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    Succeeded,
    Failed,
    /// Planned again for another attempt.
    Retried,
    /// Somebody else holds the run by now, or it is gone.
    Refused,
    /// The report itself cannot be written. The lease runs out, and the run is taken up again.
    Unrecorded,
}

/// What became of one run within its transaction.
#[derive(Debug, Clone)]
pub enum Ended {
    /// Goes back to the queue.
    Again(LiveRun),
    /// Goes to the history. `class_changed` is true when the endpoint went from ok to failing or back.
    Over { run: Run, class_changed: bool },
}

impl Schedule {
    /// Hands a due run to `holder`. `row` is a waiting row of this endpoint, its own plan row included.
    pub fn claim(&mut self, row: LiveRun, holder: &Holder<'_>, now: Timestamp, chance: &dyn Chance) -> LiveRun {
        let mut row = row;
        debug_assert!(row.has_place() || self.state.has_room(), "no room for another run");
        self.note_end_of_slowing(now);
        if row.slot == Slot::Plan {
            self.take_plan_row(&mut row, now);
        }
        if row.run.source == Source::AI_HINT {
            self.state.last_ai_start = Some(now);
            self.state.last_ai_planned = Some(row.run.planned_at);
        }
        self.occupy(&row, now);
        if row.run.cause == Cause::Test {
            self.hold_planned_one_shot(now);
        } else {
            self.state.last_planned_at = self.state.last_planned_at.max(Some(row.run.planned_at));
            self.withdraw_close_row(now);
        }

        if let Overlap::Allow { .. } = self.endpoint.overlap
            && !row.has_place()
        {
            self.plan_beside(&row.run, now, chance);
        }

        if !row.has_place() {
            // That of its first start: a plan waits for its steps wherever their endpoints are by the second.
            row.run.job_id = self.endpoint.job_id;
        }
        row.fence += 1;
        row.lease_owner = Some(holder.owner.to_owned());
        row.lease_until = Some(holder.lease_until);
        row.run.status = RunStatus::Running;
        row.run.attempt += 1;
        row.run.started_at = Some(now);
        row.host = Some(self.endpoint.request.host());
        note_outcome(&mut row.run, None);
        row
    }

    /// The first claim of a plan row: from here on its time stands, and the one-shot on it is used up.
    fn take_plan_row(&mut self, row: &mut LiveRun, now: Timestamp) {
        row.slot = Slot::Taken;
        self.plan_row = None;
        self.dirty.plan_row = true;
        self.use_up(row.one_shot_id, now);
        if row.run.cause.is_cadence() {
            note_occurrence(&mut self.state, &row.run);
            self.state.cadence_owed = false;
        }
    }

    /// The one-shot has had its time.
    pub(super) fn use_up(&mut self, one_shot: Option<HintId>, now: Timestamp) {
        let Some(used) = one_shot else { return };
        self.hints.retain(|hint| hint.id != used);
        self.dirty.hints = true;
        self.record_used_hint(used, now);
    }

    /// From its first claim until it is over the run has a place on this endpoint, waits for a retry included.
    fn occupy(&mut self, row: &LiveRun, now: Timestamp) {
        self.dirty.state = true;
        if row.has_place() {
            return;
        }
        let busy = self.state.busy.get_or_insert(Busy {
            runs: 0,
            cadences: 0,
            since: now,
        });
        busy.runs += 1;
        busy.cadences += u32::from(row.run.cause.is_cadence());
    }

    /// The run is over, or will not be tried again: its place is free.
    pub fn release(&mut self, row: &LiveRun) {
        self.dirty.state = true;
        let Some(busy) = self.state.busy.as_mut().filter(|_| row.has_place()) else {
            return;
        };
        busy.runs = busy.runs.saturating_sub(1);
        busy.cadences = busy.cadences.saturating_sub(u32::from(row.run.cause.is_cadence()));
        if busy.runs == 0 {
            self.state.busy = None;
        }
    }

    /// Takes the result of an attempt whose fencing token is current: another one by policy, or the end of the run and the
    /// plan for the next.
    pub fn finish(&mut self, row: LiveRun, outcome: &CallOutcome, now: Timestamp, chance: &dyn Chance) -> Ended {
        let mut row = row;
        if row.run.status == RunStatus::Planned {
            // Taken back after a lost lease, but nobody has claimed it since: the attempt counts after all.
            row.run.attempt += 1;
        }
        note_outcome(&mut row.run, Some(outcome));
        let policy = self.endpoint.retry;
        let again = row.run.cause != Cause::Test
            && outcome.is_retryable()
            && row.run.attempt < policy.max_attempts
            && self.archived().is_none();
        if !outcome.is_success() && again {
            // The report is taken: the same one again must not count twice.
            row.fence += 1;
            row.run.status = RunStatus::Planned;
            row.run.due_at = after(now, retry_delay(policy, row.run.attempt, outcome.retry_after, chance));
            row.lease_owner = None;
            row.lease_until = None;
            return Ended::Again(row);
        }
        self.end(row, outcome.is_success(), now, chance)
    }

    /// Takes a run back whose holder has died or fallen silent. Uses up no attempt, but only so many times.
    pub fn lose(&mut self, row: LiveRun, now: Timestamp, chance: &dyn Chance) -> Ended {
        let mut row = row;
        row.losses += 1;
        row.lease_owner = None;
        row.lease_until = None;
        if row.losses > limits::LOSSES_MAX {
            row.run.error = Some(format!("lease lost {} times", row.losses));
            return self.end(row, false, now, chance);
        }
        if let Some(reason) = self.archived() {
            return self.call_off(row, reason, now);
        }
        row.run.status = RunStatus::Planned;
        row.run.attempt = row.run.attempt.saturating_sub(1);
        row.run.due_at = now.max(row.run.planned_at);
        Ended::Again(row)
    }

    fn end(&mut self, row: LiveRun, success: bool, now: Timestamp, chance: &dyn Chance) -> Ended {
        let plain = success && self.ends_plainly(row.run.cause);
        if row.run.cause.is_cadence() {
            // While it still counts as busy: by the policy what passed meanwhile is overlap, or the first of it waits.
            self.catch_up(now, chance);
            self.move_cursor(now);
        }
        let since = self.state.busy.map_or(now, |busy| busy.since);
        self.release(&row);
        self.hold_due_one_shots(since, now);
        let run = Run {
            status: if success {
                RunStatus::Succeeded
            } else {
                RunStatus::Failed
            },
            finished_at: Some(now),
            ..row.run
        };
        if plain {
            self.state.last_outcome = Some(Outcome::Ok);
            return Ended::Over {
                run,
                class_changed: false,
            };
        }
        let class_changed = self.note_result(run.cause, success, now, chance);
        self.drop_expired_hints(now);
        self.dirty.state = true;
        self.replan(Trigger::RunEnded, now, chance);
        Ended::Over { run, class_changed }
    }

    /// True when the success of such a run frees its place and changes nothing else. The governor would say again what it
    /// has said: no failure is forgotten, no hint is held, dropped or withdrawn, and times that pass while no cadence runs
    /// have their plan row. Stores record such ends without loading what they do not touch.
    pub fn ends_plainly(&self, cause: Cause) -> bool {
        let state = &self.state;
        let nothing_amiss =
            state.failures == 0 && state.last_outcome != Some(Outcome::Failed) && state.slowed.is_none();
        cause.may_end_plainly() && nothing_amiss && !state.runs_cadence() && self.hints.is_empty()
    }

    /// Ends a run that will not be tried again because nothing of its endpoint runs any more.
    fn call_off(&mut self, row: LiveRun, reason: &str, now: Timestamp) -> Ended {
        self.release(&row);
        let run = Run {
            status: RunStatus::Cancelled,
            finished_at: Some(now),
            reason: Some(reason.to_owned()),
            ..row.run
        };
        Ended::Over {
            run,
            class_changed: false,
        }
    }

    /// Why nothing of this endpoint is started any more, if so.
    fn archived(&self) -> Option<&'static str> {
        if self.endpoint.status == EndpointStatus::Archived {
            return Some("endpoint-archived");
        }
        (self.job_status == Some(JobStatus::Archived)).then_some("job-archived")
    }

    /// Counts failures and tells whether the endpoint went from ok to failing or back.
    fn note_result(&mut self, cause: Cause, success: bool, now: Timestamp, chance: &dyn Chance) -> bool {
        if cause == Cause::Test {
            return false;
        }
        match (success, cause.is_cadence()) {
            (true, true) => self.state.failures = 0,
            (true, false) => self.forget_failures(now, chance),
            (false, true) => self.state.failures = self.state.failures.saturating_add(1),
            (false, false) => {}
        }
        let outcome = if success { Outcome::Ok } else { Outcome::Failed };
        let before = self.state.last_outcome.replace(outcome).unwrap_or(Outcome::Ok);
        before != outcome
    }
}

/// What the last attempt came to; `None` when one has only begun.
fn note_outcome(run: &mut Run, outcome: Option<&CallOutcome>) {
    run.duration = outcome.map(|outcome| outcome.duration);
    run.status_code = outcome.and_then(|outcome| outcome.status_code);
    run.error = outcome.map(CallOutcome::error_text).filter(|text| !text.is_empty());
    run.response = outcome.map(|outcome| outcome.response.clone()).unwrap_or_default();
    run.response_truncated = outcome.is_some_and(|outcome| outcome.truncated);
}

/// Full jitter: evenly between zero and the doubled base, capped; a longer Retry-After counts up to the cap.
fn retry_delay(policy: RetryPolicy, attempt: u32, retry_after: Option<Duration>, chance: &dyn Chance) -> Duration {
    let doubled = policy
        .base_delay
        .saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
    let ceiling = u64::try_from(doubled.min(policy.max_delay).as_micros()).unwrap_or(u64::MAX);
    let bits = u64::try_from(chance.bits() >> 64).unwrap_or_default();
    let jittered = Duration::from_micros(bits % ceiling.saturating_add(1));
    retry_after.map_or(jittered, |wish| jittered.max(wish.min(policy.max_delay)))
}
