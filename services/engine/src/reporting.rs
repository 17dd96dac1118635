//! Ends of runs on their way to the store: batched by what arrives meanwhile, kept in memory through an outage.

use std::time::Duration;

use baton_domain::{
    error::{Error, StoreError},
    schedule::{FinishedRun, Settled},
};
use futures_util::future::join_all;
use tokio::sync::mpsc;

use crate::Engine;

const FIRST_RETRY: Duration = Duration::from_millis(20);
const LAST_RETRY: Duration = Duration::from_secs(1);
/// A smaller batch is recorded as soon in one transaction, which costs the database less than two.
const WORTH_DIVIDING: usize = 256;

impl Engine {
    /// Reports until every sender is gone. What arrives while a transaction is under way is the next batch.
    pub(crate) async fn report_all(&self, mut ends: mpsc::Receiver<FinishedRun>) {
        let mut batch = Vec::with_capacity(self.config.report_batch);
        while ends.recv_many(&mut batch, self.config.report_batch).await > 0 {
            self.flights.note_reported(&batch);
            self.report_in_parts(&mut batch).await;
            self.flights.forget(&batch);
            batch.clear();
        }
    }

    /// Divides a large batch by endpoints, so that the ends of each stay in one part and in their order.
    async fn report_in_parts(&self, batch: &mut [FinishedRun]) {
        let count = self.queue.reports_at_once();
        if count < 2 || batch.len() < WORTH_DIVIDING {
            return self.report(batch).await;
        }
        let part_of = |report: &FinishedRun| usize::from(report.endpoint_id.0.as_bytes()[15]) % count;
        batch.sort_by_key(part_of);
        let parts = batch.chunk_by(|one, next| part_of(one) == part_of(next));
        join_all(parts.map(|part| self.report(part))).await;
    }

    /// Tries until the store has answered for each report.
    async fn report(&self, batch: &[FinishedRun]) {
        let mut retry = FIRST_RETRY;
        let mut stalled = None;
        loop {
            match self.queue.finish_runs(batch).await {
                Ok(settled) => return self.note_settled(&settled),
                Err(Error::Store(StoreError::Unavailable(_) | StoreError::Conflict(_))) => {
                    stalled.get_or_insert_with(|| self.flights.stall());
                    tracing::warn!(reports = batch.len(), "ends of runs wait for the database");
                    tokio::time::sleep(retry).await;
                    retry = (retry * 2).min(LAST_RETRY);
                }
                Err(error) => {
                    drop(stalled);
                    return self.report_singly(batch, &error).await;
                }
            }
        }
    }

    /// A batch that cannot be written as a whole: one bad report must not keep the others from the record.
    async fn report_singly(&self, batch: &[FinishedRun], cause: &Error) {
        if let [single] = batch {
            // Its lease runs out and the run is taken up again.
            tracing::error!(run_id = %single.run_id, error = %cause, "the end of a run could not be recorded");
            return;
        }
        for report in batch {
            Box::pin(self.report(std::slice::from_ref(report))).await;
        }
    }

    fn note_settled(&self, settled: &[Settled]) {
        let refused = settled.iter().filter(|settled| **settled == Settled::Refused).count();
        if refused > 0 {
            self.metrics.refused(refused);
            tracing::warn!(refused, "ends of runs were refused: another engine holds them by now");
        }
    }
}
