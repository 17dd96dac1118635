//! The tasks of the run loop: asks and advances, with the job each belongs to.
//!
//! A task that panics is told like one that ended, so that its job goes on.

use std::{collections::HashMap, time::Duration};

use baton_proto::v1::AdvancePlanRequest;
use tokio::task::{Id, JoinError, JoinSet};
use tonic::Status;
use tracing::Instrument as _;

use super::job::Wave;
use crate::ask::{Asker, End};

/// A task that is over.
pub(super) enum Finished {
    /// `end` is absent after a panic.
    Ask { job_id: String, end: Option<End> },
    Advance {
        job_id: String,
        wave: Wave,
        outcome: Result<(), Status>,
    },
}

enum Task {
    Ask { job_id: String },
    Advance { job_id: String, wave: Wave },
}

enum Output {
    Ask(End),
    Advance(Result<(), Status>),
}

pub(super) struct Tasks {
    asker: Asker,
    set: JoinSet<Output>,
    running: HashMap<Id, Task>,
}

impl Tasks {
    pub fn new(asker: Asker) -> Self {
        Self {
            asker,
            set: JoinSet::new(),
            running: HashMap::new(),
        }
    }

    /// Starts an ask.
    pub fn ask(&mut self, job_id: String, context_revision: i64) {
        let ask = self.asker.clone().ask(job_id.clone(), context_revision);
        let handle = self.set.spawn(async move { Output::Ask(ask.await) });
        self.running.insert(handle.id(), Task::Ask { job_id });
    }

    /// Starts a plan's next wave.
    pub fn advance(&mut self, job_id: String, wave: Wave) {
        let span = tracing::info_span!("plan.advance", plan_id = wave.plan_id, wave = wave.wave);
        let advance = advance(self.asker.clone(), wave.clone()).instrument(span);
        let handle = self.set.spawn(async move { Output::Advance(advance.await) });
        self.running.insert(handle.id(), Task::Advance { job_id, wave });
    }

    pub fn is_asking(&self, job: &str) -> bool {
        self.running
            .values()
            .any(|task| matches!(task, Task::Ask { job_id } if job_id == job))
    }

    pub fn running_asks(&self) -> usize {
        self.running
            .values()
            .filter(|task| matches!(task, Task::Ask { .. }))
            .count()
    }

    /// The next task that ends; waits for ever while none is running. Can be dropped without loss.
    pub async fn next(&mut self) -> Finished {
        loop {
            let Some(joined) = self.set.join_next_with_id().await else {
                return std::future::pending().await;
            };
            if let Some(finished) = self.finish(joined) {
                return finished;
            }
        }
    }

    fn finish(&mut self, joined: Result<(Id, Output), JoinError>) -> Option<Finished> {
        let (id, output) = match joined {
            Ok((id, output)) => (id, Some(output)),
            Err(error) => {
                tracing::error!(%error, "a planning task ended abnormally");
                (error.id(), None)
            }
        };
        match (self.running.remove(&id)?, output) {
            (Task::Ask { job_id }, Some(Output::Ask(end))) => Some(Finished::Ask { job_id, end: Some(end) }),
            (Task::Ask { job_id }, _) => Some(Finished::Ask { job_id, end: None }),
            (Task::Advance { job_id, wave }, Some(Output::Advance(outcome))) => {
                Some(Finished::Advance { job_id, wave, outcome })
            }
            (Task::Advance { job_id, wave }, _) => {
                let outcome = Err(Status::unknown("the advance ended abnormally"));
                Some(Finished::Advance { job_id, wave, outcome })
            }
        }
    }

    /// Waits for what is running, then drops it.
    pub async fn finish_within(&mut self, limit: Duration) {
        let all = async { while self.set.join_next().await.is_some() {} };
        if tokio::time::timeout(limit, all).await.is_err() {
            tracing::warn!(tasks = self.set.len(), "planning tasks were dropped");
        }
        self.set.shutdown().await;
    }
}

async fn advance(asker: Asker, wave: Wave) -> Result<(), Status> {
    let request = AdvancePlanRequest {
        plan_id: wave.plan_id,
        wave: wave.wave,
    };
    match asker.scheduler.advance(request).await {
        Ok(_) => {
            tracing::info!("next wave started");
            Ok(())
        }
        Err(status) => {
            tracing::warn!(code = ?status.code(), message = status.message(), "next wave not started");
            Err(status)
        }
    }
}
