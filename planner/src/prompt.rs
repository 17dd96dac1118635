//! What the model is shown: a pure function of the context that BeginPlan returned.
//!
//! The system message is the same for every ask, so that servers can cache it. The user message has exactly one block
//! `<situation>` … `</situation>` with a JSON document in which nothing can close the block. Called by [`crate::ask`],
//! later by replay and eval.

mod assemble;
mod budget;
mod situation;

use baton_proto::v1::PlanningContext;
pub use budget::{Cut, TooLong};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
pub use situation::Situation;

use crate::{alias, answer, check::Rejection, model::Message};

/// The instructions: the stable prefix of every prompt.
const INSTRUCTIONS: &str = include_str!("prompt/instructions.md");
const QUESTION: &str = "What should run now, in which order, and which hints should be in force?";

/// Default length of system and user message together, in characters.
pub const DEFAULT_MAX_CHARS: usize = 120_000;

/// A prompt, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    pub messages: Vec<Message>,
    /// Strict JSON schema of the answer.
    pub schema: Value,
    /// What was left out to keep the length, in the order of cutting.
    pub cuts: Vec<Cut>,
}

impl Prompt {
    /// The prompt for a context, at most `max_chars` long. `asked_because` are the reasons of the ask.
    ///
    /// # Errors
    /// When it is too long even with everything left out that may be.
    pub fn build(context: &PlanningContext, asked_because: &[String], max_chars: usize) -> Result<Self, TooLong> {
        let situation = assemble::situation(context, asked_because);
        let frame = user_message("").chars().count();
        let fixed = INSTRUCTIONS.chars().count() + frame;
        let (document, cuts) = budget::fit(situation, max_chars.saturating_sub(fixed))?;
        Ok(Self {
            messages: vec![Message::system(INSTRUCTIONS), Message::user(user_message(&document))],
            schema: answer::schema(&alias::first(context.endpoints.len())),
            cuts,
        })
    }

    /// The length that the budget bounds.
    pub fn chars(&self) -> usize {
        self.messages
            .iter()
            .map(|message| message.content.chars().count())
            .sum()
    }

    /// SHA-256 in hex over messages and schema.
    pub fn digest(&self) -> String {
        let whole = json!({"messages": self.messages, "schema": self.schema});
        Sha256::digest(whole.to_string())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The same conversation with a rejected answer and what is wrong with it.
    pub fn repair(&self, rejected: &str, rejection: &Rejection) -> Vec<Message> {
        let mut messages = self.messages.clone();
        messages.push(Message::assistant(rejected));
        messages.push(Message::user(repair_message(rejection)));
        messages
    }
}

fn user_message(document: &str) -> String {
    format!("<situation>\n{document}\n</situation>\n\n{QUESTION}")
}

/// Violations told to the model in one round. More than this is no misunderstanding any more.
const MAX_TOLD_VIOLATIONS: usize = 50;

fn repair_message(rejection: &Rejection) -> String {
    let told = rejection.violations().iter().take(MAX_TOLD_VIOLATIONS);
    let lines: String = told
        .map(|violation| format!("- {}\n", escape(&violation.to_string())))
        .collect();
    format!(
        "Your answer cannot be used:\n{lines}\nGive the whole answer again as one JSON document, with all of this mended."
    )
}

/// Text in which no character can open or close a tag. In JSON it means the same as before.
fn escape(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
