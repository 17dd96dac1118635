//! The `expected` object of a scenario file: one optional field for each expectation that can be checked.
//!
//! An unknown key is an error: an expectation that nobody checks must not look met.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::duration;

/// What must hold at the end. Each field that is present is judged by [`crate::expectations`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// How many runs started in all.
    pub runs_total: Option<Count>,
    /// How closely one endpoint was watched.
    pub fastest_cadence: Option<FastestCadence>,
    /// How many runs some endpoints had, and when.
    pub runs_of_investigation: Option<InvestigationRuns>,
    /// How many runs some endpoints had.
    pub recovery_attempts: Option<Counted>,
    /// How many runs each of these endpoints had, by endpoint name.
    pub alerts: Option<BTreeMap<String, Alert>>,
    /// Pairs of endpoints: the first must have finished once before the second starts.
    pub before: Option<Vec<(String, String)>>,
    /// The source of every run that no baseline caused.
    pub every_non_baseline_run_has_source: Option<String>,
    /// When everything must have returned to its baseline.
    pub back_to_baseline: Option<BackToBaseline>,
}

/// Bounds on a number of runs, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// At least this many.
    pub min: usize,
    /// At most this many.
    pub max: usize,
}

/// Bounds on the added-up runs of some endpoints.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// Endpoint names.
    pub endpoints: Vec<String>,
    /// At least this many.
    pub min: usize,
    /// At most this many.
    pub max: usize,
}

/// Bounds on the added-up runs of some endpoints, and the phases they belong in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvestigationRuns {
    /// Endpoint names.
    pub endpoints: Vec<String>,
    /// At least this many.
    pub min: usize,
    /// At most this many.
    pub max: usize,
    /// Names of the phases that the runs must start in, give or take 60 s.
    pub phases: Vec<String>,
}

/// Bounds on the gaps between an endpoint's planned times during some phases.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FastestCadence {
    /// Endpoint name.
    pub endpoint: String,
    /// Largest gap.
    #[serde(deserialize_with = "duration")]
    pub interval: Duration,
    /// Smallest gap.
    #[serde(deserialize_with = "duration")]
    pub not_below: Duration,
    /// Names of the phases that are judged.
    pub phases: Vec<String>,
}

/// Bounds on the runs of an alerting endpoint.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alert {
    /// At least this many.
    pub min: usize,
    /// At most this many.
    pub max: usize,
    /// No run starts before this minute.
    pub not_before_minute: Option<u32>,
}

/// From when on nothing of the planner's may be left.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackToBaseline {
    /// First minute without a planner's hint or run.
    pub from_minute: u32,
}

impl Expected {
    /// Every endpoint name that occurs, each with the path of its field.
    pub(super) fn endpoint_names(&self) -> Vec<(String, &str)> {
        let mut names = Vec::new();
        if let Some(cadence) = &self.fastest_cadence {
            names.push((
                "expected.fastest_cadence.endpoint".to_owned(),
                cadence.endpoint.as_str(),
            ));
        }
        let investigation = self
            .runs_of_investigation
            .iter()
            .flat_map(|expected| &expected.endpoints);
        names.extend(investigation.map(|name| ("expected.runs_of_investigation.endpoints".to_owned(), name.as_str())));
        let recovery = self.recovery_attempts.iter().flat_map(|expected| &expected.endpoints);
        names.extend(recovery.map(|name| ("expected.recovery_attempts.endpoints".to_owned(), name.as_str())));
        let alerts = self.alerts.iter().flat_map(BTreeMap::keys);
        names.extend(alerts.map(|name| ("expected.alerts".to_owned(), name.as_str())));
        for (index, (first, second)) in self.before.iter().flatten().enumerate() {
            names.push((format!("expected.before[{index}]"), first));
            names.push((format!("expected.before[{index}]"), second));
        }
        names
    }

    /// Every phase name that occurs, each with the path of its field.
    pub(super) fn phase_names(&self) -> Vec<(&'static str, &str)> {
        let cadence = self.fastest_cadence.iter().flat_map(|expected| &expected.phases);
        let investigation = self.runs_of_investigation.iter().flat_map(|expected| &expected.phases);
        cadence
            .map(|name| ("expected.fastest_cadence.phases", name.as_str()))
            .chain(investigation.map(|name| ("expected.runs_of_investigation.phases", name.as_str())))
            .collect()
    }
}
