//! Manual runs on their way into the queue, many at a time.
//!
//! [`Submissions`] is what [`Services`](super::Services) gathers them for; [`StoreSubmissions`] does it over any store, and
//! a store with a faster way wraps it. Locks are taken in one order: endpoints by id, then request keys.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use crate::{
    endpoint::EndpointStatus,
    error::{Error, Resource, StoreError, Violations},
    ids::{Chance, EndpointId, JobId, RunId, UserId, uuid_at},
    job::JobStatus,
    ports::{RequestKey, Store, Topic, Tx},
    run::{LiveRun, Run, Slot},
    schedule::Schedule,
    time::{Timestamp, truncate},
};

use super::{Idempotency, RunRequest, check_planned_at, claim_request, found, request_key};

/// A manual run that a user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    pub user: UserId,
    pub request: RunRequest,
    pub idempotency: Idempotency,
}

impl Submission {
    /// The waiting row of the run, not before `now`.
    pub fn row(&self, job_id: Option<JobId>, now: Timestamp, chance: &dyn Chance) -> Result<LiveRun, Error> {
        let planned_at = self.request.planned_at.map_or(now, |at| truncate(at).max(now));
        let mut violations = Violations::default();
        check_planned_at(planned_at, now, &mut violations);
        violations.into_result()?;
        let id = RunId(uuid_at(planned_at, chance));
        let (endpoint, user) = (self.request.endpoint_id, self.user.clone());
        let (source, cause) = self.request.purpose.origin();
        let mut run = Run::planned(id, endpoint, user, source, cause, planned_at);
        run.job_id = job_id;
        let mut row = LiveRun::waiting(run, Slot::Extra);
        row.trace_parent.clone_from(&self.request.trace_parent);
        Ok(row)
    }

    /// What the request is known by, if it names an id.
    pub fn key(&self) -> Result<Option<RequestKey>, Error> {
        request_key(&self.user, &self.idempotency)
    }
}

/// Puts manual runs into the queue.
#[async_trait]
pub trait Submissions: Send + Sync {
    /// One answer a submission, in order: the run that now waits, or the one that an earlier request of the same id made.
    /// What is answered with a run is committed. One that fails does not take others along.
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<Run, Error>>;
}

/// Submissions over any store: what can go together in one transaction, the rest in one each.
pub struct StoreSubmissions {
    store: Arc<dyn Store>,
    chance: Arc<dyn Chance>,
}

/// `None` for what is left to a transaction of its own.
type Answers = Vec<Option<Result<Run, Error>>>;

impl StoreSubmissions {
    pub fn new(store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        Self { store, chance }
    }

    /// Queues every run that is plainly new and allowed.
    async fn submit_together(&self, batch: &[Submission]) -> Result<Answers, Error> {
        let mut tx = self.store.begin().await?;
        let schedules = lock(tx.as_mut(), batch).await?;
        let now = tx.now();
        let mut answers = Vec::with_capacity(batch.len());
        let mut rows = Vec::new();
        for submission in batch {
            let schedule = schedules.get(&submission.request.endpoint_id);
            let Some(schedule) = schedule.filter(|schedule| may_run(schedule, &submission.user)) else {
                answers.push(None);
                continue;
            };
            let row = match submission.row(schedule.endpoint.job_id, now, self.chance.as_ref()) {
                Ok(row) => row,
                Err(error) => {
                    answers.push(Some(Err(error)));
                    continue;
                }
            };
            match is_new(tx.as_mut(), submission, row.run.id).await {
                Ok(true) => {
                    answers.push(Some(Ok(row.run.clone())));
                    rows.push(row);
                }
                Ok(false) => answers.push(None),
                Err(Error::Store(error)) => return Err(error.into()),
                Err(error) => answers.push(Some(Err(error))),
            }
        }
        tx.enqueue(&rows).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(answers)
    }

    async fn submit_alone(&self, submission: &Submission) -> Result<Run, Error> {
        let (user, endpoint) = (&submission.user, submission.request.endpoint_id);
        let mut tx = self.store.begin().await?;
        let schedule = match tx.get_schedule(user, endpoint).await? {
            Some(_) => tx.lock_schedules(&[endpoint]).await?.pop(),
            None => None,
        };
        let now = tx.now();
        let job = schedule.as_ref().and_then(|schedule| schedule.endpoint.job_id);
        let row = submission.row(job, now, self.chance.as_ref())?;
        let id = row.run.id;
        if let Some(earlier) = claim_request(tx.as_mut(), user, &submission.idempotency, id.0).await? {
            return found(Resource::Run, tx.get_run_details(user, RunId(earlier)).await?);
        }
        require_not_archived(&found(Resource::Endpoint, schedule)?)?;
        let run = row.run.clone();
        tx.enqueue(&[row]).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(run)
    }
}

#[async_trait]
impl Submissions for StoreSubmissions {
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<Run, Error>> {
        let mut answers: Answers = batch.iter().map(|_| None).collect();
        if batch.len() > 1 {
            match self.submit_together(&batch).await {
                Ok(together) => answers = together,
                Err(Error::Store(StoreError::Unavailable(reason))) => return unavailable(batch.len(), &reason),
                // Nothing was committed: each may try for itself.
                Err(_) => {}
            }
        }
        let mut all = Vec::with_capacity(batch.len());
        for (submission, answer) in batch.iter().zip(answers) {
            all.push(match answer {
                Some(answer) => answer,
                None => self.submit_alone(submission).await,
            });
        }
        all
    }
}

/// The answer to each of a batch that met no database.
fn unavailable(count: usize, reason: &str) -> Vec<Result<Run, Error>> {
    let each = |_| Err(Error::Store(StoreError::Unavailable(reason.to_owned())));
    (0..count).map(each).collect()
}

async fn lock(tx: &mut dyn Tx, batch: &[Submission]) -> Result<BTreeMap<EndpointId, Schedule>, Error> {
    let mut ids: Vec<EndpointId> = batch.iter().map(|submission| submission.request.endpoint_id).collect();
    ids.sort();
    ids.dedup();
    let schedules = tx.lock_schedules(&ids).await?;
    Ok(schedules
        .into_iter()
        .map(|schedule| (schedule.endpoint.id, schedule))
        .collect())
}

/// Stores the request's key; false when there is one already, be it of an earlier request or of another one.
async fn is_new(tx: &mut dyn Tx, submission: &Submission, id: RunId) -> Result<bool, Error> {
    match submission.key()? {
        None => Ok(true),
        Some(key) => Ok(tx.claim_request(&key, id.0).await?.is_none()),
    }
}

fn may_run(schedule: &Schedule, user: &UserId) -> bool {
    schedule.endpoint.user_id == *user && require_not_archived(schedule).is_ok()
}

fn require_not_archived(schedule: &Schedule) -> Result<(), Error> {
    let archived = schedule.endpoint.status == EndpointStatus::Archived;
    if archived || schedule.job_status == Some(JobStatus::Archived) {
        let what = if archived { "endpoint" } else { "job" };
        return Err(Error::Precondition {
            reason: "ARCHIVED",
            message: format!("{what} is archived"),
        });
    }
    Ok(())
}
