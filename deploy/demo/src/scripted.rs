//! The scripted model: a local HTTP server that speaks OpenAI chat completions and answers by a rule file.
//!
//! **It is not a language model.** It stands in for one in demonstrations and tests: the rule file holds what a language
//! model would take from the prose, and everything else (situation in, plan out) is what a real model gets and gives. It
//! keeps nothing between calls and knows no phase name, no expectation and no clock but what the prompt says.
//!
//! Read [`situation`] (what it sees), [`rules`] (what it goes by), [`answer`] (what it says) and `server` (how it is asked).

pub mod answer;
mod chat;
mod condition;
mod faults;
pub mod rules;
mod server;
pub mod situation;

pub use faults::{AnswerFault, Faults, SLOW_ANSWER};
pub use server::ScriptedModel;

/// The model name that it answers under, whatever it was asked for.
pub const MODEL_NAME: &str = "scripted-rules (not a language model)";
