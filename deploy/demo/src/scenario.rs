//! The scenario file: the job, its endpoints, the phases a sale goes through, and what must have happened at the end.
//!
//! Read by the demo runner and by the expectation checks. Every time in it is scenario time: a demonstration divides
//! all of them by one factor. No model is shown more of it than job, endpoints and current signals.

mod expected;
mod problems;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Deserializer};

pub use expected::{Alert, BackToBaseline, Count, Counted, Expected, FastestCadence, InvestigationRuns};

/// The scenario that runs when none is named.
pub const FLASH_SALE: &str = include_str!("../scenarios/flash-sale.json");
/// The scenario in which nothing helps.
pub const FLASH_SALE_NO_RECOVERY: &str = include_str!("../scenarios/flash-sale-no-recovery.json");

/// Why a scenario file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("{path}: {reason}", path = path.display())]
    Unreadable {
        /// The file as given.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// Not JSON, or not of this format.
    #[error("{origin}: {field}: {reason}")]
    Malformed {
        /// The file as given.
        origin: String,
        /// Path of the field within the document, such as `phases[2].from_minute`.
        field: String,
        /// What is wrong with it.
        reason: serde_json::Error,
    },
    /// Well formed, but it contradicts itself. One line per problem.
    #[error("{origin}: {}", problems.join(&format!("\n{origin}: ")))]
    Contradictory {
        /// The file as given.
        origin: String,
        /// Each starts with the path of the field.
        problems: Vec<String>,
    },
}

/// A whole scenario file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Name of the scenario. It may say how the sale ends, so no model is shown it.
    pub name: String,
    /// What it shows, for the reader. No model is shown it either.
    pub summary: String,
    /// The one job.
    pub job: Job,
    /// Bounds that every endpoint is created with.
    pub guardrails: Guardrails,
    /// The job's endpoints, in order of creation.
    pub endpoints: Vec<Endpoint>,
    /// What happens, in order and without gaps.
    pub phases: Vec<Phase>,
    /// What must hold at the end.
    pub expected: Expected,
    /// Remarks for the reader.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What the words of `expected` mean, for the reader; [`crate::expectations`] implements them.
    #[serde(default)]
    pub definitions: BTreeMap<String, String>,
}

/// The job as it is created.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The prose that the model reads.
    pub description: String,
}

/// Bounds on what hints may do to an endpoint's interval.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrails {
    /// Smallest gap.
    #[serde(deserialize_with = "duration")]
    pub min_interval: Duration,
    /// Largest gap.
    #[serde(deserialize_with = "duration")]
    pub max_interval: Duration,
}

/// An endpoint as it is created. Its URL is the sink's, with its name as the path.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Unique within the file.
    pub name: String,
    /// What kind of work it does, for the reader; Baton has no such field.
    pub tier: Option<String>,
    /// Its own schedule; absent exactly when it is dormant.
    #[serde(default, deserialize_with = "optional_duration")]
    pub baseline_interval: Option<Duration>,
    /// Smallest gap between starts caused by a planner.
    #[serde(default, deserialize_with = "optional_duration")]
    pub cooldown: Option<Duration>,
    /// The prose that the model reads, in scenario time.
    pub description: String,
    /// Runs only when told.
    #[serde(default)]
    pub dormant: bool,
}

/// A stretch of the sale with constant signals.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Unique within the file.
    pub name: String,
    /// First minute.
    pub from_minute: u32,
    /// Last minute: the phase ends when this minute does.
    pub to_minute: u32,
    /// The sale's signals during the phase.
    pub signals: BTreeMap<String, f64>,
    /// What each endpoint answers during the phase, by endpoint name.
    pub responses: BTreeMap<String, serde_json::Value>,
}

impl Phase {
    /// Seconds of scenario time from the start of the sale to the start of the phase.
    pub fn start_s(&self) -> f64 {
        f64::from(self.from_minute) * 60.0
    }

    /// Seconds of scenario time from the start of the sale to the end of the phase, which is not part of it.
    pub fn end_s(&self) -> f64 {
        (f64::from(self.to_minute) + 1.0) * 60.0
    }
}

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// See [`Error`]; every message names the path, and the field where there is one.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|reason| Error::Unreadable {
            path: path.to_path_buf(),
            reason,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Parses and checks a document; `origin` names it in messages.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Contradictory`].
    pub fn parse(text: &str, origin: &str) -> Result<Self, Error> {
        let mut json = serde_json::Deserializer::from_str(text);
        let scenario: Self = serde_path_to_error::deserialize(&mut json).map_err(|error| Error::Malformed {
            origin: origin.to_owned(),
            field: error.path().to_string(),
            reason: error.into_inner(),
        })?;
        let problems = problems::of(&scenario);
        if problems.is_empty() {
            Ok(scenario)
        } else {
            Err(Error::Contradictory {
                origin: origin.to_owned(),
                problems,
            })
        }
    }

    /// The phase with this name.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// The phase at this many seconds of scenario time; the last one after the end.
    pub fn phase_at(&self, seconds: f64) -> Option<&Phase> {
        self.phases
            .iter()
            .find(|phase| seconds < phase.end_s())
            .or(self.phases.last())
    }

    /// The endpoint with this name.
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// How long the sale lasts, in seconds of scenario time.
    pub fn length_s(&self) -> f64 {
        self.phases.last().map_or(0.0, Phase::end_s)
    }
}

/// Reads a duration such as `300s`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format_args!("\"{text}\" is not a duration such as \"300s\": {error}"))
    })
}

/// As [`duration`], for a field that may be left out.
fn optional_duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    duration(deserializer).map(Some)
}
