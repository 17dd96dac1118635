//! What can be asked of the record afterwards: which times came due, what became of them, and why.
//!
//! Read by the audit and by the answer to "Why did it not run?". Nothing here is written through.

use async_trait::async_trait;

use crate::{
    ids::{EndpointId, UserId},
    run::Run,
    schedule::ScheduleChange,
    time::Timestamp,
};

use super::StoreResult;

/// What the record says about one time of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeRecord {
    /// Runs planned for that very time, and skipped ones whose window covers it; oldest first, without responses.
    pub runs: Vec<Run>,
    /// The last change before or at that time that says what was in force.
    pub change: Option<ScheduleChange>,
}

/// The history, read as a ledger.
#[async_trait]
pub trait LedgerRepo {
    /// Endpoints with a record of changes, those deleted since included, in id order after `after`.
    async fn recorded_endpoints(
        &mut self,
        user: Option<&UserId>,
        after: Option<EndpointId>,
        limit: usize,
    ) -> StoreResult<Vec<EndpointId>>;
    /// Every change of an endpoint, oldest first.
    async fn recorded_changes(&mut self, id: EndpointId) -> StoreResult<Vec<ScheduleChange>>;
    /// Runs of an endpoint, live and over, planned from `from` to before `to`, and the last `before` of those planned
    /// earlier; oldest planned time first, without responses.
    async fn recorded_runs(
        &mut self,
        id: EndpointId,
        from: Timestamp,
        to: Timestamp,
        before: usize,
    ) -> StoreResult<Vec<Run>>;
    /// What became of one time, in one statement.
    async fn time_record(&mut self, user: &UserId, id: EndpointId, at: Timestamp) -> StoreResult<TimeRecord>;
}
