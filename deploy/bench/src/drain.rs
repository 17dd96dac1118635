//! The engine in this process, on a real store: with a dispatcher that does nothing it shows what claim to finish costs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use baton_domain::{
    call::{CallOutcome, Dispatcher, HttpCall},
    error::Error,
    ids::RunId,
    ports::Topic,
    schedule::{FinishedRun, Settled},
    services::{Claim, Claims, Queue},
};
use baton_engine::{Engine, EngineConfig};
use baton_store::Opened;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Longest wait for all runs to be over.
const PATIENCE: Duration = Duration::from_secs(300);

/// Answers every call at once, without making it.
struct Nothing;

#[async_trait]
impl Dispatcher for Nothing {
    async fn call(&self, _: HttpCall) -> CallOutcome {
        CallOutcome {
            status_code: Some(200),
            ..CallOutcome::default()
        }
    }
}

/// The real queue, and how many ends it has committed.
struct Counted {
    queue: Arc<dyn Queue>,
    finished: AtomicUsize,
    expected: usize,
    all: Notify,
}

#[async_trait]
impl Queue for Counted {
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        self.queue.claim_due(claim).await
    }

    async fn next_due_in(&self) -> Result<Option<Duration>, Error> {
        self.queue.next_due_in().await
    }

    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        self.queue.renew(leases, lease).await
    }

    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        let settled = self.queue.finish_runs(finished).await?;
        let good = settled.iter().filter(|settled| **settled == Settled::Succeeded).count();
        if self.finished.fetch_add(good, Ordering::SeqCst) + good >= self.expected {
            self.all.notify_one();
        }
        Ok(settled)
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        self.queue.recover_lost(limit).await
    }
}

/// Runs an engine at its defaults until this many runs have succeeded and their ends are committed. How long that took.
pub async fn drain(opened: &Opened, expected: usize) -> Result<Duration> {
    let queue = Arc::new(Counted {
        queue: Arc::clone(&opened.queue),
        finished: AtomicUsize::new(0),
        expected,
        all: Notify::new(),
    });
    let engine = Engine::new(queue.clone(), Arc::new(Nothing), EngineConfig::named("bench"));
    let stop = CancellationToken::new();
    let (wakes, stopped) = (opened.store.wakes(Topic::Queue), stop.clone());
    let begun = Instant::now();
    let running = tokio::spawn(async move { engine.run(wakes, stopped).await });
    let over = tokio::time::timeout(PATIENCE, queue.all.notified()).await;
    let took = begun.elapsed();
    stop.cancel();
    running.await?;
    let finished = queue.finished.load(Ordering::SeqCst);
    over.with_context(|| format!("{finished} of {expected} runs were over after {PATIENCE:?}"))?;
    Ok(took)
}
