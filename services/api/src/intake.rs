//! SubmitRuns: a stream of runs on its way into the queue, a batch at a time.
//!
//! Called by the runs handler for each stream. What is answered with an id is committed. A bounded number of batches is
//! under way; meanwhile the transport keeps the caller from sending more than its window. Messages that wait together
//! are the next batch, so nobody waits for a batch to fill.

mod results;

use std::pin::pin;

use baton_domain::{
    error::{Error, StoreError},
    ids::UserId,
    services::{Services, Submission},
};
use baton_proto::v1 as pb;
use futures_util::stream::{FuturesOrdered, Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::{
    convert::{Fields, run},
    status,
};
use results::Results;

/// Runs in one commit.
const BATCH: usize = 500;
/// Commits of one stream under way.
const IN_FLIGHT: usize = 2;
/// Messages of one stream.
pub(crate) const ITEMS: usize = 50_000;

/// One caller's stream.
pub(crate) struct Intake {
    pub services: Services,
    pub user: UserId,
    /// W3C `traceparent` of the call.
    pub trace_parent: Option<String>,
    /// Cancelled when the server stops.
    pub stop: CancellationToken,
}

/// What happens next to a stream.
enum Step {
    Stopped,
    /// `None` at the end of the stream.
    Arrived(Option<Vec<Result<pb::SubmitRunsRequest, Status>>>),
    Committed(Batch),
}

/// Answered messages, in order; `is_lost` when no database took any of them.
struct Batch {
    outcomes: Vec<Result<String, Status>>,
    is_lost: bool,
}

impl Intake {
    /// Takes the stream to its end, or to where it must be cut: the last result says so then.
    pub(crate) async fn take(
        &self,
        messages: impl Stream<Item = Result<pb::SubmitRunsRequest, Status>>,
    ) -> pb::SubmitRunsResponse {
        let mut arriving = pin!(messages.ready_chunks(BATCH));
        let mut under_way = FuturesOrdered::new();
        let mut results = Results::default();
        let mut taken = 0;
        let cut = loop {
            let has_room = under_way.len() < IN_FLIGHT;
            let step = tokio::select! {
                biased;
                () = self.stop.cancelled() => Step::Stopped,
                Some(batch) = under_way.next(), if !under_way.is_empty() => Step::Committed(batch),
                arrived = arriving.next(), if has_room => Step::Arrived(arrived),
            };
            match step {
                Step::Stopped => break Some(status::stopping()),
                Step::Arrived(None) => break None,
                Step::Arrived(Some(messages)) => {
                    let (messages, cut) = readable(messages, ITEMS - taken);
                    taken += messages.len();
                    under_way.push_back(self.submit(messages));
                    if cut.is_some() {
                        break cut;
                    }
                }
                Step::Committed(batch) => {
                    let is_lost = batch.is_lost;
                    results.extend(batch.outcomes);
                    if is_lost {
                        break Some(status::of_error(unavailable()));
                    }
                    if results.is_full() {
                        break Some(status::too_many_items(taken));
                    }
                }
            }
        };
        while let Some(batch) = under_way.next().await {
            results.extend(batch.outcomes);
        }
        results.into_response(cut)
    }

    /// Queues what can be read of the messages.
    async fn submit(&self, messages: Vec<pb::SubmitRunsRequest>) -> Batch {
        let mut unread = Vec::with_capacity(messages.len());
        let mut submissions = Vec::with_capacity(messages.len());
        for message in messages {
            match self.read(message).await {
                Ok(submission) => {
                    submissions.push(submission);
                    unread.push(None);
                }
                Err(error) => unread.push(Some(error)),
            }
        }
        let has_any = !submissions.is_empty();
        let answers = self.services.submit_runs(submissions).await;
        let is_lost = has_any && answers.iter().all(is_unavailable);
        let mut answers = answers.into_iter();
        let outcomes = unread.into_iter().map(|error| match error {
            Some(error) => Err(status::of_error(error)),
            None => match answers.next() {
                Some(Ok(run)) => Ok(run.id.to_string()),
                Some(Err(error)) => Err(status::of_error(error)),
                None => Err(status::internal()),
            },
        });
        Batch {
            outcomes: outcomes.collect(),
            is_lost,
        }
    }

    async fn read(&self, message: pb::SubmitRunsRequest) -> Result<Submission, Error> {
        let request = message.run.ok_or_else(|| Error::invalid("run", "must be present"))?;
        let mut fields = Fields::default();
        let (wanted, idempotency) = run::read_submit(&mut fields, &request, self.trace_parent.clone());
        if !fields.is_empty() {
            return Err(run::refuse_submit(fields, &wanted, self.services.now().await?));
        }
        Ok(Submission {
            user: self.user.clone(),
            request: wanted,
            idempotency,
        })
    }
}

/// The messages up to the first that cannot be taken, and why that one cannot.
fn readable(
    messages: Vec<Result<pb::SubmitRunsRequest, Status>>,
    room: usize,
) -> (Vec<pb::SubmitRunsRequest>, Option<Status>) {
    let mut taken = Vec::with_capacity(messages.len());
    for message in messages {
        match message {
            Ok(_) if taken.len() == room => return (taken, Some(status::too_many_items(ITEMS))),
            Ok(message) => taken.push(message),
            Err(error) => return (taken, Some(status::of_transport(&error))),
        }
    }
    (taken, None)
}

fn is_unavailable(answer: &Result<baton_domain::run::Run, Error>) -> bool {
    matches!(answer, Err(Error::Store(StoreError::Unavailable(_))))
}

fn unavailable() -> Error {
    StoreError::Unavailable("no run of a batch was taken".to_owned()).into()
}
