//! The standard health service: SERVING exactly while the store can serve.
//!
//! Driven by [`crate::server`] for as long as it serves.

use std::{sync::Arc, time::Duration};

use baton_domain::ports::Store;
use baton_proto::v1::{
    flash_sales_service_server::SERVICE_NAME as FLASH_SALES, jobs_service_server::SERVICE_NAME as JOBS,
    plans_service_server::SERVICE_NAME as PLANS, runs_service_server::SERVICE_NAME as RUNS,
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};

/// The empty name stands for the server as a whole.
const SERVICES: [&str; 5] = ["", JOBS, RUNS, FLASH_SALES, PLANS];
/// How often the store is asked, and how long it may take: together below the two seconds in which an outage must show.
const PERIOD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_millis(800);

/// Tells the health service what the store says.
pub(crate) struct Health {
    reporter: HealthReporter,
    store: Arc<dyn Store>,
}

impl Health {
    /// NOT_SERVING until the first look.
    pub(crate) async fn new(reporter: HealthReporter, store: Arc<dyn Store>) -> Self {
        let health = Self { reporter, store };
        health.tell(ServingStatus::NotServing).await;
        health
    }

    /// Looks until the stop, then tells NOT_SERVING for good.
    pub(crate) async fn watch(&self, stop: &CancellationToken) {
        stop.run_until_cancelled(self.follow()).await;
        self.tell(ServingStatus::NotServing).await;
    }

    async fn follow(&self) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = None;
        loop {
            ticks.tick().await;
            let problem = self.problem().await;
            let seen = match problem {
                None => ServingStatus::Serving,
                Some(_) => ServingStatus::NotServing,
            };
            if told.replace(seen) != Some(seen) {
                self.tell(seen).await;
                match problem {
                    None => tracing::info!("serving"),
                    Some(problem) => tracing::warn!(problem, "not serving"),
                }
            }
        }
    }

    /// Why the store cannot serve, if it cannot.
    async fn problem(&self) -> Option<String> {
        match timeout(PATIENCE, self.store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        }
    }

    async fn tell(&self, status: ServingStatus) {
        for service in SERVICES {
            self.reporter.set_service_status(service, status).await;
        }
    }
}
