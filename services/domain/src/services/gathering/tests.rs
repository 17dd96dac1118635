//! Batches form while one is being committed, and callers come and go without harm.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use async_lock::Semaphore;
use async_trait::async_trait;
use chrono::{TimeZone as _, Utc};
use futures_util::{FutureExt as _, future::join_all};
use uuid::Uuid;

use super::{BATCH, Gathering, Submission, Submissions, lock};
use crate::{
    error::Error,
    fixtures::SeededChance,
    ids::{EndpointId, UserId},
    run::Run,
    services::{Idempotency, Purpose, RunRequest},
};

/// Commits a batch with each permit, and keeps count.
struct Gate {
    permits: Semaphore,
    begun: Mutex<Vec<usize>>,
}

impl Gate {
    fn shut() -> Arc<Self> {
        Arc::new(Self {
            permits: Semaphore::new(0),
            begun: Mutex::default(),
        })
    }

    fn begun(&self) -> Vec<usize> {
        lock(&self.begun).clone()
    }
}

#[async_trait]
impl Submissions for Gate {
    async fn submit(&self, batch: Vec<Submission>) -> Vec<Result<Run, Error>> {
        lock(&self.begun).push(batch.len());
        self.permits.acquire().await.forget();
        let now = Utc.timestamp_opt(1_800_000_000, 0).single().unwrap_or_default();
        let chance = SeededChance::new(1);
        let rows = batch.iter().map(|submission| submission.row(None, now, &chance));
        rows.map(|row| row.map(|row| row.run)).collect()
    }
}

/// A run of an endpoint of this number.
fn wanted(number: u128) -> Submission {
    Submission {
        user: UserId("ada".to_owned()),
        request: RunRequest {
            endpoint_id: EndpointId(Uuid::from_u128(number)),
            purpose: Purpose::Work,
            planned_at: None,
            trace_parent: None,
        },
        idempotency: Idempotency {
            method: "Test",
            request_id: String::new(),
            digest: String::new(),
        },
    }
}

type Caller<'a> = Pin<Box<dyn Future<Output = Result<Run, Error>> + Send + 'a>>;

/// A caller that has come as far as it can for now.
fn caller(gathering: &Gathering, number: u128) -> Caller<'_> {
    let mut waiting = gathering.submit(wanted(number)).boxed();
    assert!(waiting.as_mut().now_or_never().is_none(), "nothing is committed yet");
    waiting
}

fn number_of(answer: &Result<Run, Error>) -> u128 {
    answer.as_ref().expect("the run is queued").endpoint_id.0.as_u128()
}

#[tokio::test]
async fn what_comes_during_a_commit_is_the_next_batch() {
    let gate = Gate::shut();
    let gathering = Gathering::new(gate.clone());
    let mut callers: Vec<Caller<'_>> = (0..6).map(|number| caller(&gathering, number)).collect();
    assert_eq!(gate.begun(), [1], "the first goes at once, alone");
    gate.permits.add_permits(2);
    let answers = join_all(callers.drain(..)).await;
    assert_eq!(gate.begun(), [1, 5]);
    assert!(answers.iter().map(number_of).eq(0..6), "each has the answer to its own");
}

#[tokio::test]
async fn a_batch_has_its_bound() {
    let gate = Gate::shut();
    let gathering = Gathering::new(gate.clone());
    let many = u128::try_from(BATCH + 2).expect("it fits");
    let mut callers: Vec<Caller<'_>> = (0..many).map(|number| caller(&gathering, number)).collect();
    gate.permits.add_permits(3);
    let answers = join_all(callers.drain(..)).await;
    assert_eq!(gate.begun(), [1, BATCH, 1]);
    assert!(answers.iter().map(number_of).eq(0..many));
}

#[tokio::test]
async fn a_caller_that_leaves_disturbs_nobody() {
    let gate = Gate::shut();
    let gathering = Gathering::new(gate.clone());
    let first = caller(&gathering, 0);
    let mut callers: Vec<Caller<'_>> = (1..5).map(|number| caller(&gathering, number)).collect();
    drop(callers.remove(0));
    gate.permits.add_permits(2);
    assert_eq!(number_of(&first.await), 0);
    let answers = join_all(callers.drain(..)).await;
    assert_eq!(
        gate.begun(),
        [1, 4],
        "what was submitted is committed, waited for or not"
    );
    assert!(answers.iter().map(number_of).eq(2..5));
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_does_not_hold_up_the_next() {
    let gate = Gate::shut();
    let gathering = Gathering::new(gate.clone());
    let only = caller(&gathering, 0);
    let next = caller(&gathering, 1);
    drop(only);
    gate.permits.add_permits(1);
    assert_eq!(number_of(&next.await), 1);
    // On an idle gathering the only caller leaves in the middle of its commit.
    drop(caller(&gathering, 2));
    gate.permits.add_permits(1);
    assert_eq!(number_of(&gathering.submit(wanted(3)).await), 3);
}
