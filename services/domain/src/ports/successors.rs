//! What came after a run and after a plan: the ends of the chain that ExplainRun shows.

use async_trait::async_trait;

use crate::{
    ids::{EndpointId, JobId, PlanId, RunId, UserId},
    run::Run,
};

use super::StoreResult;

/// Successors.
#[async_trait]
pub trait SuccessorsRepo {
    /// The endpoint's run with the next planned time, live or over.
    async fn next_run(&mut self, user: &UserId, endpoint: EndpointId, after: RunId) -> StoreResult<Option<Run>>;
    /// The plan of the job that replaced this one.
    async fn replacing_plan(&mut self, job: JobId, plan: PlanId) -> StoreResult<Option<PlanId>>;
}
