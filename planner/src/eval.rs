//! How good are the answers? Scores models on scenario files, beside baselines and models of known quality.
//!
//! How to read it: [`case`] is a scenario file; [`contestant`] who answers, [`mod@examine`] how they are asked;
//! [`decision`], [`precedence`], [`tau`] and [`score`] what an answer is worth; [`interval`] and [`summary`] how sure that
//! is; [`report`] how it is told. The questions go through the planner's own prompt, parser, checks and repair round; no
//! scheduler is needed. Called by `baton-planner eval`.

pub mod case;
pub mod contestant;
pub mod decision;
pub mod examine;
pub mod interval;
pub mod options;
pub mod precedence;
pub mod report;
pub mod score;
pub mod summary;
pub mod tau;

use std::sync::Arc;

use serde::Serialize;

use self::{
    case::Case,
    contestant::{Contestant, Kind},
    examine::{Rules, examine},
    summary::Summary,
};
use crate::model::Model;

/// What an evaluation found: the document of `--json`.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    pub cases: usize,
    pub runs: u32,
    pub seed: u64,
    /// The real model first, if one was asked; then baselines and proofs.
    pub contestants: Vec<Summary>,
}

impl Evaluation {
    /// Whether there is a real model among the contestants.
    pub fn is_model_asked(&self) -> bool {
        self.contestants.iter().any(|one| one.kind == Kind::Model)
    }

    /// Whether a real model was asked and never answered.
    pub fn is_model_silent(&self) -> bool {
        let mut models = self.contestants.iter().filter(|one| one.kind == Kind::Model);
        models.any(Summary::is_without_answers)
    }
}

/// Puts all cases to the model, if there is one, and to every scripted contestant.
pub async fn evaluate(cases: &[Case], model: Option<Arc<dyn Model>>, rules: &Rules) -> Evaluation {
    let mut contestants: Vec<Contestant> = model.map(Contestant::model).into_iter().collect();
    contestants.extend(Contestant::baselines());
    contestants.extend(Contestant::proofs());
    let mut summaries = Vec::new();
    for contestant in &contestants {
        let examined = examine(contestant, cases, rules).await;
        summaries.push(Summary::of(contestant, cases, &examined));
    }
    Evaluation {
        cases: cases.len(),
        runs: rules.runs,
        seed: rules.seed,
        contestants: summaries,
    }
}

#[cfg(test)]
mod tests;
