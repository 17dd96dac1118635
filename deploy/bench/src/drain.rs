//! The engine in this process, on a real store: with a dispatcher that does nothing it shows what claim to finish costs.

use std::{
    sync::Arc,
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
    services::{Claim, Claims, NextDue, Queue},
    time::Timestamp,
};
use baton_engine::{Engine, EngineConfig};
use baton_store::Opened;
use tokio::{sync::watch, task::JoinHandle};
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
    finished: watch::Sender<usize>,
}

#[async_trait]
impl Queue for Counted {
    fn head_start(&self) -> Duration {
        self.queue.head_start()
    }

    fn reports_at_once(&self) -> usize {
        self.queue.reports_at_once()
    }

    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        self.queue.claim_due(claim).await
    }

    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error> {
        self.queue.next_due(claimed_at, host_concurrency).await
    }

    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        self.queue.renew(leases, lease).await
    }

    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        let settled = self.queue.finish_runs(finished).await?;
        let good = settled.iter().filter(|settled| **settled == Settled::Succeeded).count();
        self.finished.send_modify(|finished| *finished += good);
        Ok(settled)
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        self.queue.recover_lost(limit).await
    }
}

/// An engine at its defaults, at work until it is stopped.
pub struct Running {
    finished: watch::Receiver<usize>,
    stop: CancellationToken,
    engine: JoinHandle<()>,
}

impl Running {
    pub fn start(opened: &Opened) -> Self {
        let (sender, finished) = watch::channel(0);
        let queue = Counted {
            queue: Arc::clone(&opened.queue),
            finished: sender,
        };
        let engine = Engine::new(Arc::new(queue), Arc::new(Nothing), EngineConfig::named("bench"));
        let stop = CancellationToken::new();
        let (wakes, stopped) = (opened.store.wakes(Topic::Queue), stop.clone());
        Self {
            finished,
            stop,
            engine: tokio::spawn(async move { engine.run(wakes, stopped).await }),
        }
    }

    /// Runs that have succeeded since the start, and whose ends are committed.
    pub fn finished(&self) -> usize {
        *self.finished.borrow()
    }

    /// Returns once there are so many of them.
    pub async fn reached(&mut self, expected: usize) -> Result<()> {
        let all = self.finished.wait_for(|finished| *finished >= expected);
        let over = tokio::time::timeout(PATIENCE, all).await.map(|all| all.map(|_| ()));
        let finished = self.finished();
        over.with_context(|| format!("{finished} of {expected} runs were over after {PATIENCE:?}"))?
            .context("the engine has ended")
    }

    /// What is in the air lands first.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.engine.await?)
    }
}

/// Runs an engine until this many runs have succeeded and their ends are committed. How long that took.
pub async fn drain(opened: &Opened, expected: usize) -> Result<Duration> {
    let begun = Instant::now();
    let mut running = Running::start(opened);
    let over = running.reached(expected).await;
    let took = begun.elapsed();
    running.stop().await?;
    over.map(|()| took)
}
