//! Transitions that a person causes: definition, job, pause, resume, reset, archive.

use crate::{
    endpoint::{EndpointStatus, Pause},
    error::Error,
    ids::{Chance, JobId},
    job::JobStatus,
    run::{RunStatus, Slot},
    time::Timestamp,
};

use super::Schedule;

impl Schedule {
    /// Plans the first run of a new endpoint.
    pub fn start(&mut self, now: Timestamp, chance: &dyn Chance) {
        self.dirty.endpoint = true;
        self.dirty.state = true;
        self.replan("created", now, chance);
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
    pub fn redefine(&mut self, endpoint: crate::endpoint::Endpoint, now: Timestamp, chance: &dyn Chance) {
        self.settle_passed("definition-changed", now, chance);
        self.endpoint = endpoint;
        self.touch(now);
        self.move_cursor(now);
        self.replan("redefined", now, chance);
    }

    /// Moves the endpoint into a job with this status, or out of any.
    pub fn assign(&mut self, job: Option<(JobId, JobStatus)>, now: Timestamp, chance: &dyn Chance) {
        let before = self.job_status;
        let status = job.map(|(_, status)| status);
        if before != status && (before == Some(JobStatus::Paused) || status == Some(JobStatus::Paused)) {
            self.change_job_status(status, now, chance);
        }
        self.endpoint.job_id = job.map(|(id, _)| id);
        self.job_status = status;
        self.touch(now);
        if let Some(row) = &mut self.plan_row {
            row.run.job_id = self.endpoint.job_id;
            self.dirty.plan_row = true;
        }
        self.replan("assigned", now, chance);
    }

    /// Follows its job into another status. Archived cancels what is planned.
    pub fn change_job_status(&mut self, status: Option<JobStatus>, now: Timestamp, chance: &dyn Chance) {
        match status {
            Some(JobStatus::Archived) => self.cancel_plan_row("job-archived", now),
            Some(JobStatus::Paused) => self.settle_passed("job-paused", now, chance),
            Some(JobStatus::Active) | None => self.move_cursor(now),
        }
        self.job_status = status;
        self.state.changed_at = now;
        self.dirty.state = true;
        self.replan("job-status", now, chance);
    }

    /// A person's pause, in place of an earlier one.
    pub fn pause(&mut self, pause: Pause, now: Timestamp, chance: &dyn Chance) {
        self.settle_passed("paused", now, chance);
        self.endpoint.pause = Some(pause);
        self.touch(now);
        self.replan("paused", now, chance);
    }

    /// Ends a person's pause now; without one nothing changes.
    pub fn resume(&mut self, now: Timestamp, chance: &dyn Chance) {
        let Some(pause) = self.endpoint.pause.take() else {
            return;
        };
        let over = matches!(pause, Pause::Until(end) if end <= now);
        self.move_cursor(match pause {
            Pause::Until(end) if over => end,
            Pause::Until(_) | Pause::UntilResumed => now,
        });
        self.touch(now);
        self.replan("resumed", now, chance);
    }

    /// Ends the backoff.
    pub fn reset_failures(&mut self, now: Timestamp, chance: &dyn Chance) {
        self.state.failures = 0;
        self.dirty.state = true;
        self.replan("failures-reset", now, chance);
    }

    /// Terminal; what is planned is cancelled.
    pub fn archive(&mut self, now: Timestamp, chance: &dyn Chance) {
        self.cancel_plan_row("endpoint-archived", now);
        self.endpoint.status = EndpointStatus::Archived;
        self.touch(now);
        self.replan("archived", now, chance);
    }

    /// Moves the plan row into the history as cancelled.
    fn cancel_plan_row(&mut self, reason: &str, now: Timestamp) {
        let Some(row) = self.plan_row.take() else { return };
        debug_assert_eq!(row.slot, Slot::Plan);
        let mut run = row.run;
        run.status = RunStatus::Cancelled;
        run.finished_at = Some(now);
        run.reason = Some(reason.to_owned());
        self.ended.push(run);
        self.dirty.plan_row = true;
    }

    /// Marks a write of the endpoint's own row.
    fn touch(&mut self, now: Timestamp) {
        self.endpoint.version += 1;
        self.endpoint.updated_at = now;
        self.state.changed_at = now;
        self.dirty.endpoint = true;
        self.dirty.state = true;
    }

    pub(super) fn move_cursor(&mut self, to: Timestamp) {
        self.state.cursor = self.state.cursor.max(to);
        self.dirty.state = true;
    }
}
