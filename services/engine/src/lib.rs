//! The engine: claims what is due, has it called, and reports how it went, over ports only.
//!
//! Started by the scheduler binary with a queue, a dispatcher and a stream of wakes. It knows no database and no HTTP.
//! Read [`Engine::run`] first, then `claiming` (when to look, what to take), `flights` (what is in the air, and its
//! leases) and `reporting` (ends, batched, kept through outages).

mod claiming;
mod flights;
mod metrics;
mod reporting;
mod trace;
mod waiting;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use baton_domain::{call::Dispatcher, limits, services::Queue};
use futures_core::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use flights::Flights;
use metrics::Metrics;

/// How an engine works. Every value has a sensible default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Unique among running engines; stands in the lease.
    pub owner: String,
    /// How long a claim holds without a sign of life.
    pub lease: Duration,
    /// Calls in the air at once.
    pub concurrency: usize,
    /// Runs taken with one claim.
    pub claim_batch: usize,
    /// Ends reported at once.
    pub report_batch: usize,
    /// How often to look when nothing wakes the engine.
    pub poll: Duration,
    /// Calls to one host in flight at once, of all engines together; `None` is any number.
    pub host_concurrency: Option<u32>,
    /// Runs start to a fraction of a millisecond, where they would to whole ones. Not while tokio's clock is paused: a
    /// thread sleeps, and it sleeps in real time.
    pub exact: bool,
}

impl EngineConfig {
    /// The defaults for an engine of this name.
    pub fn named(owner: impl Into<String>) -> Self {
        Self {
            owner: owner.into(),
            lease: limits::LEASE_DEFAULT,
            concurrency: limits::CALLS_DEFAULT,
            claim_batch: 500,
            report_batch: 500,
            poll: limits::POLL_BESIDE_LISTEN,
            host_concurrency: None,
            exact: true,
        }
    }
}

/// One engine.
pub struct Engine {
    queue: Arc<dyn Queue>,
    dispatcher: Arc<dyn Dispatcher>,
    config: EngineConfig,
    flights: Arc<Flights>,
    metrics: Arc<Metrics>,
}

impl Engine {
    pub fn new(queue: Arc<dyn Queue>, dispatcher: Arc<dyn Dispatcher>, config: EngineConfig) -> Self {
        let flights = Arc::new(Flights::new(config.concurrency));
        Self {
            queue,
            dispatcher,
            config,
            flights,
            metrics: Arc::new(Metrics::new()),
        }
    }

    /// Works until `stop`, then lets what is in the air land and reports it. Dropping the future abandons the calls:
    /// their leases run out and another engine takes them.
    pub async fn run(self, wakes: BoxStream<'static, ()>, stop: CancellationToken) {
        let (ended, ends) = mpsc::channel(self.config.concurrency.max(1));
        let landed = CancellationToken::new();
        let claim_until_stopped = async {
            self.claim_until(wakes, ended, &stop).await;
            self.flights.all_landed().await;
        };
        let report = async {
            self.report_all(ends).await;
            landed.cancel();
        };
        tokio::join!(claim_until_stopped, report, self.renew_until(&landed));
    }
}
