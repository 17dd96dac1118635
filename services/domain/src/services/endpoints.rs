//! Endpoints: create, read, change, assign, pause, resume, reset, archive, delete, preview.

mod draft;

pub use draft::{EndpointDraft, OverlapKind};

use crate::{
    endpoint::{EndpointState, EndpointStatus, Pause},
    error::{Error, Resource, Violations},
    governor::Next,
    ids::{EndpointId, JobId, UserId, uuid_at},
    job::{Job, JobStatus},
    limits,
    ports::{Page, Topic, Tx},
    schedule::Schedule,
    time::{Timestamp, after},
};

use super::{
    Idempotency, Listing, Services, check_etag, claim_request,
    contexts::is_planners,
    found,
    jobs::{note_context, note_definition},
    listing,
    outcomes::{drop_waiting, is_step},
    peek,
};

impl Services {
    /// Adds an endpoint, or answers with the one that an earlier request of the same id made.
    pub async fn create_endpoint(
        &self,
        user: &UserId,
        job: Option<JobId>,
        draft: &EndpointDraft,
        idempotency: &Idempotency,
    ) -> Result<Schedule, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let id = EndpointId(uuid_at(now, self.chance.as_ref()));
        let mut violations = Violations::default();
        check_pause(&mut violations, "endpoint.pause.until", draft.pause, now);
        let endpoint = draft.build(id, user, job, now, violations)?;
        if let Some(earlier) = claim_request(tx.as_mut(), user, idempotency, id.0).await? {
            return found(Resource::Endpoint, tx.get_schedule(user, EndpointId(earlier)).await?);
        }
        let job = match job {
            Some(job) => Some(job_with_room(tx.as_mut(), user, job).await?),
            None => None,
        };
        let mut schedule = Schedule::new(endpoint, job.as_ref().map(|job| job.status), EndpointState::new(now));
        schedule.start(now, self.chance.as_ref());
        tx.insert_schedule(&schedule).await?;
        note_definition(tx.as_mut(), schedule.endpoint.job_id).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(schedule)
    }

    pub async fn get_endpoint(&self, user: &UserId, id: EndpointId) -> Result<Schedule, Error> {
        let mut tx = self.store.read().await?;
        found(Resource::Endpoint, tx.get_schedule(user, id).await?)
    }

    /// Oldest first. NOT_FOUND when the job is not the caller's.
    pub async fn list_endpoints(
        &self,
        user: &UserId,
        job: Option<JobId>,
        page: Page,
    ) -> Result<Listing<Schedule>, Error> {
        let mut tx = self.store.read().await?;
        if let Some(job) = job {
            found(Resource::Job, tx.get_job(user, job).await?)?;
        }
        let rows = tx.list_schedules(user, job, peek(page)).await?;
        Ok(listing(rows, page, |schedule| schedule.endpoint.id.0))
    }

    /// Applies `edit` to the definition and plans anew. The result is checked as a whole, like a new one.
    pub async fn update_endpoint(
        &self,
        user: &UserId,
        id: EndpointId,
        etag: Option<&str>,
        edit: impl FnOnce(&mut EndpointDraft) + Send,
    ) -> Result<Schedule, Error> {
        let chance = self.chance.clone();
        self.change_endpoint(user, id, Told::Definition, move |schedule, now| {
            schedule.require_active()?;
            check_etag(etag, schedule.endpoint.version)?;
            let mut draft = EndpointDraft::of(&schedule.endpoint);
            edit(&mut draft);
            let checked = draft.rebuild(&schedule.endpoint, now)?;
            schedule.redefine(checked, now, chance.as_ref());
            Ok(())
        })
        .await
    }

    /// Moves the endpoint into a job of the same user, or out of any. What the planner of the job before wanted of it ends:
    /// its hints, and its steps that wait, for a retry too.
    pub async fn assign_endpoint(&self, user: &UserId, id: EndpointId, job: Option<JobId>) -> Result<Schedule, Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Endpoint, tx.get_schedule(user, id).await?)?;
        let target = match job {
            Some(job) => Some(job_with_room(tx.as_mut(), user, job).await?),
            None => None,
        };
        let mut schedules = tx.lock_schedules(&[id]).await?;
        let now = tx.now();
        let schedule = found(Resource::Endpoint, schedules.first_mut())?;
        schedule.require_active()?;
        let before = schedule.endpoint.job_id;
        // In order, and before the steps of one of them end.
        let mut told = [before, job];
        told.sort();
        for job in told {
            note_definition(tx.as_mut(), job).await?;
        }
        let leaves = before.is_some() && before != job;
        if leaves {
            schedule.clear_hints(is_planners, now, self.chance.as_ref());
        }
        schedule.assign(target.map(|job| (job.id, job.status)), now, self.chance.as_ref());
        if leaves {
            drop_waiting(tx.as_mut(), &mut schedules, "left-job", now, is_step).await?;
        }
        tx.save_schedules(&schedules).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        found(Resource::Endpoint, schedules.pop())
    }

    /// A person's pause; the planner's waiting steps are skipped.
    pub async fn pause_endpoint(&self, user: &UserId, id: EndpointId, pause: Pause) -> Result<Schedule, Error> {
        let chance = self.chance.clone();
        self.change_endpoint(user, id, Told::Paused, move |schedule, now| {
            schedule.require_active()?;
            let mut violations = Violations::default();
            check_pause(&mut violations, "until", Some(pause), now);
            violations.into_result()?;
            schedule.pause(pause, now, chance.as_ref());
            Ok(())
        })
        .await
    }

    /// Ends a person's pause.
    pub async fn resume_endpoint(&self, user: &UserId, id: EndpointId) -> Result<Schedule, Error> {
        let chance = self.chance.clone();
        self.change_endpoint(user, id, Told::Definition, move |schedule, now| {
            schedule.require_active()?;
            if schedule.endpoint.pause.is_none() {
                let message = "endpoint is not paused".to_owned();
                return Err(Error::Precondition {
                    reason: "ENDPOINT_STATE",
                    message,
                });
            }
            schedule.resume(now, chance.as_ref());
            Ok(())
        })
        .await
    }

    /// Ends the backoff of a failing endpoint.
    pub async fn reset_failures(&self, user: &UserId, id: EndpointId) -> Result<Schedule, Error> {
        let chance = self.chance.clone();
        self.change_endpoint(user, id, Told::Context, move |schedule, now| {
            schedule.require_active()?;
            schedule.reset_failures(now, chance.as_ref());
            Ok(())
        })
        .await
    }

    /// Terminal; planned runs are cancelled.
    pub async fn archive_endpoint(&self, user: &UserId, id: EndpointId) -> Result<Schedule, Error> {
        let chance = self.chance.clone();
        self.change_endpoint(user, id, Told::Archived, move |schedule, now| {
            schedule.require_active()?;
            schedule.archive(now, chance.as_ref());
            Ok(())
        })
        .await
    }

    /// Deletes the endpoint; its history stays.
    pub async fn delete_endpoint(&self, user: &UserId, id: EndpointId) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Endpoint, tx.get_schedule(user, id).await?)?;
        let mut schedules = tx.lock_schedules(&[id]).await?;
        record_deletion(tx.as_mut(), &mut schedules).await?;
        if !tx.delete_endpoint(user, id).await? {
            return Err(Error::NotFound(Resource::Endpoint));
        }
        note_definition(
            tx.as_mut(),
            schedules.first().and_then(|schedule| schedule.endpoint.job_id),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The next `count` runs if nothing else happened.
    pub async fn preview_schedule(&self, user: &UserId, id: EndpointId, count: usize) -> Result<Vec<Next>, Error> {
        let mut tx = self.store.read().await?;
        let now = tx.now();
        let schedule = found(Resource::Endpoint, tx.get_schedule(user, id).await?)?;
        Ok(schedule.preview(now, count))
    }

    /// One locked change of one endpoint, with what it means for waiting runs and planners.
    async fn change_endpoint(
        &self,
        user: &UserId,
        id: EndpointId,
        told: Told,
        change: impl FnOnce(&mut Schedule, Timestamp) -> Result<(), Error> + Send,
    ) -> Result<Schedule, Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Endpoint, tx.get_schedule(user, id).await?)?;
        let mut schedules = tx.lock_schedules(&[id]).await?;
        let now = tx.now();
        let schedule = found(Resource::Endpoint, schedules.first_mut())?;
        change(schedule, now)?;
        let job = schedule.endpoint.job_id;
        match told {
            Told::Definition | Told::Context => {}
            Told::Paused => {
                drop_waiting(tx.as_mut(), &mut schedules, "paused", now, is_step).await?;
            }
            Told::Archived => drop_waiting(tx.as_mut(), &mut schedules, "endpoint-archived", now, |_| true).await?,
        }
        tx.save_schedules(&schedules).await?;
        match told {
            Told::Context => note_context(tx.as_mut(), job).await?,
            Told::Definition | Told::Paused | Told::Archived => note_definition(tx.as_mut(), job).await?,
        }
        tx.wake(Topic::Queue);
        tx.commit().await?;
        found(Resource::Endpoint, schedules.pop())
    }
}

/// What a change means beyond the endpoint itself.
#[derive(Debug, Clone, Copy)]
enum Told {
    Definition,
    Context,
    Paused,
    Archived,
}

/// Appends the end of endpoints that are about to be deleted to their record.
pub(super) async fn record_deletion(tx: &mut dyn Tx, schedules: &mut [Schedule]) -> Result<(), Error> {
    let now = tx.now();
    for schedule in schedules.iter_mut() {
        schedule.record_deletion(now);
    }
    Ok(tx.save_schedules(schedules).await?)
}

/// A job of the user that may take one more endpoint.
async fn job_with_room(tx: &mut dyn Tx, user: &UserId, id: JobId) -> Result<Job, Error> {
    let job = found(Resource::Job, tx.get_job(user, id).await?)?;
    if job.status == JobStatus::Archived {
        return Err(Error::Precondition {
            reason: "JOB_STATE",
            message: "job is archived".to_owned(),
        });
    }
    if tx.count_endpoints(id).await? >= limits::ENDPOINTS_PER_JOB {
        let message = format!("job has {} endpoints already", limits::ENDPOINTS_PER_JOB);
        return Err(Error::Precondition {
            reason: "TOO_MANY_ENDPOINTS",
            message,
        });
    }
    Ok(job)
}

fn check_pause(violations: &mut Violations, field: &str, pause: Option<Pause>, now: Timestamp) {
    if let Some(Pause::Until(end)) = pause {
        let fits = end > now && end <= after(now, limits::PAUSE_MAX);
        violations.check(fits, field, "must be in the future, at most 366 days ahead");
    }
}

/// True for endpoints that a planner may use.
pub(super) fn is_active(schedule: &Schedule) -> bool {
    schedule.endpoint.status == EndpointStatus::Active
}
