//! The lease of a running ask: renewed every third of its length while the model is at work, until it is lost.
//!
//! Runs beside the conversation and ends it when the plan is no longer this planner's to answer: a dead planner's lease
//! runs out by itself, and a living one's is only ever lost to the scheduler's bound on an ask, or to an outage.

use std::time::Duration;

use baton_proto::v1::Plan;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use crate::{
    rpc::{Scheduler, is_transient},
    scale::seconds_between,
};

/// The lease as of the last answer of the scheduler.
pub(super) struct Lease<'a> {
    scheduler: &'a Scheduler,
    plan: &'a Plan,
    begun_at: Instant,
    /// How long one renewal lasts.
    length: Duration,
    ends_at: Instant,
}

impl<'a> Lease<'a> {
    /// Of a plan that was begun just now. `None` when the scheduler names no end.
    pub fn of(scheduler: &'a Scheduler, plan: &'a Plan) -> Option<Self> {
        let (begun_at, length) = (Instant::now(), held_for(plan, plan)?);
        Some(Self {
            scheduler,
            plan,
            begun_at,
            length,
            ends_at: begun_at.checked_add(length)?,
        })
    }

    /// Renews it for as long as that works, and says in the end why not any longer.
    pub async fn keep(mut self) -> String {
        let mut why = "the ask has taken as long as one may".to_owned();
        let mut pause = self.length / 3;
        loop {
            let next = Instant::now() + pause;
            sleep_until(next.min(self.ends_at)).await;
            if Instant::now() >= self.ends_at {
                return why;
            }
            match self.renew().await {
                Ok(()) => pause = self.length / 3,
                Err(status) if is_transient(&status) => {
                    why = format!("the lease could not be renewed: {}", status.message());
                    pause = self.length / 10;
                }
                Err(status) => return status.message().to_owned(),
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Status> {
        let renewed = self.scheduler.renew(self.plan.id.clone()).await?;
        if let Some(held) = held_for(self.plan, &renewed) {
            self.ends_at = self.begun_at.checked_add(held).unwrap_or(self.ends_at);
        }
        Ok(())
    }
}

/// From the beginning of the plan to the end of the lease, as `renewed` tells it: both by the scheduler's clock.
fn held_for(begun: &Plan, renewed: &Plan) -> Option<Duration> {
    let seconds = seconds_between(begun.create_time.as_ref()?, renewed.lease_expire_time.as_ref()?);
    Duration::try_from_secs_f64(seconds).ok()
}
