//! What a model may answer: the types, and the strict JSON schema that asks for them.
//!
//! [`read`] turns text into an [`Answer`]; whether what it says is allowed is [`crate::check`]'s business. Durations are
//! in seconds as shown to the model, endpoints are aliases.

mod read;

pub use read::read;
use serde::Serialize;
use serde_json::{Value, json};

/// Above this many endpoints the schema leaves the aliases open: servers bound the number of enum values.
const MAX_ENUM_ALIASES: usize = 100;

/// The answer as given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    pub assessment: String,
    pub steps: Vec<Step>,
    pub hints: Vec<Hint>,
    pub review_after_s: f64,
}

/// One run that the model wants.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub endpoint: String,
    pub wave: i64,
    pub delay_s: f64,
    pub reason: String,
}

/// One hint that the model wants in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hint {
    pub endpoint: String,
    pub kind: HintKind,
    pub seconds: f64,
    pub ttl_s: f64,
    pub reason: String,
}

/// What a hint does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HintKind {
    Interval,
    OneShot,
    Pause,
}

impl HintKind {
    /// Every kind, with the word for it in answers and prompts.
    pub const ALL: [(Self, &str); 3] = [
        (Self::Interval, "interval"),
        (Self::OneShot, "one_shot"),
        (Self::Pause, "pause"),
    ];

    /// The word for it in answers and prompts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Interval => "interval",
            Self::OneShot => "one_shot",
            Self::Pause => "pause",
        }
    }
}

/// The strict schema of an answer about these endpoints: every property required, no other allowed.
pub fn schema(aliases: &[String]) -> Value {
    let endpoint = alias_schema(aliases);
    let step = object(json!({
        "endpoint": endpoint,
        "wave": {"type": "integer"},
        "delay_s": {"type": "number"},
        "reason": {"type": "string"},
    }));
    let hint = object(json!({
        "endpoint": endpoint,
        "kind": {"type": "string", "enum": HintKind::ALL.map(|(_, word)| word)},
        "seconds": {"type": "number"},
        "ttl_s": {"type": "number"},
        "reason": {"type": "string"},
    }));
    object(json!({
        "assessment": {"type": "string"},
        "steps": {"type": "array", "items": step},
        "hints": {"type": "array", "items": hint},
        "review_after_s": {"type": "number"},
    }))
}

fn alias_schema(aliases: &[String]) -> Value {
    let listed = (1..=MAX_ENUM_ALIASES).contains(&aliases.len());
    if listed {
        json!({"type": "string", "enum": aliases})
    } else {
        json!({"type": "string"})
    }
}

fn object(properties: Value) -> Value {
    let required: Vec<String> = properties
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys().cloned())
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

#[cfg(test)]
mod tests;
