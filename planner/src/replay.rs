//! Re-runs a recorded ask: is the verdict on record the one that this planner gives to the stored answer, and what would a
//! model answer to the very same prompt now?
//!
//! How to read it: [`recorded`] turns the stored context back into the message that BeginPlan gave, [`judgement`] is what
//! is compared, [`options`] the flags. Called by `baton-planner replay`; reads one plan and changes nothing.

pub mod judgement;
pub mod options;
pub mod recorded;

use std::{fmt::Write as _, time::Duration};

use baton_proto::v1::{Plan, PlanningContext};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use self::judgement::{Difference, Judgement};
use crate::{
    ask::{Account, Conversation, Settings},
    model::Model,
    prompt::Prompt,
};

const MAX_SHOWN_CHARS: usize = 200;

/// What a replay found: the document of `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Replay {
    pub plan_id: String,
    pub job_id: String,
    /// As in the API, such as `PLAN_STATE_COMPLETED`.
    pub state: &'static str,
    /// That gave the answer on record.
    pub model: String,
    pub prompt: PromptCheck,
    pub verdict: VerdictCheck,
    /// Only when a model was asked again.
    pub again: Option<Again>,
}

/// Whether the stored context gives the prompt that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptCheck {
    /// Empty when no prompt was made.
    pub recorded_digest: String,
    /// Absent when it cannot be made again.
    pub digest: Option<String>,
    pub is_identical: bool,
    /// Why not, if it is not.
    pub note: String,
}

/// Whether the answer on record gets the verdict on record.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum VerdictCheck {
    Identical {
        judgement: Judgement,
    },
    Different {
        differences: Vec<Difference>,
    },
    /// There is no answer to judge, or no context to judge it by.
    NotComparable {
        reason: String,
    },
}

/// A new answer to the same prompt.
#[derive(Debug, Clone, Serialize)]
pub struct Again {
    pub model: String,
    pub judgement: Judgement,
    pub raw_answer: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub latency_s: f64,
    pub requests: i32,
    /// From the answer on record to the new one; absent when the record has none.
    pub differences: Option<Vec<Difference>>,
}

/// How to replay.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub request_timeout: Duration,
    pub max_prompt_chars: usize,
}

/// Checks the record of a plan as GetPlan gives it, and asks `model` again if there is one and the prompt is the same.
pub async fn replay(plan: &Plan, model: Option<&dyn Model>, rules: Rules) -> Replay {
    let context = recorded::read(&plan.context_json).map_err(|error| error.to_string());
    let prompt = prompt_check(plan, &context, rules.max_prompt_chars);
    let again = match (model, &context) {
        (Some(model), Ok(context)) if prompt.is_identical => Some(ask_again(plan, context, model, rules).await),
        _ => None,
    };
    Replay {
        plan_id: plan.id.clone(),
        job_id: plan.job_id.clone(),
        state: plan.state().as_str_name(),
        model: plan.call.as_ref().map(|call| call.model.clone()).unwrap_or_default(),
        verdict: verdict_check(plan, &context),
        prompt,
        again,
    }
}

fn prompt_check(plan: &Plan, context: &Result<PlanningContext, String>, max_chars: usize) -> PromptCheck {
    let recorded_digest = plan
        .call
        .as_ref()
        .map(|call| call.prompt_digest.clone())
        .unwrap_or_default();
    let built = context.as_ref().map_err(Clone::clone).and_then(|context| {
        let built = Prompt::build(context, &plan.ask_reasons, max_chars);
        built.map(|prompt| prompt.digest()).map_err(|error| error.to_string())
    });
    let is_identical = built.as_ref().is_ok_and(|digest| *digest == recorded_digest);
    let note = match &built {
        Err(reason) => reason.clone(),
        Ok(_) if is_identical => String::new(),
        Ok(_) if recorded_digest.is_empty() => "no prompt is on record".to_owned(),
        Ok(_) => "the planner that asked had other instructions or another --max-prompt-chars".to_owned(),
    };
    PromptCheck {
        recorded_digest,
        digest: built.ok(),
        is_identical,
        note,
    }
}

fn verdict_check(plan: &Plan, context: &Result<PlanningContext, String>) -> VerdictCheck {
    let compared =
        Judgement::recorded(plan).and_then(|recorded| Ok((recorded, context.as_ref().map_err(Clone::clone)?)));
    let (recorded, context) = match compared {
        Ok(compared) => compared,
        Err(reason) => return VerdictCheck::NotComparable { reason },
    };
    let now = Judgement::of(raw_answer(plan), context).comparable_to(&recorded);
    if recorded.text() == now.text() {
        VerdictCheck::Identical { judgement: now }
    } else {
        VerdictCheck::Different {
            differences: recorded.differences(&now),
        }
    }
}

fn raw_answer(plan: &Plan) -> &str {
    plan.call.as_ref().map_or("", |call| &call.raw_answer)
}

async fn ask_again(plan: &Plan, context: &PlanningContext, model: &dyn Model, rules: Rules) -> Again {
    let settings = Settings {
        planner: "replay".to_owned(),
        request_timeout: rules.request_timeout,
        max_prompt_chars: rules.max_prompt_chars,
        prices: None,
    };
    let conversation = Conversation {
        model,
        settings: &settings,
        stop: &CancellationToken::new(),
    };
    let mut account = Account::default();
    let judgement = match conversation.hold(context, &plan.ask_reasons, &mut account).await {
        Ok(proposal) => Judgement::of_proposal(&proposal),
        Err(setback) => Judgement::unsound(setback.verdict.to_owned(), setback.detail),
    };
    Again {
        model: model.name().to_owned(),
        differences: Judgement::recorded(plan)
            .ok()
            .map(|recorded| recorded.differences(&judgement.clone().comparable_to(&recorded))),
        judgement,
        raw_answer: account.raw_answer().to_owned(),
        input_tokens: account.usage.input_tokens,
        output_tokens: account.usage.output_tokens,
        latency_s: account.latency.as_secs_f64(),
        requests: account.requests,
    }
}

impl Replay {
    /// Whether the answer on record now gets another verdict, or what was asked for could not be done.
    pub fn is_failed(&self, was_to_ask: bool) -> bool {
        let is_different = matches!(self.verdict, VerdictCheck::Different { .. });
        is_different || was_to_ask && self.again.is_none()
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        writeln!(
            out,
            "plan {} of job {}: {}, model {}",
            self.plan_id, self.job_id, self.state, self.model
        )
        .ok();
        let told = if self.prompt.is_identical {
            "identical"
        } else {
            "different"
        };
        writeln!(out, "prompt: {told}{}", note(&self.prompt.note)).ok();
        match &self.verdict {
            VerdictCheck::Identical { judgement } => {
                writeln!(out, "verdict: identical ({})", judgement.verdict).ok();
            }
            VerdictCheck::NotComparable { reason } => {
                writeln!(out, "verdict: nothing to compare: {}", one_line(reason)).ok();
            }
            VerdictCheck::Different { differences } => {
                writeln!(out, "verdict: different").ok();
                tell(&mut out, differences, "now");
            }
        }
        if let Some(again) = &self.again {
            again.tell(&mut out);
        }
        out
    }
}

impl Again {
    fn tell(&self, out: &mut String) {
        let (model, verdict, latency) = (&self.model, &self.judgement.verdict, self.latency_s);
        writeln!(out, "asked again: {model} answered {verdict} in {latency:.1} s").ok();
        match &self.differences {
            None => {
                writeln!(out, "new answer: {}", one_line(&self.raw_answer)).ok();
            }
            Some(differences) if differences.is_empty() => {
                writeln!(out, "new answer: identical").ok();
            }
            Some(differences) => {
                writeln!(out, "new answer: different").ok();
                tell(out, differences, "new");
            }
        }
    }
}

fn note(note: &str) -> String {
    if note.is_empty() {
        String::new()
    } else {
        format!(" ({})", one_line(note))
    }
}

fn tell(out: &mut String, differences: &[Difference], now: &str) {
    for difference in differences {
        let shown = |value: &Option<serde_json::Value>| {
            value
                .as_ref()
                .map_or_else(|| "absent".to_owned(), |value| one_line(&value.to_string()))
        };
        let (recorded, new) = (shown(&difference.recorded), shown(&difference.now));
        writeln!(out, "  {}: recorded {recorded}, {now} {new}", difference.path).ok();
    }
}

/// The start of a text that others wrote, without control characters.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MAX_SHOWN_CHARS)
        .collect()
}

#[cfg(test)]
mod tests;
