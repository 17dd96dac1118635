//! A plan: the audited record of one ask of the model for one job. A job's planning state is beside it.

mod planning;

pub use planning::{AskDue, JobPlanning, PLANNER_STOPPED, reason};

use std::time::Duration;

use crate::{
    hint::Instruction,
    ids::{EndpointId, JobId, PlanId, RunId, UserId},
    run::stored_enum,
    time::Timestamp,
};

stored_enum!(
    /// Where a plan stands. Only the first three change any more.
    PlanState {
        Asking => "asking",
        Suggested => "suggested",
        Running => "running",
        Completed => "completed",
        Stopped => "stopped",
        Superseded => "superseded",
        Refused => "refused",
        Failed => "failed",
        Expired => "expired",
        Observed => "observed",
        Rejected => "rejected",
    }
);

impl PlanState {
    /// True once an answer has been recorded and judged, whatever came of it: the same answer again changes nothing.
    pub fn is_answered(self) -> bool {
        match self {
            Self::Asking | Self::Failed | Self::Expired => false,
            Self::Suggested
            | Self::Running
            | Self::Completed
            | Self::Stopped
            | Self::Superseded
            | Self::Refused
            | Self::Observed
            | Self::Rejected => true,
        }
    }
}

stored_enum!(
    /// What the scheduler decided about a step or a hint.
    VerdictCode {
        Accepted => "accepted",
        Clamped => "clamped",
        Cooldown => "cooldown",
        Budget => "budget",
        Paused => "paused",
        Starve => "starve",
        OutOfRange => "out-of-range",
        Archived => "archived",
        UnknownEndpoint => "unknown-endpoint",
        Duplicate => "duplicate",
        TooMany => "too-many",
    }
);

/// A decision with the bound it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub code: VerdictCode,
    pub message: String,
    /// When the same would be accepted.
    pub until: Option<Timestamp>,
}

impl Verdict {
    pub fn accepted() -> Self {
        Self {
            code: VerdictCode::Accepted,
            message: String::new(),
            until: None,
        }
    }

    pub fn new(code: VerdictCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            until: None,
        }
    }

    /// True when it is in force, with this or another value.
    pub fn is_accepted(&self) -> bool {
        matches!(self.code, VerdictCode::Accepted | VerdictCode::Clamped)
    }
}

/// One run that a plan wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    /// From 1, in the order given.
    pub step: u32,
    /// From 1.
    pub wave: u32,
    pub endpoint_id: EndpointId,
    /// After the start of its wave.
    pub delay: Duration,
    pub reason: String,
    pub verdict: Verdict,
    /// Present once its wave has started.
    pub run_id: Option<RunId>,
}

/// One hint that a plan wants in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHint {
    pub endpoint_id: EndpointId,
    pub wish: HintWish,
    /// Ignored for a pause.
    pub ttl: Duration,
    pub reason: String,
    pub verdict: Verdict,
}

/// What a plan's hint asks for; times are relative because a model knows no clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintWish {
    Interval(Duration),
    OneShotAfter(Duration),
    PauseFor(Duration),
}

impl HintWish {
    /// The stored name of the kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Interval(_) => "interval",
            Self::OneShotAfter(_) => "one-shot",
            Self::PauseFor(_) => "pause",
        }
    }

    pub fn duration(self) -> Duration {
        match self {
            Self::Interval(duration) | Self::OneShotAfter(duration) | Self::PauseFor(duration) => duration,
        }
    }

    /// Reads the stored form.
    pub fn parse(kind: &str, duration: Duration) -> Option<Self> {
        match kind {
            "interval" => Some(Self::Interval(duration)),
            "one-shot" => Some(Self::OneShotAfter(duration)),
            "pause" => Some(Self::PauseFor(duration)),
            _ => None,
        }
    }

    /// The instruction as of `now`.
    pub fn instruction(self, now: Timestamp) -> Instruction {
        match self {
            Self::Interval(interval) => Instruction::Interval(interval),
            Self::OneShotAfter(delay) => Instruction::OneShot(crate::time::after(now, delay)),
            Self::PauseFor(_) => Instruction::Pause,
        }
    }
}

/// What one ask of the model was and cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelCall {
    pub model: String,
    /// SHA-256 in hex.
    pub prompt_digest: String,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub latency: Duration,
    /// Requests sent, repair rounds included.
    pub requests: u32,
    /// As it came, capped.
    pub raw_answer: String,
    /// Estimated by the planner from its price settings, in millionths of their currency's unit.
    pub cost_micros: Option<u64>,
}

impl ModelCall {
    /// What counts against the user's budget.
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// The record of one ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    pub id: PlanId,
    pub job_id: JobId,
    pub user_id: UserId,
    pub state: PlanState,
    pub definition_revision: i64,
    pub context_revision: i64,
    pub ask_reasons: Vec<String>,
    pub replaces: Option<PlanId>,
    pub planner: String,
    pub lease_until: Timestamp,
    pub steps: Vec<PlanStep>,
    pub hints: Vec<PlanHint>,
    pub rationale: String,
    /// The wave under way; 0 before any.
    pub wave: u32,
    pub waves: u32,
    pub call: ModelCall,
    /// For refused and failed plans, in kebab-case.
    pub verdict: String,
    pub detail: String,
    pub created_at: Timestamp,
    pub answered_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub review_at: Option<Timestamp>,
    /// SHA-256 of `context`, in hex.
    pub context_digest: String,
    /// The context as the model saw it: a JSON document.
    pub context: String,
    /// Steps and one-shots that count against the job's budget.
    pub charged: u32,
    /// When a person approved or rejected it, and why.
    pub decided_at: Option<Timestamp>,
    pub decision_reason: String,
}

impl Plan {
    /// True once a person has approved it.
    pub fn is_approved(&self) -> bool {
        self.decided_at.is_some() && self.state != PlanState::Rejected
    }

    /// Ends the plan.
    pub fn close(&mut self, state: PlanState, now: Timestamp) {
        self.state = state;
        self.ended_at = Some(now);
    }

    /// The first wave after the current one that has an accepted step.
    pub fn next_wave(&self) -> Option<u32> {
        self.steps
            .iter()
            .filter(|step| step.wave > self.wave && step.verdict.is_accepted())
            .map(|step| step.wave)
            .min()
    }
}
