//! What a well-formed scenario file can still get wrong: names that point nowhere, phases with gaps, and the like.
//!
//! All problems are reported at once, each with the path of its field.

use std::collections::BTreeSet;

use super::{Endpoint, Phase, Scenario};

/// Every problem, in the order of the file.
pub(super) fn of(scenario: &Scenario) -> Vec<String> {
    let mut problems = Vec::new();
    check_guardrails(scenario, &mut problems);
    check_endpoints(&scenario.endpoints, &mut problems);
    check_phases(&scenario.phases, &mut problems);
    check_responses(scenario, &mut problems);
    check_references(scenario, &mut problems);
    problems
}

fn check_guardrails(scenario: &Scenario, problems: &mut Vec<String>) {
    if scenario.guardrails.min_interval > scenario.guardrails.max_interval {
        problems.push("guardrails: min_interval is above max_interval".to_owned());
    }
}

fn check_endpoints(endpoints: &[Endpoint], problems: &mut Vec<String>) {
    if endpoints.is_empty() {
        problems.push("endpoints: at least one is needed".to_owned());
    }
    let mut seen = BTreeSet::new();
    for (index, endpoint) in endpoints.iter().enumerate() {
        let name = &endpoint.name;
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
        {
            problems.push(format!(
                "endpoints[{index}].name: \"{name}\" cannot be a path of the sink's URL"
            ));
        }
        if !seen.insert(name) {
            problems.push(format!("endpoints[{index}].name: \"{name}\" occurs twice"));
        }
        if endpoint.dormant == endpoint.baseline_interval.is_some() {
            problems.push(format!(
                "endpoints[{index}]: needs either a baseline_interval or \"dormant\": true"
            ));
        }
    }
}

fn check_phases(phases: &[Phase], problems: &mut Vec<String>) {
    if phases.is_empty() {
        problems.push("phases: at least one is needed".to_owned());
    }
    let mut seen = BTreeSet::new();
    let mut next_minute = 0;
    for (index, phase) in phases.iter().enumerate() {
        if !seen.insert(&phase.name) {
            problems.push(format!("phases[{index}].name: \"{}\" occurs twice", phase.name));
        }
        if phase.from_minute != next_minute {
            let from = phase.from_minute;
            problems.push(format!(
                "phases[{index}].from_minute: is {from}, but the minute to go on with is {next_minute}"
            ));
        }
        if phase.to_minute < phase.from_minute {
            problems.push(format!("phases[{index}].to_minute: is before from_minute"));
        }
        next_minute = phase.to_minute.saturating_add(1);
    }
}

fn check_responses(scenario: &Scenario, problems: &mut Vec<String>) {
    for (index, phase) in scenario.phases.iter().enumerate() {
        for name in phase.responses.keys().filter(|name| scenario.endpoint(name).is_none()) {
            problems.push(format!("phases[{index}].responses.{name}: no such endpoint"));
        }
        for endpoint in scenario
            .endpoints
            .iter()
            .filter(|endpoint| !phase.responses.contains_key(&endpoint.name))
        {
            problems.push(format!(
                "phases[{index}].responses: nothing for endpoint {}",
                endpoint.name
            ));
        }
    }
}

fn check_references(scenario: &Scenario, problems: &mut Vec<String>) {
    for (field, name) in scenario.expected.endpoint_names() {
        if scenario.endpoint(name).is_none() {
            problems.push(format!("{field}: no endpoint is named \"{name}\""));
        }
    }
    for (field, name) in scenario.expected.phase_names() {
        if scenario.phase(name).is_none() {
            problems.push(format!("{field}: no phase is named \"{name}\""));
        }
    }
}
