//! The rounds with the model: one question, and at most one more with everything that was wrong with the answer.
//!
//! Called by an ask between BeginPlan and SubmitPlan, by eval and by replay; does no RPC. Every way in which it ends without a proposal is a
//! [`Setback`] with the verdict to record.

use baton_proto::v1::PlanningContext;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ModelHealth, Settings, record::Account};
use crate::{
    check::{self, Frame, Proposal, Rejection},
    circuit::Failure,
    model::{Message, Model, ModelError},
    prompt::{Prompt, TooLong},
};

/// Why there is no proposal.
pub(crate) struct Setback {
    /// Kebab-case, as recorded.
    pub verdict: &'static str,
    pub detail: String,
    pub health: ModelHealth,
}

/// One conversation about one frozen context.
pub(crate) struct Conversation<'a> {
    pub model: &'a dyn Model,
    pub settings: &'a Settings,
    pub stop: &'a CancellationToken,
}

impl Conversation<'_> {
    /// Asks, repairs once, and notes in `account` what it cost.
    pub async fn hold(
        &self,
        context: &PlanningContext,
        ask_reasons: &[String],
        account: &mut Account,
    ) -> Result<Proposal, Setback> {
        let reasons = match (&context.ask, ask_reasons) {
            (Some(ask), []) => &ask.reasons,
            _ => ask_reasons,
        };
        let prompt = Prompt::build(context, reasons, self.settings.max_prompt_chars).map_err(too_long)?;
        if !prompt.cuts.is_empty() {
            tracing::info!(cuts = ?prompt.cuts, "the situation was cut to fit the prompt");
        }
        account.prompt_chars = prompt.chars();
        account.prompt_cut = !prompt.cuts.is_empty();
        account.prompt_digest = prompt.digest();
        let frame = Frame::of(context);

        let first = self.round(&prompt.messages, &prompt.schema, account).await?;
        let rejection = match check::check(&first, &frame) {
            Ok(proposal) => return Ok(proposal),
            Err(rejection) => rejection,
        };
        tracing::info!(
            verdict = rejection.verdict().as_str(),
            "the answer goes back for repair"
        );
        let second = self
            .round(&prompt.repair(&first, &rejection), &prompt.schema, account)
            .await?;
        check::check(&second, &frame).map_err(|rejection| rejected(&rejection))
    }

    /// One request. The text of the answer also stands in the account, whatever comes of it.
    async fn round(&self, messages: &[Message], schema: &Value, account: &mut Account) -> Result<String, Setback> {
        let timeout = self.settings.request_timeout;
        let started = Instant::now();
        account.requests += 1;
        let answer = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Setback::stopped()),
            answer = self.model.ask(messages, schema, timeout) => Ok(answer),
        };
        account.latency += started.elapsed();
        match answer? {
            Ok(reply) => {
                account.note(&reply.text, reply.usage);
                Ok(reply.text)
            }
            Err(error) => {
                account.note(&error.raw, error.usage);
                Err(Setback::model(&error))
            }
        }
    }
}

impl Setback {
    fn model(error: &ModelError) -> Self {
        let health = ModelHealth::Failing(error.failure());
        Self {
            verdict: error.kind.verdict(),
            detail: error.message.clone(),
            health,
        }
    }

    /// The plan is no longer this planner's: an answer would come too late.
    pub(super) fn lease_lost(why: String) -> Self {
        Self {
            verdict: "lease-lost",
            detail: why,
            health: ModelHealth::Unknown,
        }
    }

    fn stopped() -> Self {
        let detail = "the planner was stopped while it waited for the model".to_owned();
        Self {
            verdict: "planner-stopped",
            detail,
            health: ModelHealth::Unknown,
        }
    }
}

/// What is recorded of an answer that stayed unusable, as the record takes it.
pub(crate) fn failure_detail(rejection: &Rejection) -> String {
    super::record::detail(&format!("after one repair round: {rejection}"))
}

fn rejected(rejection: &Rejection) -> Setback {
    Setback {
        verdict: rejection.verdict().as_str(),
        detail: failure_detail(rejection),
        health: ModelHealth::Failing(Failure::Ordinary),
    }
}

fn too_long(error: TooLong) -> Setback {
    Setback {
        verdict: "prompt-too-long",
        detail: error.to_string(),
        health: ModelHealth::Unknown,
    }
}
