//! Who is asked about the cases: a real model, scripted proofs of the scorer, and scripted baselines.
//!
//! Scripted ones answer through the same prompt, parser, checks and repair round as a real model. Each says what it
//! knows beyond the prompt, and the report says it too: none may pass for a model.

mod keywords;
mod scripted;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use baton_proto::v1::PlanningContext;
use serde::Serialize;
use serde_json::Value;

use super::case::Case;
use crate::model::{Message, Model, ModelError, Reply, Usage};

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Behind a server.
    Model,
    /// Scripted, of known quality: shows that the scorer tells good from bad.
    ScriptedProof,
    /// Scripted: what is to be had without a model.
    ScriptedBaseline,
}

/// What it is told beyond the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    Nothing,
    /// Which endpoints are right, and not in which order: its other figures say nothing about it.
    Which,
    /// The truth of the case.
    Truth,
}

/// A case as it is put to a contestant.
pub struct Posed<'a> {
    pub case: &'a Case,
    pub context: PlanningContext,
    /// Differs between asks, and is the same in every evaluation.
    pub seed: u64,
}

/// Somebody who answers.
pub struct Contestant {
    pub name: String,
    pub kind: Kind,
    pub told: Told,
    answers: Answers,
}

enum Answers {
    Model(Arc<dyn Model>),
    Script(fn(&Posed<'_>) -> Value),
    /// Has nothing but the prompt.
    Prompt(Arc<dyn Model>),
}

impl Contestant {
    /// A real model.
    pub fn model(model: Arc<dyn Model>) -> Self {
        Self {
            name: model.name().to_owned(),
            kind: Kind::Model,
            told: Told::Nothing,
            answers: Answers::Model(model),
        }
    }

    /// Models of known quality, the best first.
    pub fn proofs() -> Vec<Self> {
        let proof = |name: &str, told, script| Self::scripted(name, Kind::ScriptedProof, told, script);
        vec![
            proof("perfect (oracle)", Told::Truth, scripted::perfect),
            proof("reversed", Told::Truth, scripted::reversed),
            proof("random", Told::Nothing, scripted::random),
            proof("always everything", Told::Nothing, scripted::everything),
            proof("never anything", Told::Nothing, scripted::nothing),
            proof("injected", Told::Truth, scripted::injected),
        ]
    }

    /// What a model should beat.
    pub fn baselines() -> Vec<Self> {
        let baseline = |name: &str, script| Self::scripted(name, Kind::ScriptedBaseline, Told::Which, script);
        vec![
            baseline("listing order", scripted::listing_order),
            baseline("random order", scripted::random_order),
            Self {
                name: "keyword rules".to_owned(),
                kind: Kind::ScriptedBaseline,
                told: Told::Nothing,
                answers: Answers::Prompt(Arc::new(keywords::KeywordRules)),
            },
        ]
    }

    fn scripted(name: &str, kind: Kind, told: Told, script: fn(&Posed<'_>) -> Value) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            told,
            answers: Answers::Script(script),
        }
    }

    /// The model that answers about this case.
    pub fn model_for(&self, posed: &Posed<'_>) -> Arc<dyn Model> {
        match &self.answers {
            Answers::Model(model) | Answers::Prompt(model) => Arc::clone(model),
            Answers::Script(script) => Arc::new(Prepared {
                text: script(posed).to_string(),
            }),
        }
    }

    pub fn is_scripted(&self) -> bool {
        self.kind != Kind::Model
    }
}

/// Says the same to every question.
struct Prepared {
    text: String,
}

#[async_trait]
impl Model for Prepared {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn ask(&self, _: &[Message], _: &Value, _: Duration) -> Result<Reply, ModelError> {
        Ok(Reply {
            text: self.text.clone(),
            usage: Usage::default(),
        })
    }
}
