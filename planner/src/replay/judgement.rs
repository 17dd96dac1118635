//! What was decided about an answer, in one form for the record and for a new check, so that the two can be compared.
//!
//! Compared is all that the planner decides: for a sound answer the steps (endpoint, wave, delay, reason), the hints
//! (endpoint, kind, value, lifetime, reason), the rationale and the time to the review that it makes of it, for any other the verdict and its
//! whole detail. What the scheduler decided later (verdicts of steps, runs) is not. Durations are whole microseconds,
//! which is what the record keeps. Two judgements are identical when their JSON texts are, byte by byte. Pure.

use std::collections::BTreeMap;

use baton_proto::v1::{Plan, PlanHint, PlanState, PlanStep, PlanningContext, plan_hint::Instruction};
use serde::Serialize;
use serde_json::Value;

use crate::{
    ask::failure_detail,
    check::{self, Frame, Proposal, Verdict},
    scale::wire_duration,
};

/// The record keeps as much of an answer.
const MAX_RAW_BYTES: usize = 64 * 1024;
/// A cut falls at a character: this much may be missing from the full length.
const CUT_SLACK: usize = 3;
const SOUND: &str = "sound";

/// What was decided about one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// `sound`, or the verdict.
    pub verdict: String,
    pub detail: String,
    pub rationale: String,
    /// Absent where a person's approval has moved it.
    pub review_after_us: Option<i128>,
    pub steps: Vec<StepView>,
    pub hints: Vec<HintView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepView {
    pub endpoint_id: String,
    pub wave: i32,
    pub delay_us: i128,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HintView {
    pub endpoint_id: String,
    pub kind: &'static str,
    pub value_us: i128,
    pub ttl_us: i128,
    pub reason: String,
}

/// One field in which two judgements differ. `None`: it is not there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Such as `steps[1].wave`.
    pub path: String,
    pub recorded: Option<Value>,
    pub now: Option<Value>,
}

impl Judgement {
    /// What is on record, or why there is nothing to compare with.
    ///
    /// # Errors
    /// One sentence.
    pub fn recorded(plan: &Plan) -> Result<Self, String> {
        let raw_bytes = plan.call.as_ref().map_or(0, |call| call.raw_answer.len());
        if raw_bytes >= MAX_RAW_BYTES - CUT_SLACK {
            return Err("the answer on record was cut to 64 KiB".to_owned());
        }
        match plan.state() {
            PlanState::Asking | PlanState::Expired | PlanState::Unspecified => {
                Err("the plan has no answer on record".to_owned())
            }
            PlanState::Failed if Verdict::parse(&plan.verdict).is_none() => {
                Err(format!("the model gave no answer: {}", plan.verdict))
            }
            PlanState::Failed => Ok(Self::unsound(plan.verdict.clone(), plan.detail.clone())),
            _ => Ok(Self::sound(
                &plan.steps,
                &plan.hints,
                &plan.rationale,
                review_after_us(plan),
            )),
        }
    }

    /// The JSON text that is compared.
    pub fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// The same without what the other cannot tell.
    pub fn comparable_to(mut self, other: &Self) -> Self {
        self.review_after_us = self.review_after_us.filter(|_| other.review_after_us.is_some());
        self
    }

    /// What the planner decides now about an answer to this context.
    pub fn of(raw_answer: &str, context: &PlanningContext) -> Self {
        match check::check(raw_answer, &Frame::of(context)) {
            Ok(proposal) => Self::of_proposal(&proposal),
            Err(rejection) => Self::unsound(rejection.verdict().as_str().to_owned(), failure_detail(&rejection)),
        }
    }

    /// Of a proposal that was just made.
    pub fn of_proposal(proposal: &Proposal) -> Self {
        let review_after_us = Some(micros(Some(&wire_duration(proposal.review_after))));
        Self::sound(&proposal.steps, &proposal.hints, &proposal.rationale, review_after_us)
    }

    /// Of an ask that gave no proposal.
    pub fn unsound(verdict: String, detail: String) -> Self {
        Self {
            verdict,
            detail,
            rationale: String::new(),
            review_after_us: None,
            steps: Vec::new(),
            hints: Vec::new(),
        }
    }

    fn sound(steps: &[PlanStep], hints: &[PlanHint], rationale: &str, review_after_us: Option<i128>) -> Self {
        Self {
            verdict: SOUND.to_owned(),
            detail: String::new(),
            rationale: rationale.to_owned(),
            review_after_us,
            steps: steps.iter().map(step_view).collect(),
            hints: hints.iter().map(hint_view).collect(),
        }
    }

    /// Every field in which `now` differs from this, in order of path.
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let (recorded, now) = (leaves(self), leaves(now));
        let paths: std::collections::BTreeSet<&String> = recorded.keys().chain(now.keys()).collect();
        let differing = paths.into_iter().filter(|path| recorded.get(*path) != now.get(*path));
        differing
            .map(|path| Difference {
                path: path.clone(),
                recorded: recorded.get(path).cloned(),
                now: now.get(path).cloned(),
            })
            .collect()
    }
}

fn step_view(step: &PlanStep) -> StepView {
    StepView {
        endpoint_id: step.endpoint_id.clone(),
        wave: step.wave,
        delay_us: micros(step.delay.as_ref()),
        reason: step.reason.clone(),
    }
}

fn hint_view(hint: &PlanHint) -> HintView {
    let (kind, value) = match &hint.instruction {
        Some(Instruction::Interval(interval)) => ("interval", Some(interval)),
        Some(Instruction::OneShotDelay(delay)) => ("one_shot", Some(delay)),
        Some(Instruction::Pause(pause)) => ("pause", Some(pause)),
        None => ("none", None),
    };
    HintView {
        endpoint_id: hint.endpoint_id.clone(),
        kind,
        value_us: micros(value),
        ttl_us: micros(hint.ttl.as_ref()),
        reason: hint.reason.clone(),
    }
}

/// The record keeps the instant of the review, counted from that of the answer.
fn review_after_us(plan: &Plan) -> Option<i128> {
    let micros = |time: &prost_types::Timestamp| i128::from(time.seconds) * 1_000_000 + i128::from(time.nanos / 1_000);
    let (answered, review) = (plan.answer_time.as_ref()?, plan.review_time.as_ref()?);
    plan.decision_time.is_none().then(|| micros(review) - micros(answered))
}

fn micros(duration: Option<&prost_types::Duration>) -> i128 {
    duration.map_or(0, |duration| {
        i128::from(duration.seconds) * 1_000_000 + i128::from(duration.nanos / 1_000)
    })
}

/// Every scalar of a judgement by its path.
fn leaves(judgement: &Judgement) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect(&serde_json::json!(judgement), String::new(), &mut found);
    found
}

fn collect(value: &Value, path: String, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let separator = if path.is_empty() { "" } else { "." };
                collect(field, format!("{path}{separator}{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{index}]"), found);
            }
        }
        scalar => {
            found.insert(path, scalar.clone());
        }
    }
}

#[cfg(test)]
mod tests;
