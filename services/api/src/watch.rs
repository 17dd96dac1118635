//! WatchPlanningContexts: every context first, then each one that changes.
//!
//! One per open stream, made by the plans handler. It is pulled, not pushed: the next change is looked up when the
//! reader has room for it. A reader that stays behind costs nothing but the revisions it was sent, and gets the newest
//! state of each job when it reads on. While the database is away the stream stays open and tries again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use baton_domain::{
    credential::Reach,
    error::{Error, StoreError},
    ids::JobId,
    ports::{PlanningHead, Topic},
    services::Services,
};
use baton_proto::v1 as pb;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use pb::watch_planning_contexts_response::Event;
use tokio::time::{sleep, timeout};
use tonic::Status;

use crate::{
    backoff::{Backoff, is_passing},
    convert::context,
    status,
};

/// Something that the reader has not been told yet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    /// Differs at least since this revision; sent in the state it has when the reader takes it.
    Changed(PlanningHead),
    Removed(JobId),
    SnapshotEnd,
}

/// What one reader has been sent, and where to look for more.
pub(crate) struct ContextWatch {
    services: Services,
    reach: Reach,
    /// Empty watches every job.
    only: BTreeSet<JobId>,
    wakes: BoxStream<'static, ()>,
    poll: Duration,
    /// The context revision that each job was sent with.
    sent: BTreeMap<JobId, i64>,
    news: VecDeque<News>,
    in_snapshot: bool,
    backoff: Backoff,
}

impl ContextWatch {
    pub(crate) fn new(services: Services, reach: Reach, only: Vec<JobId>, poll: Duration) -> Self {
        // Before the first look, so that no change falls in between.
        let wakes = services.store().wakes(Topic::Contexts);
        Self {
            services,
            reach,
            only: only.into_iter().collect(),
            wakes,
            poll,
            sent: BTreeMap::new(),
            news: VecDeque::new(),
            in_snapshot: true,
            backoff: Backoff::default(),
        }
    }

    /// Ends only with an error that trying again does not help.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<pb::WatchPlanningContextsResponse, Status>> {
        stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            match watch.next_event().await {
                Ok(event) => {
                    let response = pb::WatchPlanningContextsResponse { event: Some(event) };
                    Some((Ok(response), Some(watch)))
                }
                Err(error) => Some((Err(status::of_error(error)), None)),
            }
        })
        .boxed()
    }

    async fn next_event(&mut self) -> Result<Event, Error> {
        loop {
            match self.look().await {
                Ok(Some(event)) => {
                    self.backoff.reset();
                    return Ok(event);
                }
                Ok(None) => self.wait().await,
                Err(error) if is_passing(&error) => self.backoff.wait(&error, "planning contexts").await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The next thing to tell, if there is one.
    async fn look(&mut self) -> Result<Option<Event>, Error> {
        if self.news.is_empty() {
            self.compare().await?;
        }
        while let Some(news) = self.news.front().cloned() {
            let event = self.load(news).await?;
            // Only now: a failed load is tried again.
            self.news.pop_front();
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// Finds out what differs from what was sent.
    async fn compare(&mut self) -> Result<(), Error> {
        let mut heads = self.services.planning_heads(&self.reach).await?;
        heads.retain(|head| self.only.is_empty() || self.only.contains(&head.job_id));
        let present: BTreeSet<JobId> = heads.iter().map(|head| head.job_id).collect();
        let gone = self.sent.keys().filter(|job| !present.contains(job));
        self.news.extend(gone.map(|job| News::Removed(*job)));
        let changed = heads
            .into_iter()
            .filter(|head| self.sent.get(&head.job_id) != Some(&head.context_revision));
        self.news.extend(changed.map(News::Changed));
        if self.in_snapshot {
            self.news.push_back(News::SnapshotEnd);
        }
        Ok(())
    }

    async fn load(&mut self, news: News) -> Result<Option<Event>, Error> {
        match news {
            News::Changed(head) => self.load_context(head).await,
            News::Removed(job) => Ok(self.removed(job)),
            News::SnapshotEnd => {
                self.in_snapshot = false;
                Ok(Some(Event::SnapshotEnd(pb::SnapshotEnd {})))
            }
        }
    }

    async fn load_context(&mut self, head: PlanningHead) -> Result<Option<Event>, Error> {
        let job = head.job_id;
        match self.services.planning_context(&head.user_id, job).await {
            Ok(context) => {
                self.sent.insert(job, context.planning.context_revision);
                Ok(Some(Event::Context(context::to_proto(&context))))
            }
            // Deleted since the comparison.
            Err(Error::NotFound(_)) => Ok(self.removed(job)),
            // One job that cannot be read must not hide the others; it is tried again when it changes.
            Err(Error::Store(StoreError::Broken(error))) => {
                tracing::error!(%job, error, "planning context cannot be read");
                self.sent.insert(job, head.context_revision);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn removed(&mut self, job: JobId) -> Option<Event> {
        let known = self.sent.remove(&job).is_some();
        known.then(|| Event::RemovedJobId(job.to_string()))
    }

    /// Until something may have changed.
    async fn wait(&mut self) {
        let woken = timeout(self.poll, self.wakes.next()).await;
        if woken == Ok(None) {
            // Nobody wakes any more; what is left is to poll.
            sleep(self.poll).await;
        }
    }
}
