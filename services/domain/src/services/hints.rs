//! Hints that people write, and the one call that undoes all of a job's hints.

use std::time::Duration;

use crate::{
    error::{Error, Resource, Violations},
    hint::{Author, Instruction},
    ids::{EndpointId, JobId, UserId},
    limits,
    ports::Topic,
    schedule::{HintDraft, Schedule},
    time::{Timestamp, after, elapsed},
};

use super::{Services, found, jobs::note_context};

impl Services {
    /// Writes a person's hint. Intervals out of the guardrails are clamped when they apply.
    pub async fn apply_hint(
        &self,
        user: &UserId,
        id: EndpointId,
        instruction: Instruction,
        ttl: Option<Duration>,
        reason: &str,
    ) -> Result<Schedule, Error> {
        let mut tx = self.store.begin().await?;
        let mut violations = Violations::default();
        check_hint(instruction, ttl, reason, tx.now(), &mut violations);
        violations.into_result()?;

        found(Resource::Endpoint, tx.get_schedule(user, id).await?)?;
        let mut schedules = tx.lock_schedules(&[id]).await?;
        let now = tx.now();
        let schedule = found(Resource::Endpoint, schedules.first_mut())?;
        schedule.require_active()?;
        let draft = HintDraft {
            author: Author::Person,
            instruction,
            expires_at: after(now, ttl.unwrap_or(limits::HINT_TTL_DEFAULT)),
            reason: reason.to_owned(),
            plan_id: None,
        };
        schedule.apply_hint(draft, &self.limits, now, self.chance.as_ref());
        let job = schedule.endpoint.job_id;
        tx.save_schedules(&schedules).await?;
        note_context(tx.as_mut(), job).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        found(Resource::Endpoint, schedules.pop())
    }

    /// Removes every hint of one endpoint. Returns how many.
    pub async fn clear_endpoint_hints(&self, user: &UserId, id: EndpointId) -> Result<usize, Error> {
        let mut tx = self.store.begin().await?;
        let seen = found(Resource::Endpoint, tx.get_schedule(user, id).await?)?;
        let schedules = tx.lock_schedules(&[id]).await?;
        self.clear(tx, schedules, seen.endpoint.job_id).await
    }

    /// Removes every hint of every endpoint of a job. Returns how many.
    pub async fn clear_job_hints(&self, user: &UserId, id: JobId) -> Result<usize, Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Job, tx.get_job(user, id).await?)?;
        let schedules = tx.lock_job_schedules(id).await?;
        self.clear(tx, schedules, Some(id)).await
    }

    async fn clear(
        &self,
        mut tx: Box<dyn crate::ports::Tx>,
        mut schedules: Vec<Schedule>,
        job: Option<JobId>,
    ) -> Result<usize, Error> {
        let now = tx.now();
        let cleared = schedules
            .iter_mut()
            .map(|schedule| schedule.clear_hints(|_| true, now, self.chance.as_ref()))
            .sum();
        tx.save_schedules(&schedules).await?;
        note_context(tx.as_mut(), job).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(cleared)
    }
}

/// The bounds of a person's hint that do not depend on the endpoint.
pub fn check_hint(
    instruction: Instruction,
    ttl: Option<Duration>,
    reason: &str,
    now: Timestamp,
    violations: &mut Violations,
) {
    let ttl = ttl.unwrap_or(limits::HINT_TTL_DEFAULT);
    violations.check(
        !ttl.is_zero() && ttl <= limits::HINT_TTL_MAX,
        "ttl",
        "must be above zero and at most 24 hours",
    );
    violations.check(
        reason.chars().count() <= limits::REASON_CHARS,
        "reason",
        format!("must have at most {} characters", limits::REASON_CHARS),
    );
    match instruction {
        Instruction::Interval(interval) => violations.check(
            (limits::INTERVAL_MIN..=limits::INTERVAL_MAX).contains(&interval),
            "interval",
            "must be 50 ms to 366 days",
        ),
        Instruction::OneShot(at) => {
            violations.check(
                at <= after(now, ttl),
                "one_shot_time",
                "must not be after the hint's expiry",
            );
            violations.check(
                elapsed(at, now) <= limits::INTERVAL_MAX,
                "one_shot_time",
                "must not be more than 366 days ago",
            );
        }
        Instruction::Pause => violations.push("instruction", "people pause the endpoint itself"),
    }
}
