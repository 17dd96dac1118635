//! Whether a sale went as the scenario expects, judged from what the scheduler says about its runs.
//!
//! The words are those of the scenario file's `definitions`. The runner hands in [`Evidence`]; each key of `expected`
//! becomes one [`Finding`]. Nothing here talks to a server, so tests construct their evidence.

mod agreement;
mod back_to_baseline;
mod cadence;
mod counts;
mod evidence;
mod origin;

pub use agreement::agreement;
pub use evidence::{Evidence, HintSample, ObservedRun, slowest_answer_s};

use crate::scenario::Scenario;

/// One expectation and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key of `expected`.
    pub key: &'static str,
    /// Whether it is met.
    pub met: bool,
    /// One line: what was seen, and what was wanted.
    pub explanation: String,
}

impl Finding {
    /// A finding that is met when nothing speaks against it.
    fn of(key: &'static str, seen: String, objections: &[String]) -> Self {
        let met = objections.is_empty();
        let explanation = if met {
            seen
        } else {
            format!("{seen}; {}", objections.join("; "))
        };
        Self { key, met, explanation }
    }
}

/// Judges every expectation of the scenario, in the order of the format.
pub fn judge(scenario: &Scenario, evidence: &Evidence) -> Vec<Finding> {
    let expected = &scenario.expected;
    let mut findings = Vec::new();
    findings.extend(expected.runs_total.map(|count| counts::runs_total(count, evidence)));
    findings.extend(
        expected
            .fastest_cadence
            .as_ref()
            .map(|wanted| cadence::fastest_cadence(wanted, scenario, evidence)),
    );
    let investigation = expected.runs_of_investigation.as_ref();
    findings.extend(investigation.map(|wanted| counts::runs_of_investigation(wanted, scenario, evidence)));
    findings.extend(
        expected
            .recovery_attempts
            .as_ref()
            .map(|wanted| counts::recovery_attempts(wanted, evidence)),
    );
    findings.extend(expected.alerts.as_ref().map(|wanted| counts::alerts(wanted, evidence)));
    findings.extend(expected.before.as_ref().map(|pairs| origin::before(pairs, evidence)));
    let source = expected.every_non_baseline_run_has_source.as_ref();
    findings.extend(source.map(|source| origin::non_baseline_source(source, scenario, evidence)));
    let back = expected.back_to_baseline.as_ref();
    findings.extend(back.map(|wanted| back_to_baseline::back_to_baseline(wanted, scenario, evidence)));
    findings
}

#[cfg(test)]
mod tests;
