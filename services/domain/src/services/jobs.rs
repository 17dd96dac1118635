//! Jobs: create, read, change, pause, resume, archive, delete.

use crate::{
    error::{Error, Resource, Violations},
    ids::{JobId, UserId, uuid_at},
    job::{Job, JobStatus, PlannerMode, check_texts},
    ports::{Page, Topic, Tx},
    schedule::Schedule,
    time::Timestamp,
};

use super::{
    Idempotency, Listing, Services, check_etag, claim_request, endpoints::record_deletion, found, listing, lost_update,
    outcomes, peek,
};

impl Services {
    /// Adds an active job, or answers with the one an earlier request of the same id made.
    pub async fn create_job(
        &self,
        user: &UserId,
        name: &str,
        description: &str,
        idempotency: &Idempotency,
    ) -> Result<Job, Error> {
        let mut violations = Violations::default();
        check_texts(&mut violations, "", name, description);
        violations.into_result()?;

        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let id = JobId(uuid_at(now, self.chance.as_ref()));
        if let Some(earlier) = claim_request(tx.as_mut(), user, idempotency, id.0).await? {
            return found(Resource::Job, tx.get_job(user, JobId(earlier)).await?);
        }
        let job = Job {
            id,
            user_id: user.clone(),
            name: name.to_owned(),
            description: description.to_owned(),
            status: JobStatus::Active,
            planner_mode: PlannerMode::Act,
            version: 1,
            created_at: now,
            updated_at: now,
            archived_at: None,
        };
        tx.create_job(&job).await?;
        tx.commit().await?;
        Ok(job)
    }

    pub async fn get_job(&self, user: &UserId, id: JobId) -> Result<Job, Error> {
        let mut tx = self.store.read().await?;
        found(Resource::Job, tx.get_job(user, id).await?)
    }

    /// Oldest first.
    pub async fn list_jobs(&self, user: &UserId, status: Option<JobStatus>, page: Page) -> Result<Listing<Job>, Error> {
        let mut tx = self.store.read().await?;
        let rows = tx.list_jobs(user, status, peek(page)).await?;
        Ok(listing(rows, page, |job| job.id.0))
    }

    /// Writes the fields that are given.
    pub async fn update_job(
        &self,
        user: &UserId,
        id: JobId,
        etag: Option<&str>,
        name: Option<&str>,
        description: Option<&str>,
    ) -> Result<Job, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let mut job = found(Resource::Job, tx.get_job(user, id).await?)?;
        check_etag(etag, job.version)?;
        require_not_archived(&job)?;
        if let Some(name) = name {
            name.clone_into(&mut job.name);
        }
        if let Some(description) = description {
            description.clone_into(&mut job.description);
        }
        let mut violations = Violations::default();
        check_texts(&mut violations, "job.", &job.name, &job.description);
        violations.into_result()?;
        job.touch(now);
        if !tx.update_job(&job).await? {
            return Err(lost_update());
        }
        note_definition(tx.as_mut(), Some(id)).await?;
        tx.commit().await?;
        Ok(job)
    }

    /// Moves the job and all its endpoints into another status.
    pub async fn set_job_status(&self, user: &UserId, id: JobId, target: JobStatus) -> Result<Job, Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Job, tx.get_job(user, id).await?)?;
        let mut schedules = tx.lock_job_schedules(id).await?;
        let now = tx.now();
        // Read again: the locks may have waited for somebody else's change.
        let mut job = found(Resource::Job, tx.get_job(user, id).await?)?;
        job.transition(target, now)?;
        for schedule in &mut schedules {
            schedule.change_job_status(Some(target), now, self.chance.as_ref());
        }
        drop_waiting(tx.as_mut(), &mut schedules, target, now).await?;
        tx.save_schedules(&schedules).await?;
        let written = match target {
            JobStatus::Archived => tx.archive_job(user, id, now).await?,
            JobStatus::Active | JobStatus::Paused => tx.update_job(&job).await?,
        };
        if !written {
            return Err(lost_update());
        }
        note_definition(tx.as_mut(), Some(id)).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(job)
    }

    /// Deletes the job with its endpoints; history and plans stay.
    pub async fn delete_job(&self, user: &UserId, id: JobId) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Job, tx.get_job(user, id).await?)?;
        let mut schedules = tx.lock_job_schedules(id).await?;
        record_deletion(tx.as_mut(), &mut schedules).await?;
        if !tx.delete_job(user, id).await? {
            return Err(Error::NotFound(Resource::Job));
        }
        tx.wake(Topic::Contexts);
        tx.commit().await?;
        Ok(())
    }
}

/// Fails unless planners may plan for the job.
pub(super) fn require_active(job: &Job) -> Result<(), Error> {
    match job.status {
        JobStatus::Active => Ok(()),
        JobStatus::Paused | JobStatus::Archived => Err(Error::Precondition {
            reason: "JOB_STATE",
            message: format!("job is {}", job.status.as_str()),
        }),
    }
}

pub(super) fn require_not_archived(job: &Job) -> Result<(), Error> {
    match job.status {
        JobStatus::Active | JobStatus::Paused => Ok(()),
        JobStatus::Archived => Err(Error::Precondition {
            reason: "JOB_STATE",
            message: "job is archived".to_owned(),
        }),
    }
}

/// A paused job drops the planner's waiting steps, an archived one everything that waits.
async fn drop_waiting(
    tx: &mut dyn Tx,
    schedules: &mut [Schedule],
    status: JobStatus,
    now: Timestamp,
) -> Result<(), Error> {
    match status {
        JobStatus::Active => Ok(()),
        JobStatus::Paused => outcomes::drop_waiting(tx, schedules, "job-paused", now, outcomes::is_step).await,
        JobStatus::Archived => outcomes::drop_waiting(tx, schedules, "job-archived", now, |_| true).await,
    }
}

/// Tells planners that what they may plan with has changed. Endpoints must be locked before.
pub(super) async fn note_definition(tx: &mut dyn Tx, job: Option<JobId>) -> Result<(), Error> {
    let now = tx.now();
    let Some(job) = job else { return Ok(()) };
    for mut planning in tx.lock_planning(&[job]).await? {
        planning.note_definition(now);
        tx.save_planning(&planning).await?;
    }
    tx.wake(Topic::Contexts);
    Ok(())
}

/// Tells planners that a context looks different, without a reason to ask.
pub(super) async fn note_context(tx: &mut dyn Tx, job: Option<JobId>) -> Result<(), Error> {
    let now = tx.now();
    let Some(job) = job else { return Ok(()) };
    for mut planning in tx.lock_planning(&[job]).await? {
        planning.note(None, now);
        tx.save_planning(&planning).await?;
    }
    tx.wake(Topic::Contexts);
    Ok(())
}
