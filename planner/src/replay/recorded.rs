//! Reads the context that the scheduler stored with a plan back into the message that BeginPlan gave.
//!
//! The stored document is written for people as much as for programs, so it has a form of its own. It holds everything
//! that a prompt is made of: the prompt of the context read back has the digest of the one that was asked.

mod convert;

use baton_proto::v1::PlanningContext;
use prost_types::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

/// The document cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("the context was too large to be stored")]
    Omitted,
    #[error("the stored context is not of the known form: {path}: {reason}")]
    Form { path: String, reason: String },
}

/// The context in a stored document.
///
/// # Errors
/// When the document is only a note that the context was too large, or not of the known form.
pub fn read(document: &str) -> Result<PlanningContext, Unreadable> {
    if serde_json::from_str::<Note>(document).is_ok() {
        return Err(Unreadable::Omitted);
    }
    let mut reader = serde_json::Deserializer::from_str(document);
    let document: Document = serde_path_to_error::deserialize(&mut reader).map_err(|error| Unreadable::Form {
        path: error.path().to_string(),
        reason: error.inner().to_string(),
    })?;
    Ok(document.into_context())
}

/// What stands in the place of a context that is too large.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    #[serde(rename = "omitted")]
    _omitted: String,
}

#[derive(Deserialize)]
struct Document {
    as_of: Time,
    job: Job,
    definition_revision: i64,
    context_revision: i64,
    ask_reasons: Vec<String>,
    time_compression: f64,
    steps_left: i32,
    limits: Limits,
    sales: Vec<Sale>,
    endpoints: Vec<Endpoint>,
    last_plan: Option<LastPlan>,
    suggestion: Option<Suggestion>,
}

#[derive(Deserialize)]
struct Job {
    id: String,
    name: String,
    description: String,
}

#[derive(Deserialize)]
struct Limits {
    max_steps: i32,
    max_waves: i32,
    max_step_delay_us: u64,
    max_hint_ttl_us: u64,
    min_review_after_us: u64,
    max_review_after_us: u64,
}

#[derive(Deserialize)]
struct Sale {
    id: String,
    name: String,
    description: String,
    starts_at: Time,
    ends_at: Time,
    phase: String,
    signals: std::collections::HashMap<String, f64>,
    signal_changes: Vec<(Time, String, Option<f64>)>,
}

#[derive(Deserialize)]
struct Endpoint {
    id: String,
    name: String,
    description: String,
    baseline: Option<StoredBaseline>,
    min_interval_us: u64,
    max_interval_us: Option<u64>,
    cooldown_us: Option<u64>,
    cooldown_ends_at: Option<Time>,
    paused: bool,
    paused_until: Option<Time>,
    failures: i32,
    hints: Vec<Hint>,
    next_run_at: Option<Time>,
    next_run_due_at: Option<Time>,
    runs_in_sale: i32,
    recent_runs: Vec<Run>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StoredBaseline {
    Cron { cron: String, time_zone: String },
    Interval { interval_us: u64 },
}

#[derive(Deserialize)]
struct Hint {
    id: String,
    author: String,
    interval_us: Option<u64>,
    at: Option<Time>,
    expires_at: Time,
    reason: String,
}

#[derive(Deserialize)]
struct Run {
    id: String,
    source: String,
    cause: String,
    status: String,
    planned_at: Time,
    started_at: Option<Time>,
    finished_at: Option<Time>,
    status_code: Option<i32>,
    error: Option<String>,
    response: Option<String>,
}

#[derive(Deserialize)]
struct LastPlan {
    id: String,
    state: String,
    rationale: String,
    created_at: Time,
    answered_at: Option<Time>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Suggestion {
    id: String,
    state: String,
    rationale: String,
    created_at: Time,
    answered_at: Option<Time>,
    decision_reason: String,
}

#[derive(Deserialize)]
struct Step {
    endpoint_id: String,
    wave: i32,
    verdict: String,
    status: Option<String>,
}

/// An instant in RFC 3339.
#[derive(Clone, Copy)]
struct Time(Timestamp);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = text
            .parse()
            .map_err(|_| D::Error::custom(format!("`{text}` is not a time in RFC 3339")))?;
        Ok(Self(time))
    }
}
