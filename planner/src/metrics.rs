//! What the planner counts, through the global OpenTelemetry meter. Without an exporter this costs nothing.

use std::time::Duration;

use opentelemetry::{
    KeyValue, global,
    metrics::{Counter, Histogram},
};

use crate::{ask::ModelHealth, model::Usage};

/// The planner's instruments. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    asks: Counter<u64>,
    verdicts: Counter<u64>,
    tokens: Counter<u64>,
    cost: Counter<f64>,
    budget_refusals: Counter<u64>,
    step_verdicts: Counter<u64>,
    prompt_chars: Histogram<u64>,
    prompt_cuts: Counter<u64>,
    model_latency: Histogram<f64>,
    waves: Counter<u64>,
    circuit_openings: Counter<u64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let meter = global::meter("baton-planner");
        Self {
            asks: meter
                .u64_counter("baton.planner.asks")
                .with_description("Asks begun.")
                .build(),
            verdicts: meter
                .u64_counter("baton.planner.verdicts")
                .with_description("Asks ended, by verdict.")
                .build(),
            tokens: meter
                .u64_counter("baton.planner.tokens")
                .with_description("Tokens used, by direction.")
                .build(),
            cost: meter
                .f64_counter("baton.planner.cost")
                .with_description("Estimated cost of tokens, in the unit of the price settings.")
                .build(),
            budget_refusals: meter
                .u64_counter("baton.planner.budget.refusals")
                .with_description("Asks not begun because a budget was used up, by the scheduler's reason.")
                .build(),
            step_verdicts: meter
                .u64_counter("baton.planner.step.verdicts")
                .with_description("Steps handed in, by what the scheduler decided; `budget` is the job's hourly one.")
                .build(),
            prompt_chars: meter
                .u64_histogram("baton.planner.prompt.length")
                .with_unit("{character}")
                .with_description("Length of prompts, instructions included.")
                .build(),
            prompt_cuts: meter
                .u64_counter("baton.planner.prompt.cuts")
                .with_description("Prompts that were cut to fit their budget.")
                .build(),
            model_latency: meter
                .f64_histogram("baton.planner.model.latency")
                .with_unit("s")
                .with_description("Time that an ask waited for the model, repair rounds included, by outcome.")
                .build(),
            waves: meter
                .u64_counter("baton.planner.waves")
                .with_description("Further waves started.")
                .build(),
            circuit_openings: meter
                .u64_counter("baton.planner.circuit.openings")
                .with_description("Times that the circuit to the model opened.")
                .build(),
        }
    }
}

impl Metrics {
    pub fn ask(&self) {
        self.asks.add(1, &[]);
    }

    pub fn verdict(&self, verdict: &'static str) {
        self.verdicts.add(1, &[KeyValue::new("verdict", verdict)]);
    }

    pub fn tokens(&self, usage: Usage) {
        self.tokens
            .add(usage.input_tokens, &[KeyValue::new("direction", "input")]);
        self.tokens
            .add(usage.output_tokens, &[KeyValue::new("direction", "output")]);
    }

    pub fn cost(&self, micros: i64) {
        self.cost.add(micros as f64 / 1e6, &[]);
    }

    /// `budget` is the reason of the scheduler's refusal.
    pub fn budget_refusal(&self, budget: String) {
        self.budget_refusals.add(1, &[KeyValue::new("budget", budget)]);
    }

    pub fn step_verdict(&self, verdict: &'static str) {
        self.step_verdicts.add(1, &[KeyValue::new("verdict", verdict)]);
    }

    pub fn prompt(&self, chars: usize, cut: bool) {
        self.prompt_chars.record(u64::try_from(chars).unwrap_or(u64::MAX), &[]);
        self.prompt_cuts.add(u64::from(cut), &[]);
    }

    pub fn model_latency(&self, latency: Duration, health: ModelHealth) {
        let outcome = match health {
            ModelHealth::Healthy => "usable",
            ModelHealth::Failing(_) => "failed",
            ModelHealth::Unknown => return,
        };
        self.model_latency
            .record(latency.as_secs_f64(), &[KeyValue::new("outcome", outcome)]);
    }

    pub fn wave(&self) {
        self.waves.add(1, &[]);
    }

    pub fn circuit_opened(&self) {
        self.circuit_openings.add(1, &[]);
    }
}
