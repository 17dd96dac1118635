//! Group commit without a timer: submissions that come while a batch is being committed are the next batch.
//!
//! No task of its own that could die: whoever waits drives the batch it belongs to, and whichever of them is polled
//! drives it for all. So a caller that is dropped disturbs nobody, and a batch that nobody waits for any more ends, and
//! lets the next one go ahead. Callers must keep polling, or drop: one that does neither holds up those behind it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_lock::{Mutex as Turn, Semaphore};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared, WeakShared},
};

use crate::{
    error::{Error, StoreError},
    run::Run,
};

use super::submissions::{Submission, Submissions};

/// Submissions in one commit.
const BATCH: usize = 500;
/// Submissions that wait or are being committed; whoever comes beyond them waits for room.
const ROOM: usize = 10_000;

/// Taken by whom each belongs to.
type Answers = Arc<Vec<Mutex<Option<Result<Run, Error>>>>>;
type Commit = BoxFuture<'static, Answers>;
/// `None` once the batch is on its way.
type Gathered = Arc<Mutex<Option<Vec<Submission>>>>;

/// Where submissions become batches.
pub(super) struct Gathering {
    submissions: Arc<dyn Submissions>,
    /// The batch that the next submission may join. Weak: only those who wait keep a batch alive.
    open: Mutex<Option<(Gathered, WeakShared<Commit>)>>,
    /// Held by the batch that is being committed.
    turn: Arc<Turn<()>>,
    room: Semaphore,
}

impl Gathering {
    pub(super) fn new(submissions: Arc<dyn Submissions>) -> Self {
        Self {
            submissions,
            open: Mutex::new(None),
            turn: Arc::default(),
            room: Semaphore::new(ROOM),
        }
    }

    /// Answers once the submission is committed or refused.
    pub(super) async fn submit(&self, submission: Submission) -> Result<Run, Error> {
        let _room = self.room.acquire().await;
        let (position, commit) = self.join(submission);
        let answers = commit.await;
        let answer = answers.get(position).and_then(|answer| lock(answer).take());
        answer.unwrap_or_else(|| Err(StoreError::Broken("a submission was not answered".to_owned()).into()))
    }

    /// Answers once each of the batch is committed or refused. It is a batch already and waits for no other: whoever
    /// sends it bounds how many are under way.
    pub(super) async fn submit_batch(&self, batch: Vec<Submission>) -> Vec<Result<Run, Error>> {
        let mut batch = batch;
        let mut answers = Vec::with_capacity(batch.len());
        while !batch.is_empty() {
            let rest = batch.split_off(batch.len().min(BATCH));
            answers.extend(self.submissions.submit(batch).await);
            batch = rest;
        }
        answers
    }

    /// Adds the submission to the open batch, or to a new one. Returns its place there.
    fn join(&self, submission: Submission) -> (usize, Shared<Commit>) {
        let mut open = lock(&self.open);
        if let Some((gathered, commit)) = open.as_ref()
            && let (Some(commit), Some(batch)) = (commit.upgrade(), lock(gathered).as_mut())
            && batch.len() < BATCH
        {
            batch.push(submission);
            return (batch.len() - 1, commit);
        }
        let gathered: Gathered = Arc::new(Mutex::new(Some(vec![submission])));
        let (submissions, turn) = (Arc::clone(&self.submissions), Arc::clone(&self.turn));
        let commit = commit(submissions, turn, Arc::clone(&gathered)).boxed().shared();
        *open = commit.downgrade().map(|weak| (gathered, weak));
        (0, commit)
    }
}

/// Waits for its turn, closes the batch and commits it.
async fn commit(submissions: Arc<dyn Submissions>, turn: Arc<Turn<()>>, gathered: Gathered) -> Answers {
    let _turn = turn.lock_arc().await;
    let batch = lock(&gathered).take().unwrap_or_default();
    let answers = submissions.submit(batch).await;
    Arc::new(answers.into_iter().map(|answer| Mutex::new(Some(answer))).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
