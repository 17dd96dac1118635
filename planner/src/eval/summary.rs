//! From the answers of one contestant to its figures with their intervals, over all cases and by stratum. Pure.
//!
//! Serialises into the document of `--json`; `report` prints it as a table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    case::{Case, Stratum},
    contestant::{Contestant, Kind, Told},
    examine::{Asked, Examined},
    interval::{Estimate, mean, percentile},
    score::{Gate, Score},
};

/// One contestant's figures. A figure that nothing gave occasion for is absent.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub name: String,
    pub kind: Kind,
    /// What it knew beyond the prompt.
    pub told: Told,
    pub answers: usize,
    /// Share of answers that got through every gate.
    pub gates: Option<Estimate>,
    /// Answers by the gate that they failed.
    pub gate_failures: BTreeMap<Gate, usize>,
    /// Share of answers without a violated precedence.
    pub precedence: Option<Estimate>,
    pub precision: Option<Estimate>,
    pub recall: Option<Estimate>,
    /// Mean Kendall tau-b to the nearest allowed order.
    pub order_tau_b: Option<Estimate>,
    /// Share of answers that did nothing where nothing was to be done.
    pub do_nothing: Option<Estimate>,
    /// Mean similarity of the decisions when only the listing of the endpoints differs.
    pub stability: Option<Estimate>,
    /// Share of answers that obeyed injected text: less is better.
    pub attack_success: Option<Estimate>,
    pub score: Option<Estimate>,
    /// Mean of each answer, repair rounds included.
    pub input_tokens: Option<f64>,
    pub output_tokens: Option<f64>,
    /// Share of answers that needed the repair round.
    pub repaired: f64,
    /// In seconds, of each answer, repair rounds included. Only of real models.
    pub latency_p50_s: Option<f64>,
    pub latency_p95_s: Option<f64>,
    pub strata: BTreeMap<Stratum, Estimate>,
    pub cases: Vec<CaseSummary>,
}

/// One case of one contestant.
#[derive(Debug, Clone, Serialize)]
pub struct CaseSummary {
    pub name: String,
    pub stratum: Stratum,
    pub score: f64,
    pub stability: f64,
    /// In the order in which they were asked.
    pub answers: Vec<Score>,
}

impl Summary {
    /// Of the results for these cases, in the same order.
    pub fn of(contestant: &Contestant, cases: &[Case], examined: &[Examined]) -> Self {
        let figures = Figures { examined };
        let asked = || examined.iter().flat_map(|examined| &examined.answers);
        let latencies: Vec<f64> = asked().map(|asked| asked.latency.as_secs_f64()).collect();
        let of_model = |value: Option<f64>| value.filter(|_| !contestant.is_scripted());
        let repaired: Vec<f64> = asked().map(|asked| f64::from(u8::from(asked.requests > 1))).collect();
        Self {
            name: contestant.name.clone(),
            kind: contestant.kind,
            told: contestant.told,
            answers: asked().count(),
            gates: figures.share(|score| Some(f64::from(u8::from(score.gate == Gate::Passed)))),
            gate_failures: gate_failures(asked()),
            precedence: figures.share(|score| score.precedence),
            precision: figures.mean(|score| score.precision),
            recall: figures.mean(|score| score.recall),
            order_tau_b: figures.mean(|score| score.order),
            do_nothing: figures.share(|score| score.idle),
            stability: Estimate::mean(
                &examined
                    .iter()
                    .filter_map(|one| mean(&one.stability))
                    .collect::<Vec<_>>(),
            ),
            attack_success: figures.share(|score| score.attack),
            score: figures.mean(|score| Some(score.total)),
            input_tokens: of_model(mean_tokens(asked(), |asked| asked.usage.input_tokens)),
            output_tokens: of_model(mean_tokens(asked(), |asked| asked.usage.output_tokens)),
            repaired: mean(&repaired).unwrap_or_default(),
            latency_p50_s: of_model(percentile(&latencies, 0.50)),
            latency_p95_s: of_model(percentile(&latencies, 0.95)),
            strata: strata(cases, examined),
            cases: cases
                .iter()
                .zip(examined)
                .map(|(case, one)| case_summary(case, one))
                .collect(),
        }
    }

    /// Whether not a single answer came.
    pub fn is_without_answers(&self) -> bool {
        self.gate_failures.get(&Gate::NoAnswer).copied() == Some(self.answers)
    }
}

struct Figures<'a> {
    examined: &'a [Examined],
}

impl Figures<'_> {
    fn share(&self, figure: impl Fn(&Score) -> Option<f64>) -> Option<Estimate> {
        Estimate::share(&per_case(self.examined, figure))
    }

    fn mean(&self, figure: impl Fn(&Score) -> Option<f64>) -> Option<Estimate> {
        Estimate::mean(&per_case(self.examined, figure))
    }
}

/// The mean of a figure in every case whose answers have it.
fn per_case(examined: &[Examined], figure: impl Fn(&Score) -> Option<f64>) -> Vec<f64> {
    let of_case = |one: &Examined| {
        let values: Vec<f64> = one.answers.iter().filter_map(|asked| figure(&asked.score)).collect();
        mean(&values)
    };
    examined.iter().filter_map(of_case).collect()
}

fn gate_failures<'a>(asked: impl Iterator<Item = &'a Asked>) -> BTreeMap<Gate, usize> {
    let mut failures = BTreeMap::new();
    for asked in asked.filter(|asked| asked.score.gate != Gate::Passed) {
        *failures.entry(asked.score.gate).or_default() += 1;
    }
    failures
}

fn mean_tokens<'a>(asked: impl Iterator<Item = &'a Asked>, tokens: impl Fn(&Asked) -> u64) -> Option<f64> {
    let counts: Vec<f64> = asked.map(|asked| tokens(asked) as f64).collect();
    mean(&counts)
}

fn strata(cases: &[Case], examined: &[Examined]) -> BTreeMap<Stratum, Estimate> {
    let estimate = |stratum: Stratum| {
        let pairs = cases.iter().zip(examined).filter(|(case, _)| case.stratum == stratum);
        let scores: Vec<f64> = pairs.filter_map(|(_, one)| total_of(one)).collect();
        Some((stratum, Estimate::mean(&scores)?))
    };
    Stratum::ALL.into_iter().filter_map(estimate).collect()
}

fn total_of(one: &Examined) -> Option<f64> {
    mean(&one.answers.iter().map(|asked| asked.score.total).collect::<Vec<_>>())
}

fn case_summary(case: &Case, one: &Examined) -> CaseSummary {
    CaseSummary {
        name: case.name.clone(),
        stratum: case.stratum,
        score: total_of(one).unwrap_or_default(),
        stability: mean(&one.stability).unwrap_or_default(),
        answers: one.answers.iter().map(|asked| asked.score.clone()).collect(),
    }
}
