//! WatchRuns: one open stream, and its place in the feed.
//!
//! Made by the runs handler. It is pulled: a reader that has no room for more takes nothing, and costs nothing but its
//! place. One that was in step with the feed and has been behind its window for too long is cut: it learns that it is too
//! slow, and can resume from the last cursor that it has.

use std::{collections::VecDeque, sync::Arc};

use baton_domain::{
    error::Error,
    ports::{ChangeCursor, ChangeQuery, ChangedRun, Changes, RunFilter},
};
use baton_proto::v1 as pb;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use pb::watch_runs_response::Event;
use tokio::{
    sync::watch as news,
    time::{Instant, timeout_at},
};
use tonic::Status;

use super::{RunFeed, own_page, window::Found};
use crate::{
    backoff::{Backoff, is_passing},
    convert::{run, watch::WatchRequest},
    status,
};

/// One reader.
pub(crate) struct RunWatch {
    feed: Arc<RunFeed>,
    looks: news::Receiver<()>,
    filter: RunFilter,
    /// Everything up to here was sent or passed over.
    at: ChangeCursor,
    /// What the watch has read for itself, the place that ends it, and whether nothing more was there.
    own: VecDeque<ChangedRun>,
    own_end: Option<(ChangeCursor, bool)>,
    /// Where the snapshot stands, until it ends.
    snapshot: Option<ChangeCursor>,
    /// When it was last in step with the window; `None` until it first was.
    in_step: Option<Instant>,
    /// When to break the silence; at once at first.
    heartbeat: Instant,
}

impl RunWatch {
    /// A watch from the place that the request names, or from now.
    pub(crate) async fn open(feed: Arc<RunFeed>, request: WatchRequest) -> Result<Self, Error> {
        let WatchRequest {
            filter,
            cursor,
            snapshot,
        } = request;
        let looks = feed.looks.subscribe();
        let head = feed.services.change_head().await?;
        feed.join(&filter.user_id);
        let mut watch = Self {
            feed,
            looks,
            filter,
            at: cursor.unwrap_or(head),
            own: VecDeque::new(),
            own_end: None,
            snapshot: snapshot.then_some(ChangeCursor::START),
            in_step: None,
            heartbeat: Instant::now(),
        };
        if cursor.is_some() {
            // So that a cursor that is of no use is told at once.
            watch.read_own().await?;
        }
        Ok(watch)
    }

    /// Ends only with an error that trying again does not help.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<pb::WatchRunsResponse, Status>> {
        stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(response) => Some((Ok(response), Some(watch))),
                Err(status) => Some((Err(status), None)),
            }
        })
        .boxed()
    }

    async fn next(&mut self) -> Result<pb::WatchRunsResponse, Status> {
        let mut backoff = Backoff::default();
        loop {
            match self.step().await {
                Ok(Some(response)) => {
                    self.heartbeat = Instant::now() + self.feed.options.heartbeat;
                    return Ok(response);
                }
                Ok(None) => backoff.reset(),
                Err(Stop::TooSlow) => return Err(status::too_slow()),
                Err(Stop::Failed(error)) if is_passing(&error) => backoff.wait(&error, "changes of runs").await,
                Err(Stop::Failed(error)) => return Err(status::of_error(error)),
            }
        }
    }

    /// The next thing to send; `None` when it is worth while to look again.
    async fn step(&mut self) -> Result<Option<pb::WatchRunsResponse>, Stop> {
        if let Some(after) = self.snapshot {
            return self.step_in_snapshot(after).await;
        }
        if let Some(changed) = self.own.pop_front() {
            self.at = changed.at;
            return Ok(Some(run::change_to_proto(&changed)));
        }
        if let Some((end, is_last)) = self.own_end.take() {
            self.at = end;
            if is_last {
                // Nothing was there beyond the window either; the next look may bring both together.
                return Ok(self.wait().await);
            }
        }
        // Before the search: what is read after it is not slept through.
        self.looks.mark_unchanged();
        match self.feed.find(self.at, &self.filter) {
            Found::Change(changed) => {
                self.in_step = Some(Instant::now());
                self.at = changed.at;
                Ok(Some(run::change_to_proto(&changed)))
            }
            Found::Nothing(head) => {
                self.in_step = Some(Instant::now());
                self.at = head;
                Ok(self.wait().await)
            }
            Found::Behind => {
                self.check_pace()?;
                self.read_own().await?;
                Ok(None)
            }
        }
    }

    /// Until the feed has looked again, or it is time to break the silence.
    async fn wait(&mut self) -> Option<pb::WatchRunsResponse> {
        // The feed outlives its watches.
        let is_silent = timeout_at(self.heartbeat, self.looks.changed()).await.is_err();
        is_silent.then(|| run::progress_to_proto(Event::Progress(pb::WatchProgress {}), self.at))
    }

    fn check_pace(&self) -> Result<(), Stop> {
        let patience = self.feed.options.patience;
        match self.in_step {
            Some(last) if last.elapsed() > patience => Err(Stop::TooSlow),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads from the store what the window does not have.
    async fn read_own(&mut self) -> Result<(), Error> {
        let query = own_page(self.at, &self.filter.user_id);
        let Changes { runs, next, is_last } = self.read(&query).await?;
        self.own = runs.into();
        self.own_end = Some((next, is_last));
        Ok(())
    }

    /// Runs that wait or are under way, as of the place at which the watch then goes on.
    async fn step_in_snapshot(&mut self, after: ChangeCursor) -> Result<Option<pb::WatchRunsResponse>, Stop> {
        if let Some(changed) = self.own.pop_front() {
            return Ok(Some(run::snapshot_to_proto(&changed)));
        }
        if after == self.at {
            self.snapshot = None;
            let end = Event::SnapshotEnd(pb::RunSnapshotEnd {});
            return Ok(Some(run::progress_to_proto(end, self.at)));
        }
        let query = ChangeQuery {
            until: Some(self.at),
            live_only: true,
            ..own_page(after, &self.filter.user_id)
        };
        let Changes { runs, next, .. } = self.read(&query).await?;
        self.own = runs.into();
        self.snapshot = Some(next);
        Ok(None)
    }

    /// A stretch without what the filter keeps back.
    async fn read(&self, query: &ChangeQuery) -> Result<Changes, Error> {
        let _turn = self.feed.turns.acquire().await;
        let mut changes = self.feed.services.read_changes(query).await?;
        changes.runs.retain(|changed| self.filter.matches(&changed.run));
        Ok(changes)
    }
}

impl Drop for RunWatch {
    fn drop(&mut self) {
        self.feed.leave(&self.filter.user_id);
    }
}

/// Why there is no next step.
enum Stop {
    TooSlow,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
