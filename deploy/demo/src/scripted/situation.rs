//! What the scripted model reads from a prompt: the part of the `<situation>` document that rules can ask about.
//!
//! The document is the planner's; all durations in it are seconds of model time. Fields that no rule may look at are not
//! read: above all a sale's `phase`, which would give the answer away. A document that had to be shortened leaves out
//! what is null, zero, false or empty, so such fields have defaults.

use std::collections::BTreeMap;

use serde::Deserialize;

const OPEN: &str = "<situation>";
const CLOSE: &str = "</situation>";

/// Why a message holds no situation.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The block is missing, or there is more than one.
    #[error("the last user message must hold exactly one {OPEN} block, but it holds {0}")]
    Blocks(usize),
    /// The block is not the expected document.
    #[error("the {OPEN} block cannot be read: {field}: {reason}")]
    Malformed {
        /// Path of the field.
        field: String,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
}

/// Everything a rule may depend on.
#[derive(Debug, Clone, Deserialize)]
pub struct Situation {
    /// The sales that concern the job, ended ones included.
    #[serde(default)]
    pub sales: Vec<Sale>,
    /// The job's endpoints.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// The last answered plan.
    pub last_plan: Option<LastPlan>,
}

/// A sale and its signals.
#[derive(Debug, Clone, Deserialize)]
pub struct Sale {
    /// Age of the sale.
    #[serde(default)]
    pub seconds_since_start: f64,
    /// Not above zero once it has ended.
    #[serde(default)]
    pub seconds_left: f64,
    /// Current values.
    #[serde(default)]
    pub signals: BTreeMap<String, f64>,
    /// What they were before, in any order.
    #[serde(default)]
    pub signal_changes: Vec<SignalChange>,
}

/// A signal took a value.
#[derive(Debug, Clone, Deserialize)]
pub struct SignalChange {
    /// Signal name.
    pub name: String,
    /// `None` when the signal was removed.
    pub value: Option<f64>,
    /// How long ago.
    #[serde(default)]
    pub seconds_ago: f64,
}

/// An endpoint under the alias that the answer must use.
#[derive(Debug, Clone, Deserialize)]
pub struct Endpoint {
    /// Name within this prompt.
    pub alias: String,
    /// Name as the user gave it; rules are about this one.
    pub name: String,
    /// Paused by a person.
    #[serde(default)]
    pub paused: bool,
    /// Present and above zero while the cooldown refuses steps.
    pub cooldown_left_s: Option<f64>,
    /// Runs that started, planned for the start of the earliest active sale or later.
    #[serde(default)]
    pub runs_in_sale: u32,
    /// The last few that started, the last planned first.
    #[serde(default)]
    pub recent_runs: Vec<RecentRun>,
}

/// A run that started.
#[derive(Debug, Clone, Deserialize)]
pub struct RecentRun {
    /// `running`, `succeeded` or `failed`.
    pub status: String,
    /// Since its start.
    #[serde(default)]
    pub seconds_ago: f64,
    /// What was kept of the response body; may end anywhere.
    #[serde(default)]
    pub response: String,
}

/// The last answered plan.
#[derive(Debug, Clone, Deserialize)]
pub struct LastPlan {
    /// `running` while steps of it may still start.
    pub state: String,
    /// Its steps, in order.
    #[serde(default)]
    pub steps: Vec<LastStep>,
}

/// A step of the last plan.
#[derive(Debug, Clone, Deserialize)]
pub struct LastStep {
    /// Alias of its endpoint.
    pub endpoint: String,
    /// `accepted`, or why not.
    pub verdict: String,
    /// How its run stands; empty or absent before it exists.
    pub outcome: Option<String>,
}

impl Situation {
    /// Takes the situation out of a user message.
    ///
    /// # Errors
    /// When there is not exactly one block, or it is not the expected document.
    pub fn from_message(message: &str) -> Result<Self, Error> {
        let blocks = message.matches(OPEN).count();
        let Some((_, rest)) = message.split_once(OPEN) else {
            return Err(Error::Blocks(0));
        };
        let Some((document, _)) = rest.split_once(CLOSE) else {
            return Err(Error::Blocks(0));
        };
        if blocks != 1 {
            return Err(Error::Blocks(blocks));
        }
        let mut json = serde_json::Deserializer::from_str(document);
        serde_path_to_error::deserialize(&mut json).map_err(|error| Error::Malformed {
            field: error.path().to_string(),
            reason: error.into_inner(),
        })
    }

    /// The endpoint with this name.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// True while a run of the endpoint is running, or an accepted step of the last plan still has to start one.
    pub fn is_under_way(&self, endpoint: &Endpoint) -> bool {
        let running = endpoint.recent_runs.iter().any(|run| run.status == "running");
        let last_plan = self.last_plan.iter().filter(|plan| plan.state == "running");
        let pending = last_plan
            .flat_map(|plan| &plan.steps)
            .any(|step| step.endpoint == endpoint.alias && step.is_pending());
        running || pending
    }
}

impl Sale {
    /// True between its start and its end.
    pub fn is_active(&self) -> bool {
        self.seconds_since_start >= 0.0 && self.seconds_left > 0.0
    }
}

impl RecentRun {
    /// True when the run is over, well or badly.
    pub fn is_over(&self) -> bool {
        self.status == "succeeded" || self.status == "failed"
    }
}

impl LastStep {
    fn is_pending(&self) -> bool {
        let over = ["succeeded", "failed", "cancelled", "skipped"];
        let outcome = self.outcome.as_deref().unwrap_or_default();
        matches!(self.verdict.as_str(), "accepted" | "clamped") && !over.iter().any(|word| outcome.starts_with(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = r#"<situation>{"sales":[],"endpoints":[],"last_plan":null,"job":{"name":"j"}}</situation>"#;

    #[test]
    fn exactly_one_block_is_needed() {
        assert!(Situation::from_message(&format!("Plan this:\n{EMPTY}\nThank you.")).is_ok());
        assert!(matches!(Situation::from_message("no situation"), Err(Error::Blocks(0))));
        assert!(matches!(
            Situation::from_message("<situation>{}"),
            Err(Error::Blocks(0))
        ));
        assert!(matches!(
            Situation::from_message(&format!("{EMPTY}{EMPTY}")),
            Err(Error::Blocks(2))
        ));
    }

    #[test]
    fn a_missing_field_is_named_unless_it_may_be_left_out() {
        let message = |endpoint: &str| format!(r#"<situation>{{"endpoints":[{endpoint}]}}</situation>"#);
        let error = Situation::from_message(&message(r#"{"name":"probe"}"#))
            .unwrap_err()
            .to_string();
        assert!(error.contains("endpoints[0]") && error.contains("alias"), "{error}");
        let shortened = Situation::from_message(&message(r#"{"alias":"e1","name":"probe"}"#)).unwrap();
        assert!(!shortened.endpoints[0].paused && shortened.sales.is_empty());
    }

    #[test]
    fn escaped_angle_brackets_inside_are_data() {
        let document = EMPTY.replace(r#""endpoints":[]"#, r#""endpoints":[{"alias":"e1","name":"\u003c/situation\u003e","paused":false,"cooldown_left_s":null,"runs_in_sale":0,"recent_runs":[]}]"#);
        let situation = Situation::from_message(&document).unwrap();
        assert_eq!(situation.endpoints[0].name, "</situation>");
    }
}
