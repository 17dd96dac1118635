//! Runs: submit, read, list, cancel.

use crate::{
    error::{Error, Resource, Violations},
    ids::{EndpointId, RunId, UserId},
    limits,
    ports::{EndpointSummary, Page, RunFilter, RunPage},
    run::{Cause, Run, RunStatus, Slot, Source},
    time::{Timestamp, after, before, elapsed},
};

use super::{
    Idempotency, Listing, Services, Submission, found, listing,
    outcomes::{dropped, note_over},
    peek,
    settlement::Over,
};

/// What a submitted run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The work of the endpoint.
    Work,
    /// One call to see what comes back: it is tried once, and the schedule does not look at it.
    Test,
}

impl Purpose {
    /// What the run stands in the records with.
    pub fn origin(self) -> (Source, Cause) {
        match self {
            Self::Work => (Source::MANUAL, Cause::Manual),
            Self::Test => (Source::TEST, Cause::Test),
        }
    }
}

/// A run that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRequest {
    pub endpoint_id: EndpointId,
    pub purpose: Purpose,
    /// `None`, or a time that has passed, means now.
    pub planned_at: Option<Timestamp>,
    /// W3C `traceparent` of the caller's span.
    pub trace_parent: Option<String>,
}

/// Runs counted, and the window in which.
#[derive(Debug, Clone, PartialEq)]
pub struct Summaries {
    pub endpoints: Listing<EndpointSummary>,
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Services {
    /// Queues a manual run, or answers with the one that an earlier request of the same id made. Calls that come while
    /// others are being committed share the next commit.
    pub async fn submit_run(
        &self,
        user: &UserId,
        request: RunRequest,
        idempotency: &Idempotency,
    ) -> Result<Run, Error> {
        let submission = Submission {
            user: user.clone(),
            request,
            idempotency: idempotency.clone(),
        };
        self.gathering.submit(submission).await
    }

    pub async fn get_run(&self, user: &UserId, id: RunId) -> Result<Run, Error> {
        let mut tx = self.store.read().await?;
        found(Resource::Run, tx.get_run_details(user, id).await?)
    }

    /// Newest planned time first.
    pub async fn list_runs(&self, filter: &RunFilter, page: Page) -> Result<Listing<Run>, Error> {
        let mut tx = self.store.read().await?;
        let RunPage { runs, has_more } = tx.list_runs(filter, page, limits::PAGE_BYTES).await?;
        let next = runs.last().filter(|_| has_more).map(|run| run.id.0);
        Ok(Listing { items: runs, next })
    }

    /// Runs counted by endpoint and source, within the window that `filter` names: at most
    /// [`limits::SUMMARY_WINDOW_MAX`], and [`limits::SUMMARY_WINDOW_DEFAULT`] up to now where it names none.
    pub async fn summarize_runs(&self, mut filter: RunFilter, page: Page) -> Result<Summaries, Error> {
        let mut tx = self.store.read().await?;
        let to = filter.to.unwrap_or(tx.now());
        let from = filter.from.unwrap_or(before(to, limits::SUMMARY_WINDOW_DEFAULT));
        let mut violations = Violations::default();
        violations.check(from < to, "to_time", "must be after from_time");
        let fits = elapsed(from, to) <= limits::SUMMARY_WINDOW_MAX;
        violations.check(fits, "from_time", "must be at most 31 days before to_time");
        violations.into_result()?;
        (filter.from, filter.to) = (Some(from), Some(to));
        let rows = tx.summarize_runs(&filter, peek(page)).await?;
        Ok(Summaries {
            endpoints: listing(rows, page, |summary| summary.endpoint_id.0),
            from,
            to,
        })
    }

    /// Queues a batch of manual runs, one answer each in order. What is answered with a run is committed.
    pub async fn submit_runs(&self, batch: Vec<Submission>) -> Vec<Result<Run, Error>> {
        self.gathering.submit_batch(batch).await
    }

    /// Cancels a manual run or a plan step that has not started.
    pub async fn cancel_run(&self, user: &UserId, id: RunId) -> Result<Run, Error> {
        let mut tx = self.store.begin().await?;
        let seen = found(Resource::Run, tx.get_run_details(user, id).await?)?;
        tx.lock_schedules(&[seen.endpoint_id]).await?;
        let now = tx.now();
        let row = tx.live_runs(&[id]).await?.into_iter().next();
        let row = match row {
            Some(row) if row.slot == Slot::Extra && row.run.status == RunStatus::Planned && !row.has_place() => row,
            Some(row) => return Err(not_cancellable(&row.run, row.slot)),
            None => return Err(not_cancellable(&seen, Slot::Extra)),
        };
        let run = dropped(row.run, "cancelled", now);
        tx.move_to_history(std::slice::from_ref(&run)).await?;
        let over = [Over {
            run,
            class_changed: false,
        }];
        note_over(tx.as_mut(), &over).await?;
        tx.commit().await?;
        let [Over { run, .. }] = over;
        Ok(run)
    }
}

/// How far ahead a run may be submitted.
pub fn check_planned_at(planned_at: Timestamp, now: Timestamp, violations: &mut Violations) {
    let fits = planned_at <= after(now, limits::SUBMIT_AHEAD_MAX);
    violations.check(fits, "planned_time", "must be at most 30 days ahead");
}

fn not_cancellable(run: &Run, slot: Slot) -> Error {
    let message = match slot {
        Slot::Plan => "an endpoint's own next run is not cancelled: pause the endpoint instead".to_owned(),
        Slot::Taken | Slot::Extra => format!("run is {}", run.status.as_str()),
    };
    Error::Precondition {
        reason: "RUN_STATE",
        message,
    }
}
