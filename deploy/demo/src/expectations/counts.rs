//! How many runs there were, of what, and when: `runs_total`, `runs_of_investigation`, `recovery_attempts`, `alerts`.

use std::collections::BTreeMap;

use super::{Evidence, Finding, ObservedRun};
use crate::{
    clock::minutes,
    scenario::{Alert, Count, Counted, InvestigationRuns, Scenario},
};

/// How far outside its phases a run of the investigation may start.
const INVESTIGATION_SLACK_S: f64 = 60.0;

/// Every run that started, of all endpoints.
pub(super) fn runs_total(count: Count, evidence: &Evidence) -> Finding {
    let Count { min, max } = count;
    let seen = evidence.runs.len();
    Finding::of(
        "runs_total",
        wanted(seen, min, max),
        &objection("the total", seen, min, max),
    )
}

/// Both endpoints added up; none outside the named phases by more than 60 s.
pub(super) fn runs_of_investigation(wish: &InvestigationRuns, scenario: &Scenario, evidence: &Evidence) -> Finding {
    let runs = runs_of(&wish.endpoints, evidence);
    let mut objections = objection("the sum", runs.len(), wish.min, wish.max);
    let slack = INVESTIGATION_SLACK_S + evidence.tolerance_s;
    let phases: Vec<_> = wish.phases.iter().filter_map(|name| scenario.phase(name)).collect();
    for run in runs.iter().copied() {
        let inside = phases
            .iter()
            .any(|phase| run.started_s >= phase.start_s() - slack && run.started_s < phase.end_s() + slack);
        if !inside {
            objections.push(format!(
                "{} at {} is outside the phases",
                run.endpoint,
                minutes(run.started_s)
            ));
        }
    }
    Finding::of(
        "runs_of_investigation",
        wanted(runs.len(), wish.min, wish.max),
        &objections,
    )
}

/// All of the named endpoints added up.
pub(super) fn recovery_attempts(wish: &Counted, evidence: &Evidence) -> Finding {
    let seen = runs_of(&wish.endpoints, evidence).len();
    Finding::of(
        "recovery_attempts",
        wanted(seen, wish.min, wish.max),
        &objection("the sum", seen, wish.min, wish.max),
    )
}

/// Each endpoint by itself, and none before its time.
pub(super) fn alerts(wish: &BTreeMap<String, Alert>, evidence: &Evidence) -> Finding {
    let mut objections = Vec::new();
    let mut seen = Vec::new();
    for (name, alert) in wish {
        let runs = runs_of(std::slice::from_ref(name), evidence);
        let times: Vec<_> = runs.iter().map(|run| minutes(run.started_s)).collect();
        seen.push(if times.is_empty() {
            format!("{name} never")
        } else {
            format!("{name} at {}", times.join(", "))
        });
        objections.extend(objection(name, runs.len(), alert.min, alert.max));
        if let Some(minute) = alert.not_before_minute {
            let earliest = f64::from(minute) * 60.0 - evidence.tolerance_s;
            let early = runs.iter().filter(|run| run.started_s < earliest);
            objections.extend(early.map(|run| format!("{name} at {} is before {minute}:00", minutes(run.started_s))));
        }
    }
    Finding::of("alerts", seen.join(", "), &objections)
}

fn runs_of<'a>(endpoints: &[String], evidence: &'a Evidence) -> Vec<&'a ObservedRun> {
    evidence
        .runs
        .iter()
        .filter(|run| endpoints.contains(&run.endpoint))
        .collect()
}

fn wanted(seen: usize, min: usize, max: usize) -> String {
    let noun = if seen == 1 { "run" } else { "runs" };
    format!("{seen} {noun}, wanted {min} to {max}")
}

fn objection(what: &str, seen: usize, min: usize, max: usize) -> Vec<String> {
    if seen < min {
        vec![format!("{what} is {seen}, below {min}")]
    } else if seen > max {
        vec![format!("{what} is {seen}, above {max}")]
    } else {
        vec![]
    }
}
