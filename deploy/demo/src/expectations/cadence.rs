//! `fastest_cadence`: how closely an endpoint was watched while it mattered.
//!
//! Planned times are clipped to each phase, and both edges count as times: gaps are at most the interval, and two
//! planned times are never closer than `not_below`. The start of a phase is given the model's time to answer: 60 s if it
//! always answered within 60 s, else nothing before minute 11 is judged.

use super::{Evidence, Finding};
use crate::{
    clock::minutes,
    scenario::{FastestCadence, Scenario},
};

/// An answer within this many scenario seconds counts as quick.
const QUICK_ANSWER_S: f64 = 60.0;
/// Where judging starts when an answer was not quick.
const LATE_START_S: f64 = 11.0 * 60.0;

/// A stretch of a phase that is judged.
struct Window<'a> {
    phase: &'a str,
    start_s: f64,
    end_s: f64,
}

pub(super) fn fastest_cadence(wish: &FastestCadence, scenario: &Scenario, evidence: &Evidence) -> Finding {
    let windows = windows(wish, scenario, evidence);
    let planned = planned_times(wish, evidence);
    let mut objections: Vec<String> = windows
        .iter()
        .flat_map(|window| judge(window, &planned, wish, evidence))
        .collect();
    if windows.is_empty() {
        objections.push("no phase is long enough to be judged".to_owned());
    }
    Finding::of("fastest_cadence", seen(&windows, &planned, wish, evidence), &objections)
}

fn windows<'a>(wish: &FastestCadence, scenario: &'a Scenario, evidence: &Evidence) -> Vec<Window<'a>> {
    let quick = evidence
        .slowest_answer_s
        .is_none_or(|slowest| slowest <= QUICK_ANSWER_S);
    let phases = wish.phases.iter().filter_map(|name| scenario.phase(name));
    let windows = phases.map(|phase| {
        let start_s = if quick {
            phase.start_s() + QUICK_ANSWER_S
        } else {
            phase.start_s().max(LATE_START_S)
        };
        Window {
            phase: &phase.name,
            start_s,
            end_s: phase.end_s(),
        }
    });
    windows.filter(|window| window.start_s < window.end_s).collect()
}

fn planned_times(wish: &FastestCadence, evidence: &Evidence) -> Vec<f64> {
    let runs = evidence.runs.iter().filter(|run| run.endpoint == wish.endpoint);
    let mut planned: Vec<f64> = runs.map(|run| run.planned_s).collect();
    planned.sort_by(f64::total_cmp);
    planned
}

fn judge(window: &Window, planned: &[f64], wish: &FastestCadence, evidence: &Evidence) -> Vec<String> {
    let inside: Vec<f64> = inside(window, planned).collect();
    let with_edges: Vec<f64> = [window.start_s]
        .into_iter()
        .chain(inside.clone())
        .chain([window.end_s])
        .collect();
    let largest = wish.interval.as_secs_f64() + evidence.tolerance_s;
    let smallest = wish.not_below.as_secs_f64() - evidence.tolerance_s;
    let wide = with_edges
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > largest)
        .map(|pair| ("more", pair));
    let narrow = inside
        .windows(2)
        .filter(|pair| pair[1] - pair[0] < smallest)
        .map(|pair| ("less", pair));
    let all = wide.chain(narrow);
    all.map(|(which, pair)| {
        let gap = pair[1] - pair[0];
        format!(
            "{gap:.1} s from {} in {} is {which} than wanted",
            minutes(pair[0]),
            window.phase
        )
    })
    .collect()
}

fn inside(window: &Window, planned: &[f64]) -> impl Iterator<Item = f64> {
    planned
        .iter()
        .copied()
        .filter(|time| (window.start_s..window.end_s).contains(time))
}

fn seen(windows: &[Window], planned: &[f64], wish: &FastestCadence, evidence: &Evidence) -> String {
    let times: usize = windows.iter().map(|window| inside(window, planned).count()).sum();
    let slowest = evidence
        .slowest_answer_s
        .map_or("none".to_owned(), |slowest| format!("{slowest:.0} s"));
    let start = windows
        .first()
        .map_or("never".to_owned(), |window| minutes(window.start_s));
    let (interval, not_below) = (wish.interval.as_secs(), wish.not_below.as_secs());
    format!(
        "{times} planned times of {}, wanted {not_below} to {interval} s apart (slowest answer {slowest}, so judged from {start})",
        wish.endpoint
    )
}
