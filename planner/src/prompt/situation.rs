//! The document that the model reads. Field names and order are a contract with everything that parses a prompt.
//!
//! Built by `assemble`, shortened by `budget`. Times are shown seconds, rounded to milliseconds.

use serde::{Serialize, Serializer};

/// A number that is written without a fraction where it has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(f64);

impl Number {
    /// As given: a signal's value.
    pub fn exact(value: f64) -> Self {
        Self(value)
    }

    /// Seconds, rounded to milliseconds.
    pub fn seconds(value: f64) -> Self {
        Self((value * 1_000.0).round() / 1_000.0)
    }

    /// Seconds, rounded to milliseconds, not below zero.
    pub fn seconds_from_zero(value: f64) -> Self {
        Self::seconds(value.max(0.0))
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if self.0.fract() == 0.0 && self.0.abs() < EXACT {
            return serializer.serialize_i64(self.0 as i64);
        }
        serializer.serialize_f64(self.0)
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Situation {
    pub job: JobView,
    pub asked_because: Vec<String>,
    pub sales: Vec<SaleView>,
    pub endpoints: Vec<EndpointView>,
    pub last_plan: Option<PlanView>,
    /// Only where people decide on answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<SuggestionView>,
    pub limits: LimitsView,
}

#[derive(Debug, Clone, Serialize)]
pub struct JobView {
    pub name: String,
    pub description: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct SaleView {
    pub name: String,
    pub description: String,
    pub phase: String,
    pub seconds_since_start: Number,
    pub seconds_left: Number,
    /// In order of name, so that one situation always makes one prompt.
    pub signals: std::collections::BTreeMap<String, Number>,
    /// Oldest first.
    pub signal_changes: Vec<SignalChangeView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct SignalChangeView {
    pub name: String,
    pub value: Option<Number>,
    pub seconds_ago: Number,
}

#[derive(Debug, Clone, Serialize)]
pub struct EndpointView {
    pub alias: String,
    pub name: String,
    pub description: String,
    pub schedule: String,
    pub min_interval_s: Number,
    pub max_interval_s: Option<Number>,
    pub cooldown_s: Option<Number>,
    pub cooldown_left_s: Option<Number>,
    pub paused: bool,
    pub failures: i32,
    pub hints: Vec<HintView>,
    pub next_run_in_s: Option<Number>,
    pub runs_in_sale: i32,
    /// The last planned first.
    pub recent_runs: Vec<RunView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct HintView {
    pub kind: &'static str,
    pub seconds: Option<Number>,
    pub expires_in_s: Number,
    pub by: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    pub source: String,
    pub cause: String,
    pub status: String,
    pub seconds_ago: Number,
    pub status_code: Option<i32>,
    pub response: String,
    pub error: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    pub seconds_ago: Number,
    pub state: String,
    pub assessment: String,
    pub steps: Vec<StepView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    pub endpoint: String,
    pub wave: i32,
    pub verdict: String,
    pub outcome: String,
}

/// An answer that was put before a person.
#[derive(Debug, Clone, Serialize)]
pub struct SuggestionView {
    pub seconds_ago: Number,
    pub state: String,
    pub assessment: String,
    pub person_said: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct LimitsView {
    pub max_steps: usize,
    pub max_waves: i64,
    pub max_step_delay_s: Number,
    pub max_hint_ttl_s: Number,
    pub review_after_min_s: Number,
    pub review_after_max_s: Number,
    pub steps_left: i32,
}
