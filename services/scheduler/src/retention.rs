//! Keeps the database in shape while the scheduler serves: partitions ahead, and the end of what has been kept.
//!
//! Beside the engine, never before it: what fails here is told and tried again at the next round.

use std::{sync::Arc, time::Duration};

use baton_domain::{ids::Chance, ports::Pruned, services::Services};
use opentelemetry::{KeyValue, metrics::Counter};
use tokio_util::sync::CancellationToken;

const ROUND: Duration = Duration::from_secs(60 * 60);
/// Rounds of several schedulers drift apart by up to this.
const JITTER: Duration = Duration::from_secs(10 * 60);

/// The task that keeps what is younger than `keep`.
pub struct Retention {
    pub services: Services,
    pub chance: Arc<dyn Chance>,
    pub keep: Duration,
}

impl Retention {
    /// A round at once and then about every hour, until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let removed = opentelemetry::global::meter("baton-scheduler")
            .u64_counter("baton.retention.removed")
            .with_description("Rows removed because they had been kept long enough, by table")
            .build();
        let rounds = async {
            loop {
                match self.services.retain(self.keep).await {
                    Ok(pruned) => tell(&pruned, &removed),
                    Err(error) => tracing::warn!(%error, "what has been kept long enough could not be removed"),
                }
                tokio::time::sleep(ROUND + self.jitter()).await;
            }
        };
        stop.run_until_cancelled(rounds).await;
    }

    fn jitter(&self) -> Duration {
        let millis = u64::try_from(self.chance.bits() >> 64).unwrap_or_default();
        Duration::from_millis(millis % u64::try_from(JITTER.as_millis()).unwrap_or(1))
    }
}

fn tell(pruned: &Pruned, removed: &Counter<u64>) {
    for (table, count) in pruned.counts() {
        removed.add(count, &[KeyValue::new("table", table)]);
    }
    if pruned.total() > 0 {
        tracing::info!(?pruned, "removed what had been kept long enough");
    }
}
