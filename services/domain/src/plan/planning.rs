//! What the scheduler knows about the asks of one job: the lease, what has come up since the last ask, when to ask next.
//!
//! Pure: the use cases load it, change it by these methods, and save it.

use crate::{
    ids::{JobId, PlanId},
    sale::{FlashSale, SaleState},
    time::Timestamp,
};

/// The verdict of a planner that was stopped in mid-ask: nothing is wrong with the model, so the ask is due at once.
pub const PLANNER_STOPPED: &str = "planner-stopped";

/// Why the model should be asked.
pub mod reason {
    pub const DEFINITION_CHANGED: &str = "definition-changed";
    pub const SIGNAL_CHANGED: &str = "signal-changed";
    pub const SALE_CHANGED: &str = "sale-changed";
    pub const SALE_STARTED: &str = "sale-started";
    pub const SALE_ENDED: &str = "sale-ended";
    pub const OUTCOME_CHANGED: &str = "outcome-changed";
    pub const PLAN_FINISHED: &str = "plan-finished";
    pub const PLAN_STOPPED: &str = "plan-stopped";
    pub const ASK_FAILED: &str = "ask-failed";
    pub const LEASE_EXPIRED: &str = "lease-expired";
    pub const REVIEW: &str = "review";
    pub const MODE_CHANGED: &str = "mode-changed";
}

/// What the scheduler knows about the asks of one job. One row a job, apart from the job's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlanning {
    pub job_id: JobId,
    /// Of description, endpoint set, guardrails and statuses.
    pub definition_revision: i64,
    /// Of everything worth telling a planner.
    pub context_revision: i64,
    /// Reasons that have come up since the last ask, with the time of the first.
    pub pending: Vec<String>,
    pub pending_since: Option<Timestamp>,
    pub asked_at: Option<Timestamp>,
    /// The plan whose planner holds the lease, and until when.
    pub asking: Option<(PlanId, Timestamp)>,
    /// The last plan that was put into force.
    pub accepted: Option<PlanId>,
    /// The last plan that was put before a person, until another is answered. It waits unless it was decided on.
    pub suggested: Option<PlanId>,
    /// When to ask again at the latest.
    pub review_at: Option<Timestamp>,
}

/// When and why to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskDue {
    pub at: Timestamp,
    pub reasons: Vec<String>,
}

impl JobPlanning {
    /// The state of a new job.
    pub fn new(job_id: JobId) -> Self {
        Self {
            job_id,
            definition_revision: 1,
            context_revision: 1,
            pending: Vec::new(),
            pending_since: None,
            asked_at: None,
            asking: None,
            accepted: None,
            suggested: None,
            review_at: None,
        }
    }

    /// Notes a change that planners should see, and a reason to ask if it is one.
    pub fn note(&mut self, ask_reason: Option<&str>, now: Timestamp) {
        self.context_revision += 1;
        let Some(reason) = ask_reason else { return };
        if self.retry_at().is_some() {
            // Something new ends the wait after a failed ask.
            self.pending.clear();
            self.pending_since = None;
        }
        self.pending_since.get_or_insert(now);
        if !self.pending.iter().any(|known| known == reason) {
            self.pending.push(reason.to_owned());
        }
    }

    /// Notes a change of description, endpoint set, guardrails or a status.
    pub fn note_definition(&mut self, now: Timestamp) {
        self.definition_revision += 1;
        self.note(Some(reason::DEFINITION_CHANGED), now);
    }

    /// Takes the lease for a new ask; reasons that come up from now on are for the next one.
    pub fn begin(&mut self, plan: PlanId, lease_until: Timestamp) {
        self.context_revision += 1;
        self.pending.clear();
        self.pending_since = None;
        self.asking = Some((plan, lease_until));
    }

    /// Gives the lease back after an ask that gave nothing; unless something new comes up, the next is at `retry_at`.
    pub fn fail(&mut self, retry_at: Timestamp) {
        self.context_revision += 1;
        self.asking = None;
        if self.pending.is_empty() {
            self.pending = vec![reason::ASK_FAILED.to_owned()];
            self.pending_since = Some(retry_at);
        }
    }

    /// Gives the lease back after a usable answer to the ask that began at `asked_at`.
    pub fn answer(&mut self, asked_at: Timestamp, review_at: Timestamp) {
        self.context_revision += 1;
        self.asking = None;
        self.asked_at = Some(asked_at);
        self.review_at = Some(review_at);
    }

    /// After a failed ask: no ask before this.
    fn retry_at(&self) -> Option<Timestamp> {
        let failed = self.pending.iter().any(|why| why == reason::ASK_FAILED);
        self.pending_since.filter(|_| failed)
    }

    /// The holder of a lease that is still good.
    pub fn holder(&self, now: Timestamp) -> Option<(PlanId, Timestamp)> {
        self.asking.filter(|(_, until)| *until > now)
    }

    /// When the model should be asked, given the sales that concern the job. There is nothing to ask without a sale
    /// that is on, will come, or has ended since the last ask.
    pub fn ask_due(&self, sales: &[FlashSale], now: Timestamp) -> Option<AskDue> {
        if let Some((_, until)) = self.asking {
            return Some(AskDue {
                at: until,
                reasons: vec![reason::LEASE_EXPIRED.to_owned()],
            });
        }
        let mut dues: Vec<(Timestamp, &str)> = Vec::new();
        for sale in sales {
            dues.extend(
                self.edge(sale.starts_at)
                    .filter(|_| sale.state(now) != SaleState::Ended)
                    .map(|at| (at, reason::SALE_STARTED)),
            );
            dues.extend(
                self.asked_at
                    .filter(|at| *at < sale.ends_at)
                    .map(|_| (sale.ends_at, reason::SALE_ENDED)),
            );
        }
        let active = sales.iter().any(|sale| sale.state(now) == SaleState::Active);
        let ended = dues.iter().any(|(at, why)| *why == reason::SALE_ENDED && *at <= now);
        if active || ended {
            dues.extend(
                self.pending_since
                    .iter()
                    .flat_map(|at| self.pending.iter().map(|why| (*at, why.as_str()))),
            );
        }
        if active {
            dues.extend(self.review_at.map(|at| (at, reason::REVIEW)));
        }
        let at = dues.iter().map(|(at, _)| *at).min()?;
        let at = self.retry_at().map_or(at, |retry| at.max(retry));
        let horizon = at.max(now);
        let mut reasons: Vec<String> = dues
            .iter()
            .filter(|(due, _)| *due <= horizon)
            .map(|(_, why)| (*why).to_owned())
            .collect();
        reasons.sort();
        reasons.dedup();
        Some(AskDue { at, reasons })
    }

    /// A time at which something starts that the last ask did not see.
    fn edge(&self, at: Timestamp) -> Option<Timestamp> {
        self.asked_at.is_none_or(|asked| asked < at).then_some(at)
    }
}
