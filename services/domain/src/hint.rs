//! A hint: a bounded, expiring instruction for one endpoint, by a planner or a person.

use std::time::Duration;

use crate::{
    ids::{EndpointId, HintId, PlanId},
    run::Source,
    time::Timestamp,
};

/// Who wrote a hint. A person's hint outranks a planner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Author {
    Person,
    Planner,
}

impl Author {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Planner => "planner",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "person" => Some(Self::Person),
            "planner" => Some(Self::Planner),
            _ => None,
        }
    }

    /// The source of runs that such an author causes.
    pub fn source(self) -> Source {
        match self {
            Self::Person => Source::MANUAL,
            Self::Planner => Source::AI_HINT,
        }
    }
}

/// What a hint asks for. Each author has at most one of each kind on an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction {
    /// Run at this gap. Kept as asked for; clamped when it applies.
    Interval(Duration),
    /// Run once at this time.
    OneShot(Timestamp),
    /// Do not run until the hint expires. Planners only: a person pauses the endpoint itself.
    Pause,
}

impl Instruction {
    /// The stored name of the kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Interval(_) => "interval",
            Self::OneShot(_) => "one-shot",
            Self::Pause => "pause",
        }
    }
}

/// An instruction in force until it expires, is used up, replaced or cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub id: HintId,
    pub endpoint_id: EndpointId,
    pub author: Author,
    pub instruction: Instruction,
    /// Kept when the same instruction is written again; only the expiry moves then.
    pub written_at: Timestamp,
    pub expires_at: Timestamp,
    pub reason: String,
    pub plan_id: Option<PlanId>,
    /// A one-shot that came due within its life while the endpoint was running: due until it runs or is cleared.
    pub held: bool,
}

impl Hint {
    /// The interval asked for, if that is what this hint is.
    pub fn interval(&self) -> Option<Duration> {
        match self.instruction {
            Instruction::Interval(interval) => Some(interval),
            Instruction::OneShot(_) | Instruction::Pause => None,
        }
    }

    /// The one-shot time, if that is what this hint is.
    pub fn one_shot(&self) -> Option<Timestamp> {
        match self.instruction {
            Instruction::OneShot(at) => Some(at),
            Instruction::Interval(_) | Instruction::Pause => None,
        }
    }

    /// True for a pause hint.
    pub fn is_pause(&self) -> bool {
        matches!(self.instruction, Instruction::Pause)
    }

    /// Same author and kind: writing one takes the place of the other.
    pub fn replaces(&self, other: &Self) -> bool {
        self.author == other.author && self.instruction.kind() == other.instruction.kind()
    }
}
