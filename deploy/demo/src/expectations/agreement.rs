//! Whether the scheduler's account agrees with the sink's: each attempt of each run arrived exactly once.
//!
//! This is what makes ListRuns worth judging by; it is no key of the scenario.

use std::collections::BTreeMap;

use super::{Finding, ObservedRun};
use crate::sink::Received;

/// Compares run by run. A run that was still running may lack the request of its last attempt.
pub fn agreement(runs: &[ObservedRun], received: &[Received]) -> Finding {
    let mut arrivals: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut objections = Vec::new();
    for request in received {
        match &request.run_id {
            Some(run_id) => *arrivals.entry((run_id, &request.endpoint)).or_default() += 1,
            None => objections.push(format!("a request for {} had no Idempotency-Key", request.endpoint)),
        }
    }
    for run in runs {
        let arrived = arrivals.remove(&(run.id.as_str(), run.endpoint.as_str())).unwrap_or(0);
        let may_lack = usize::from(run.finished_s.is_none());
        if arrived > run.attempts || arrived + may_lack < run.attempts {
            objections.push(format!(
                "{} {}: {} attempts, {arrived} received",
                run.endpoint, run.id, run.attempts
            ));
        }
    }
    let unknown = arrivals
        .keys()
        .map(|(run_id, endpoint)| format!("received {endpoint} {run_id}, which never started"));
    objections.extend(unknown);
    let attempts: usize = runs.iter().map(|run| run.attempts).sum();
    let seen = format!(
        "{} runs with {attempts} attempts, {} requests received",
        runs.len(),
        received.len()
    );
    Finding::of("agrees_with_sink", seen, &objections)
}
