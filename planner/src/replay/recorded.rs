//! Reads the context that the scheduler stored with a plan back into the message that BeginPlan gave.
//!
//! The stored document is written for people as much as for programs, so it has a form of its own. It holds everything
//! that a prompt is made of: the prompt of the context read back has the digest of the one that was asked.

use baton_proto::v1::{
    self as pb, AskDue, Cause, ContextEndpoint, ContextSale, FlashSaleState, HintAuthor, PlanState, PlanningContext,
    RunStatus, SignalChange, VerdictCode, endpoint::Baseline, hint::Instruction,
};
use prost_types::Timestamp;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::scale::{is_later, wire_duration};

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

impl Document {
    fn into_context(self) -> PlanningContext {
        let now = self.as_of.0;
        PlanningContext {
            job: Some(pb::Job {
                id: self.job.id,
                name: self.job.name,
                description: self.job.description,
                ..pb::Job::default()
            }),
            endpoints: self.endpoints.into_iter().map(Endpoint::into_context).collect(),
            sales: self.sales.into_iter().map(|sale| sale.into_context(now)).collect(),
            last_plan: self.last_plan.map(LastPlan::into_plan),
            suggestion: self.suggestion.map(Suggestion::into_plan),
            definition_revision: self.definition_revision,
            context_revision: self.context_revision,
            as_of_time: Some(now),
            ask: Some(AskDue {
                due_time: Some(now),
                reasons: self.ask_reasons,
            }),
            limits: Some(self.limits.into_limits(self.steps_left)),
            time_compression: self.time_compression,
            ..PlanningContext::default()
        }
    }
}

impl Limits {
    fn into_limits(self, steps_left: i32) -> pb::PlanLimits {
        pb::PlanLimits {
            max_steps: self.max_steps,
            max_waves: self.max_waves,
            max_step_delay: Some(micros(self.max_step_delay_us)),
            max_hint_ttl: Some(micros(self.max_hint_ttl_us)),
            min_review_after: Some(micros(self.min_review_after_us)),
            max_review_after: Some(micros(self.max_review_after_us)),
            steps_left,
        }
    }
}

impl Sale {
    fn into_context(self, now: Timestamp) -> ContextSale {
        let state = if !is_later(&self.ends_at.0, &now) {
            FlashSaleState::Ended
        } else if !is_later(&self.starts_at.0, &now) {
            FlashSaleState::Active
        } else {
            FlashSaleState::Scheduled
        };
        let change = |(time, name, value): (Time, String, Option<f64>)| SignalChange {
            name,
            value,
            time: Some(time.0),
        };
        ContextSale {
            flash_sale: Some(pb::FlashSale {
                id: self.id,
                name: self.name,
                description: self.description,
                phase: self.phase,
                start_time: Some(self.starts_at.0),
                end_time: Some(self.ends_at.0),
                signals: self.signals,
                state: state.into(),
                ..pb::FlashSale::default()
            }),
            changes: self.signal_changes.into_iter().map(change).collect(),
        }
    }
}

impl Endpoint {
    fn into_context(self) -> ContextEndpoint {
        let baseline = self.baseline.map(|baseline| match baseline {
            StoredBaseline::Interval { interval_us } => Baseline::Interval(micros(interval_us)),
            StoredBaseline::Cron { cron, time_zone } => Baseline::Cron(pb::CronSchedule {
                expression: cron,
                time_zone,
            }),
        });
        let pause = self.paused.then(|| pb::Pause {
            until: self.paused_until.map(|until| until.0),
        });
        let next_run = self.next_run_at.map(|planned| pb::PlannedRun {
            planned_time: Some(planned.0),
            due_time: self.next_run_due_at.map(|due| due.0),
            ..pb::PlannedRun::default()
        });
        ContextEndpoint {
            endpoint: Some(pb::Endpoint {
                id: self.id,
                name: self.name,
                description: self.description,
                baseline,
                min_interval: Some(micros(self.min_interval_us)),
                max_interval: self.max_interval_us.map(micros),
                cooldown: self.cooldown_us.map(micros),
                pause,
                failures: self.failures,
                hints: self.hints.into_iter().map(Hint::into_hint).collect(),
                next_run,
                ..pb::Endpoint::default()
            }),
            recent_runs: self.recent_runs.into_iter().map(Run::into_run).collect(),
            runs_in_sale: self.runs_in_sale,
            cooldown_end_time: self.cooldown_ends_at.map(|end| end.0),
        }
    }
}

impl Hint {
    fn into_hint(self) -> pb::Hint {
        let author = if self.author == "planner" {
            HintAuthor::Planner
        } else {
            HintAuthor::Person
        };
        let instruction = match (self.interval_us, self.at) {
            (Some(interval), _) => Instruction::Interval(micros(interval)),
            (None, Some(at)) => Instruction::OneShotTime(at.0),
            (None, None) => Instruction::Pause(()),
        };
        pb::Hint {
            id: self.id,
            author: author.into(),
            instruction: Some(instruction),
            expire_time: Some(self.expires_at.0),
            reason: self.reason,
            ..pb::Hint::default()
        }
    }
}

impl Run {
    fn into_run(self) -> pb::Run {
        pb::Run {
            id: self.id,
            source: self.source,
            cause: Cause::from_str_name(&proto_name("CAUSE", &self.cause))
                .unwrap_or_default()
                .into(),
            status: run_status(&self.status).into(),
            planned_time: Some(self.planned_at.0),
            start_time: self.started_at.map(|time| time.0),
            finish_time: self.finished_at.map(|time| time.0),
            status_code: self.status_code,
            error: self.error.unwrap_or_default(),
            response: self.response.unwrap_or_default().into_bytes(),
            ..pb::Run::default()
        }
    }
}

impl LastPlan {
    fn into_plan(self) -> pb::Plan {
        let step = |step: Step| pb::PlanStep {
            endpoint_id: step.endpoint_id,
            wave: step.wave,
            verdict: Some(pb::Verdict {
                code: VerdictCode::from_str_name(&proto_name("VERDICT_CODE", &step.verdict))
                    .unwrap_or_default()
                    .into(),
                ..pb::Verdict::default()
            }),
            run_status: step
                .status
                .map_or(RunStatus::Unspecified, |status| run_status(&status))
                .into(),
            ..pb::PlanStep::default()
        };
        pb::Plan {
            id: self.id,
            state: plan_state(&self.state).into(),
            rationale: self.rationale,
            create_time: Some(self.created_at.0),
            answer_time: self.answered_at.map(|time| time.0),
            steps: self.steps.into_iter().map(step).collect(),
            ..pb::Plan::default()
        }
    }
}

impl Suggestion {
    fn into_plan(self) -> pb::Plan {
        pb::Plan {
            id: self.id,
            state: plan_state(&self.state).into(),
            rationale: self.rationale,
            create_time: Some(self.created_at.0),
            answer_time: self.answered_at.map(|time| time.0),
            decision_reason: self.decision_reason,
            ..pb::Plan::default()
        }
    }
}

fn plan_state(word: &str) -> PlanState {
    PlanState::from_str_name(&proto_name("PLAN_STATE", word)).unwrap_or_default()
}

fn run_status(word: &str) -> RunStatus {
    RunStatus::from_str_name(&proto_name("RUN_STATUS", word)).unwrap_or_default()
}

/// `plan-step` is `CAUSE_PLAN_STEP`.
fn proto_name(prefix: &str, word: &str) -> String {
    format!("{prefix}_{}", word.to_uppercase().replace('-', "_"))
}

fn micros(micros: u64) -> prost_types::Duration {
    wire_duration(std::time::Duration::from_micros(micros))
}
