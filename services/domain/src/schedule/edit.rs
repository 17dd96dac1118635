//! Transitions that a person causes: definition, job, pause, resume, reset, archive.

use crate::{
    endpoint::{Endpoint, EndpointStatus, Pause},
    error::Error,
    ids::{Chance, JobId},
    job::JobStatus,
    run::{Run, RunStatus},
    time::Timestamp,
};

use super::{
    Schedule, Trigger,
    due::{is_due_cadence, note_occurrence},
};

impl Schedule {
    /// Plans the first run of a new endpoint.
    pub fn start(&mut self, now: Timestamp, chance: &dyn Chance) {
        self.dirty.endpoint = true;
        self.dirty.state = true;
        self.state.room = self.endpoint.overlap.room();
        self.replan(Trigger::Created, now, chance);
    }

    /// Fails for an archived endpoint, which nothing changes any more.
    pub fn require_active(&self) -> Result<(), Error> {
        match self.endpoint.status {
            EndpointStatus::Active => Ok(()),
            EndpointStatus::Archived => Err(Error::Precondition {
                reason: "ENDPOINT_ARCHIVED",
                message: "endpoint is archived".to_owned(),
            }),
        }
    }

    /// Takes a checked definition in place of the current one. Times that were due under the old one are settled.
    pub fn redefine(&mut self, endpoint: Endpoint, now: Timestamp, chance: &dyn Chance) {
        self.hold_planned_one_shot(now);
        self.settle_passed("definition-changed", now, chance);
        self.endpoint = endpoint;
        self.state.room = self.endpoint.overlap.room();
        self.touch(now);
        self.mark_changed(now);
        self.move_cursor(now);
        self.replan(Trigger::Redefined, now, chance);
    }

    /// Moves the endpoint into a job with this status, or out of any.
    pub fn assign(&mut self, job: Option<(JobId, JobStatus)>, now: Timestamp, chance: &dyn Chance) {
        let status = job.map(|(_, status)| status);
        if runs_in(self.job_status) != runs_in(status) {
            self.change_job_status(status, now, chance);
        }
        self.job_status = status;
        self.endpoint.job_id = job.map(|(id, _)| id);
        self.touch(now);
        if let Some(row) = &mut self.plan_row {
            row.run.job_id = self.endpoint.job_id;
            self.dirty.plan_row = true;
        }
        self.replan(Trigger::Assigned, now, chance);
    }

    /// Follows its job into another status. Archived cancels what is planned.
    pub fn change_job_status(&mut self, status: Option<JobStatus>, now: Timestamp, chance: &dyn Chance) {
        match status {
            Some(JobStatus::Archived) => self.cancel_planned("job-archived", now, chance),
            Some(JobStatus::Paused) => self.settle_passed("job-paused", now, chance),
            Some(JobStatus::Active) | None => self.move_cursor(now),
        }
        self.job_status = status;
        self.mark_changed(now);
        self.replan(Trigger::JobStatus, now, chance);
    }

    /// A person's pause, in place of an earlier one.
    pub fn pause(&mut self, pause: Pause, now: Timestamp, chance: &dyn Chance) {
        self.settle_passed("paused", now, chance);
        self.endpoint.pause = Some(pause);
        self.touch(now);
        self.mark_changed(now);
        self.replan(Trigger::Paused, now, chance);
    }

    /// Ends a person's pause now. Where it has ended by itself, or there is none, the schedule stays as it is.
    pub fn resume(&mut self, now: Timestamp, chance: &dyn Chance) {
        let Some(pause) = self.endpoint.pause.take() else {
            return;
        };
        self.touch(now);
        match pause {
            Pause::Until(end) if end <= now => self.move_cursor(end),
            Pause::Until(_) | Pause::UntilResumed => {
                self.mark_changed(now);
                self.move_cursor(now);
            }
        }
        self.replan(Trigger::Resumed, now, chance);
    }

    /// Ends the backoff.
    pub fn reset_failures(&mut self, now: Timestamp, chance: &dyn Chance) {
        self.forget_failures(now, chance);
        self.replan(Trigger::FailuresReset, now, chance);
    }

    /// Without backoff from now on. What came due under it is fixed first.
    pub(super) fn forget_failures(&mut self, now: Timestamp, chance: &dyn Chance) {
        if self.state.failures > 0 {
            self.catch_up(now, chance);
            self.state.failures = 0;
            self.mark_changed(now);
        }
    }

    /// Terminal; what is planned is cancelled.
    pub fn archive(&mut self, now: Timestamp, chance: &dyn Chance) {
        self.cancel_planned("endpoint-archived", now, chance);
        self.endpoint.status = EndpointStatus::Archived;
        self.touch(now);
        self.mark_changed(now);
        self.replan(Trigger::Archived, now, chance);
    }

    /// Moves the plan row into the history as cancelled, and accounts for what came due behind it.
    fn cancel_planned(&mut self, reason: &str, now: Timestamp, chance: &dyn Chance) {
        if let Some(row) = self.plan_row.take() {
            if is_due_cadence(&row, now) {
                note_occurrence(&mut self.state, &row.run);
            }
            self.ended.push(Run {
                status: RunStatus::Cancelled,
                finished_at: Some(now),
                reason: Some(reason.to_owned()),
                ..row.run
            });
            self.dirty.plan_row = true;
        }
        self.settle_passed(reason, now, chance);
    }

    /// Marks a write of the endpoint's own row.
    fn touch(&mut self, now: Timestamp) {
        self.endpoint.version += 1;
        self.endpoint.updated_at = now;
        self.dirty.endpoint = true;
    }

    pub(super) fn move_cursor(&mut self, to: Timestamp) {
        self.state.cursor = self.state.cursor.max(to);
        self.dirty.state = true;
    }
}

/// True when an endpoint of a job in this status runs.
fn runs_in(job: Option<JobStatus>) -> bool {
    match job {
        None | Some(JobStatus::Active) => true,
        Some(JobStatus::Paused | JobStatus::Archived) => false,
    }
}
