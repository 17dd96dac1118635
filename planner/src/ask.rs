//! One ask, from BeginPlan to SubmitPlan or FailPlan.
//!
//! Called by the run loop, at most once at a time per job. Decides nothing about when; reports what the ask says about
//! the job's next one and about the model. Whatever happens after BeginPlan ends in a recorded verdict, or with the
//! plan's lease.

mod conversation;
mod lease;
mod record;

use std::{sync::Arc, time::Duration};

use baton_proto::v1::{
    BeginPlanRequest, BeginPlanResponse, FailPlanRequest, Plan, PlanState, PlanningContext, SubmitPlanRequest,
};
pub(crate) use conversation::{Conversation, Setback, failure_detail};
use lease::Lease;
use prost_types::Timestamp;
pub(crate) use record::Account;
pub use record::Prices;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tracing::{Span, field::Empty};

use crate::{check::Proposal, circuit::Failure, metrics::Metrics, model::Model, rpc::Scheduler, scale::wire_duration};

/// How asks are made.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this planner process, shown to others while it holds a lease.
    pub planner: String,
    /// On each request to the model.
    pub request_timeout: Duration,
    /// Length of a prompt, in characters.
    pub max_prompt_chars: usize,
    /// Of the model's tokens, where they are known.
    pub prices: Option<Prices>,
}

/// What came of an ask.
#[derive(Debug)]
pub enum End {
    /// BeginPlan was refused or did not come through. The model was not asked.
    NotBegun(Status),
    /// The ask is on record.
    Begun {
        /// When the frozen context was put together: contexts from before it are settled.
        as_of: Option<Timestamp>,
        /// Of the frozen context.
        context_revision: i64,
        model: ModelHealth,
    },
}

/// What an ask says about the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelHealth {
    /// Its answer could be submitted.
    Healthy,
    /// It gave nothing usable.
    Failing(Failure),
    /// It was not asked, or not waited for.
    Unknown,
}

/// Makes asks. Clones share everything.
#[derive(Clone)]
pub struct Asker {
    pub scheduler: Scheduler,
    pub model: Arc<dyn Model>,
    pub settings: Settings,
    pub metrics: Metrics,
    /// Cancelled when the planner stops: an answer is not waited for any more.
    pub stop: CancellationToken,
}

impl Asker {
    /// One ask about a job, made because of a context of this revision.
    #[tracing::instrument(
        name = "plan.ask",
        skip_all,
        fields(job_id = %job_id, context_revision = context_revision, plan_id = Empty, verdict = Empty)
    )]
    pub async fn ask(self, job_id: String, context_revision: i64) -> End {
        let request = BeginPlanRequest {
            job_id,
            context_revision,
            planner: self.settings.planner.clone(),
        };
        match self.scheduler.begin(request).await {
            Ok(begun) => self.go_on(begun).await,
            Err(status) => {
                Span::current().record("verdict", "not-begun");
                tracing::debug!(code = ?status.code(), message = status.message(), "the ask was not begun");
                if status.code() == Code::ResourceExhausted {
                    self.metrics.budget_refusal(reason(&status));
                }
                End::NotBegun(status)
            }
        }
    }

    async fn go_on(self, begun: BeginPlanResponse) -> End {
        let (plan, context) = (begun.plan.unwrap_or_default(), begun.context.unwrap_or_default());
        Span::current().record("plan_id", &plan.id);
        self.metrics.ask();
        let mut account = Account::default();
        let conversation = Conversation {
            model: self.model.as_ref(),
            settings: &self.settings,
            stop: &self.stop,
        };
        let outcome = tokio::select! {
            biased;
            outcome = conversation.hold(&context, &plan.ask_reasons, &mut account) => outcome,
            why = lease_lost(&self.scheduler, &plan) => Err(Setback::lease_lost(why)),
        };
        self.metrics.prompt(account.prompt_chars, account.prompt_cut);
        let latency = account.latency;
        let model = match outcome {
            Ok(proposal) => {
                self.submit(&plan, &context, proposal, account).await;
                ModelHealth::Healthy
            }
            Err(setback) => {
                let health = setback.health;
                self.fail(&plan, setback, account).await;
                health
            }
        };
        self.metrics.model_latency(latency, model);
        End::Begun {
            as_of: context.as_of_time,
            context_revision: context.context_revision,
            model,
        }
    }

    async fn submit(&self, plan: &Plan, context: &PlanningContext, proposal: Proposal, account: Account) {
        let (steps, hints) = (proposal.steps.len(), proposal.hints.len());
        let request = SubmitPlanRequest {
            plan_id: plan.id.clone(),
            definition_revision: context.definition_revision,
            steps: proposal.steps,
            hints: proposal.hints,
            rationale: proposal.rationale,
            review_after: Some(wire_duration(proposal.review_after)),
            call: Some(account.into_call(self.model.name(), self.settings.prices, &self.metrics)),
        };
        match self.scheduler.submit(request).await {
            Ok(answered) if answered.state() == PlanState::Refused => self.tell("refused", &answered.detail),
            Ok(answered) => {
                self.count_steps(&answered);
                let verdict = accepted_verdict(answered.state());
                self.note(verdict);
                tracing::info!(plan_id = plan.id, steps, hints, "plan {verdict}");
            }
            Err(status) => self.tell(submit_verdict(status.code()), status.message()),
        }
    }

    fn count_steps(&self, answered: &Plan) {
        for verdict in answered.steps.iter().filter_map(|step| step.verdict.as_ref()) {
            self.metrics.step_verdict(verdict.code().as_str_name());
        }
    }

    async fn fail(&self, plan: &Plan, setback: Setback, account: Account) {
        self.tell(setback.verdict, &setback.detail);
        let request = FailPlanRequest {
            plan_id: plan.id.clone(),
            verdict: setback.verdict.to_owned(),
            detail: record::detail(&setback.detail),
            call: Some(account.into_call(self.model.name(), self.settings.prices, &self.metrics)),
        };
        if let Err(status) = self.scheduler.fail(request).await {
            tracing::warn!(plan_id = plan.id, code = ?status.code(), message = status.message(), "verdict not recorded");
        }
    }

    fn tell(&self, verdict: &'static str, detail: &str) {
        self.note(verdict);
        tracing::warn!(verdict, detail = record::log_line(detail), "the ask gave no plan");
    }

    fn note(&self, verdict: &'static str) {
        Span::current().record("verdict", verdict);
        self.metrics.verdict(verdict);
    }
}

/// What the scheduler made of a sound answer, as the job's mode says.
fn accepted_verdict(state: PlanState) -> &'static str {
    match state {
        PlanState::Suggested => "suggested",
        PlanState::Observed => "observed",
        _ => "accepted",
    }
}

/// The stable reason of a refusal; empty when it has none.
fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

/// Why SubmitPlan gave no plan. What the scheduler refuses it records itself.
fn submit_verdict(code: Code) -> &'static str {
    match code {
        Code::Aborted => "superseded",
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => "scheduler-unreachable",
        _ => "refused",
    }
}

/// Keeps the lease of a plan that was just begun; answers why it was lost, if it is.
async fn lease_lost(scheduler: &Scheduler, plan: &Plan) -> String {
    match Lease::of(scheduler, plan) {
        Some(lease) => lease.keep().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
