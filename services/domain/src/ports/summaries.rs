//! Runs counted: what SummarizeRuns answers, computed where the runs are.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use crate::{
    ids::EndpointId,
    run::{RunStatus, Source},
};

use super::{Page, RunFilter, StoreResult};

/// The smallest values that half, or 95 %, of all values do not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    pub p50: Duration,
    pub p95: Duration,
}

/// What became of runs of one endpoint and source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    pub source: Source,
    /// Statuses that no run has are left out.
    pub counts: BTreeMap<RunStatus, u64>,
    /// Due times that the skipped runs stand for.
    pub skipped_times: u64,
    /// Of the calls of runs that succeeded or failed.
    pub duration: Option<Percentiles>,
    /// Start after the due time, of runs that are under way, succeeded or failed.
    pub lateness: Option<Percentiles>,
}

impl RunSummary {
    pub fn count(&self, status: RunStatus) -> u64 {
        self.counts.get(&status).copied().unwrap_or_default()
    }

    /// Succeeded runs among those that succeeded or failed; `None` when there are neither.
    #[expect(clippy::cast_precision_loss, reason = "a rate of counts below 2^53 is exact enough")]
    pub fn success_rate(&self) -> Option<f64> {
        let [succeeded, failed] = [RunStatus::Succeeded, RunStatus::Failed].map(|status| self.count(status));
        let ended = succeeded + failed;
        (ended > 0).then(|| succeeded as f64 / ended as f64)
    }
}

/// The summaries of one endpoint, by source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSummary {
    pub endpoint_id: EndpointId,
    pub sources: Vec<RunSummary>,
}

/// Summaries.
#[async_trait]
pub trait SummariesRepo {
    /// Runs that the filter lets through, but plan rows, by endpoint id; a page is of endpoints.
    async fn summarize_runs(&mut self, filter: &RunFilter, page: Page) -> StoreResult<Vec<EndpointSummary>>;
}
