//! What came before what, and who was behind it: `before` and `every_non_baseline_run_has_source`.

use baton_proto::v1::Cause;

use super::{Evidence, Finding, ObservedRun};
use crate::{clock::minutes, scenario::Scenario};

/// For each pair, the first finish of the one is not later than the first start of the other. Both instants come from
/// the scheduler's one clock, so no tolerance is given.
pub(super) fn before(pairs: &[(String, String)], evidence: &Evidence) -> Finding {
    let objections: Vec<String> = pairs
        .iter()
        .filter_map(|(first, then)| out_of_order(first, then, evidence))
        .collect();
    let seen = format!("{} of {} pairs in order", pairs.len() - objections.len(), pairs.len());
    Finding::of("before", seen, &objections)
}

fn out_of_order(first: &str, then: &str, evidence: &Evidence) -> Option<String> {
    let start = evidence
        .runs
        .iter()
        .filter(|run| run.endpoint == then)
        .map(|run| run.started_s)
        .min_by(f64::total_cmp)?;
    let finishes = evidence
        .runs
        .iter()
        .filter(|run| run.endpoint == first)
        .filter_map(|run| run.finished_s);
    match finishes.min_by(f64::total_cmp) {
        Some(finish) if finish <= start => None,
        Some(finish) => Some(format!(
            "{first} finished at {}, after {then} started at {}",
            minutes(finish),
            minutes(start)
        )),
        None => Some(format!(
            "{then} started at {}, but {first} never finished",
            minutes(start)
        )),
    }
}

/// Each run of a dormant endpoint, and each run whose cause is a hint or a step, has this source.
pub(super) fn non_baseline_source(source: &str, scenario: &Scenario, evidence: &Evidence) -> Finding {
    let runs: Vec<&ObservedRun> = evidence.runs.iter().filter(|run| is_told(run, scenario)).collect();
    let others = runs.iter().filter(|run| run.source != source);
    let objections: Vec<String> = others
        .map(|run| {
            format!(
                "{} at {} has source {}",
                run.endpoint,
                minutes(run.started_s),
                run.source
            )
        })
        .collect();
    let seen = format!(
        "{} of {} such runs have source {source}",
        runs.len() - objections.len(),
        runs.len()
    );
    Finding::of("every_non_baseline_run_has_source", seen, &objections)
}

fn is_told(run: &ObservedRun, scenario: &Scenario) -> bool {
    let dormant = scenario
        .endpoint(&run.endpoint)
        .is_some_and(|endpoint| endpoint.dormant);
    dormant || matches!(run.cause, Cause::HintInterval | Cause::HintOneshot | Cause::PlanStep)
}
