//! The rule file: for each endpoint description, the condition and the action that a language model would read in it.
//!
//! Rules speak of endpoints by name and of signals, results and times as the prompt shows them. The file is JSON; unknown
//! fields are refused, so that a misspelt rule is not silently ignored.

use serde::Deserialize;

/// The rules for flash sales, as in `rules/flash-sale.json`.
pub const FLASH_SALE: &str = include_str!("../../rules/flash-sale.json");

/// A whole rule file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// What the file is, for the reader.
    pub about: Vec<String>,
    /// When to be asked again at the latest.
    pub review_after_s: f64,
    /// In the order in which steps and hints are given.
    pub rules: Vec<Rule>,
}

/// What one sentence of a description asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Name of the endpoint.
    pub endpoint: String,
    /// The words of the description that the rule was taken from, for the reader.
    pub from: String,
    /// When to act.
    pub when: Condition,
    /// What to do.
    pub then: Action,
    /// Given as the step's or hint's reason.
    pub reason: String,
}

/// Something that is true or false of a situation. "In this sale" means started since the sale did, as far as the prompt
/// shows it (the last five runs of each endpoint).
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A signal is, or has stayed, beyond a bound.
    Signal(SignalTest),
    /// A response of an endpoint in this sale has a list with an entry in it.
    Listed(Listed),
    /// A run of the endpoint has ended in this sale, well or badly.
    Tried(Tried),
    /// A run of the named endpoint has succeeded in this sale.
    Succeeded(String),
    /// A run of the endpoint has started since the signal went beyond its bound.
    StartedSince(StartedSince),
    /// The endpoint has had fewer runs than this in this sale.
    RunsInSale(RunsInSale),
    /// No cooldown refuses steps on the named endpoint.
    CooldownOver(String),
}

/// A signal compared with a bound.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalTest {
    /// Signal name.
    pub name: String,
    /// The bound.
    pub is: Bound,
    /// For how long without a break; absent means now.
    #[serde(default)]
    pub for_s: f64,
}

/// One side of a number, the number itself not included.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Greater than.
    Above(f64),
    /// Less than.
    Below(f64),
}

impl Bound {
    /// True when the value is on this side.
    pub fn admits(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
        }
    }
}

/// See [`Condition::Listed`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Whose response.
    pub endpoint: String,
    /// Name of the list at the top of the JSON response.
    pub field: String,
    /// Only entries that start like this; empty means any.
    #[serde(default)]
    pub starting_with: String,
}

/// See [`Condition::Tried`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Endpoint name.
    pub endpoint: String,
    /// The first such run started at least this long ago.
    #[serde(default)]
    pub at_least_s_ago: f64,
}

/// See [`Condition::StartedSince`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartedSince {
    /// Endpoint name.
    pub endpoint: String,
    /// Since this began to hold.
    pub signal: SignalTest,
}

/// See [`Condition::RunsInSale`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunsInSale {
    /// Endpoint name.
    pub endpoint: String,
    /// Fewer than this.
    pub below: u32,
}

/// What to put into the answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// A hint to run at this interval.
    Interval {
        /// The interval.
        seconds: f64,
        /// Lifetime of the hint; every later answer that repeats it starts it anew.
        ttl_s: f64,
    },
    /// A hint not to run.
    Pause {
        /// For how long.
        seconds: f64,
    },
    /// One run, unless one is already under way or a person has paused the endpoint.
    Step {
        /// Steps of a wave run together; a later wave waits for the earlier ones to succeed.
        wave: u32,
        /// After the start of the wave.
        #[serde(default)]
        delay_s: f64,
    },
}

/// Why a rule file cannot be used: the path of the field, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Error {
    field: String,
    reason: serde_json::Error,
}

impl RuleFile {
    /// Parses a rule file.
    ///
    /// # Errors
    /// When it is not JSON or not of this format.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        serde_path_to_error::deserialize(&mut json).map_err(|error| Error {
            field: error.path().to_string(),
            reason: error.into_inner(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{self, Scenario};

    #[test]
    fn the_projects_rules_are_about_the_projects_endpoints_and_quote_them() {
        let rules = RuleFile::parse(FLASH_SALE).unwrap();
        let scenarios = [scenario::FLASH_SALE, scenario::FLASH_SALE_NO_RECOVERY];
        for scenario in scenarios.map(|text| Scenario::parse(text, "scenario").unwrap()) {
            for rule in &rules.rules {
                let endpoint = scenario.endpoint(&rule.endpoint).unwrap();
                assert!(
                    endpoint.description.contains(&rule.from),
                    "{}: {}",
                    rule.endpoint,
                    rule.from
                );
            }
            for endpoint in &scenario.endpoints {
                assert!(
                    rules.rules.iter().any(|rule| rule.endpoint == endpoint.name),
                    "no rule for {}",
                    endpoint.name
                );
            }
        }
    }

    #[test]
    fn the_projects_rules_know_no_phase_of_the_scenario() {
        let sale = Scenario::parse(scenario::FLASH_SALE_NO_RECOVERY, "scenario").unwrap();
        for phase in sale
            .phases
            .iter()
            .filter(|phase| phase.name != "baseline" && phase.name != "surge")
        {
            assert!(!FLASH_SALE.contains(&phase.name), "{}", phase.name);
        }
        assert!(!FLASH_SALE.contains("phase"));
    }

    #[test]
    fn a_misspelt_field_is_refused_with_its_path() {
        let text = FLASH_SALE.replacen("\"above\"", "\"abvoe\"", 1);
        let error = RuleFile::parse(&text).unwrap_err().to_string();
        assert!(error.contains("rules[0]") && error.contains("abvoe"), "{error}");
    }
}
