//! `back_to_baseline`: from a minute on, no planner's hint is in force and no `ai-hint` run starts.
//!
//! Hints are only known from looks at them, so the looks must have been close enough together to mean something.

use super::{Evidence, Finding, HintSample};
use crate::{
    clock::minutes,
    scenario::{BackToBaseline, Scenario},
};

/// Longest time without a look at the hints.
const LONGEST_BLIND_S: f64 = 60.0;

pub(super) fn back_to_baseline(wish: &BackToBaseline, scenario: &Scenario, evidence: &Evidence) -> Finding {
    let from = f64::from(wish.from_minute) * 60.0;
    let judged_from = from + evidence.tolerance_s;
    let samples: Vec<&HintSample> = evidence
        .hint_samples
        .iter()
        .filter(|sample| sample.at_s >= judged_from)
        .collect();
    let mut objections = blind_spots(&samples, from, scenario.length_s());
    if let Some(sample) = samples.iter().find(|sample| !sample.planner_hints.is_empty()) {
        objections.push(format!(
            "at {} in force: {}",
            minutes(sample.at_s),
            sample.planner_hints.join(", ")
        ));
    }
    let late = evidence
        .runs
        .iter()
        .filter(|run| run.source == "ai-hint" && run.started_s >= judged_from);
    objections.extend(late.map(|run| format!("{} started at {}", run.endpoint, minutes(run.started_s))));
    let seen = format!("looked {} times from {} on", samples.len(), minutes(from));
    Finding::of("back_to_baseline", seen, &objections)
}

/// Stretches in which hints could have been in force without being seen.
fn blind_spots(samples: &[&HintSample], from: f64, to: f64) -> Vec<String> {
    let looks = samples.iter().map(|sample| sample.at_s).filter(|at| *at < to);
    let times: Vec<f64> = [from].into_iter().chain(looks).chain([to]).collect();
    let blind = times.windows(2).filter(|pair| pair[1] - pair[0] > LONGEST_BLIND_S);
    blind
        .map(|pair| format!("nobody looked from {} to {}", minutes(pair[0]), minutes(pair[1])))
        .collect()
}
