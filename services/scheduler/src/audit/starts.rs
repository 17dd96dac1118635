//! Checks that each row makes sense by itself and beside its neighbours: started in time, with a reason, and once.

use std::{collections::BTreeSet, time::Duration};

use baton_domain::{
    run::{Cause, Run, RunStatus},
    time::{Timestamp, after},
};

use super::{findings::Findings, overlaps::Policies, report::Kind};

/// Checks every row of an endpoint. `runs` is the history around the time asked about.
pub fn check(runs: &[Run], policies: &Policies<'_>, now: Timestamp, epsilon: Duration, findings: &mut Findings) {
    check_starts(runs, policies, epsilon, findings);
    check_waiting(runs, policies, now, epsilon, findings);
    for run in runs {
        check_reason(run, findings);
    }
    check_once(runs, findings);
}

/// Not before the planned time; and not after it, unless a retry, the end of a pause (both in `due_at`) or as many other
/// runs of the endpoint as there is room for explain the wait.
fn check_starts(runs: &[Run], policies: &Policies<'_>, epsilon: Duration, findings: &mut Findings) {
    let mut started: Vec<(Timestamp, &Run)> = runs.iter().filter_map(|run| Some((run.started_at?, run))).collect();
    started.sort_by_key(|(start, run)| (*start, run.id));
    for (place, (start, run)) in started.iter().enumerate() {
        if *start < run.planned_at {
            let detail = format!("started {} before its time", told(*start, run.planned_at));
            findings.add(Kind::Early, run.planned_at, detail);
        }
        let due = run.planned_at.max(run.due_at);
        if *start <= after(due, epsilon) {
            continue;
        }
        let room = policies.least_room(run.planned_at, *start);
        let could_start = due.max(free_since(&started, place, room).unwrap_or(due).min(*start));
        if *start > after(could_start, epsilon) {
            let detail = format!(
                "started {} late, nothing in the record explains it",
                told(could_start, *start)
            );
            findings.add(Kind::Late, run.planned_at, detail);
        }
    }
}

/// Since when fewer than `room` of the other runs stood in the way of the one at `place`. Of a run that was tried again
/// only the last start is known: where there is more room, one that was planned before may have had its place already.
fn free_since(started: &[(Timestamp, &Run)], place: usize, room: usize) -> Option<Timestamp> {
    let (_, run) = started[place];
    let others = started.iter().enumerate().filter(|(other, (_, before))| {
        *other < place || (*other > place && room > 1 && before.planned_at < run.planned_at)
    });
    let mut ends: Vec<Timestamp> = others
        .map(|(_, (_, other))| other.finished_at.unwrap_or(Timestamp::MAX_UTC))
        .collect();
    ends.sort();
    ends.iter().rev().nth(room - 1).copied()
}

/// What is due and has not started keeps somebody waiting, unless the endpoint has no room.
fn check_waiting(runs: &[Run], policies: &Policies<'_>, now: Timestamp, epsilon: Duration, findings: &mut Findings) {
    let live = || runs.iter().filter(|run| !run.status.is_terminal());
    let waiting = || live().filter(|run| run.status == RunStatus::Planned);
    let placed = live().filter(|run| run.started_at.is_some()).count();
    // Whatever ended last may have been what this waited for.
    let free_since = runs.iter().filter_map(|run| run.finished_at).max();
    let retried = waiting().find(|run| run.started_at.is_some());
    let fresh = waiting()
        .filter(|run| run.started_at.is_none())
        .min_by_key(|run| run.due_at);
    let fresh = fresh.filter(|run| placed < policies.least_room(run.planned_at, now));
    let Some(run) = retried.or(fresh) else { return };
    let could_start = run.due_at.max(free_since.unwrap_or(run.due_at));
    if now > after(could_start, epsilon) {
        let detail = format!("still waits {} after it could start", told(could_start, now));
        findings.add(Kind::Late, run.planned_at, detail);
    }
}

/// What did not run says why, and what a hint or a plan caused names it.
fn check_reason(run: &Run, findings: &mut Findings) {
    let silent = run.reason.as_deref().is_none_or(str::is_empty);
    if silent && matches!(run.status, RunStatus::Skipped | RunStatus::Cancelled) {
        let detail = format!("{} without a reason", run.status.as_str());
        findings.add(Kind::Unexplained, run.planned_at, detail);
    }
    let nameless = match run.cause {
        Cause::HintInterval | Cause::HintOneShot => run.hint_id.is_none(),
        Cause::PlanStep => run.plan_id.is_none(),
        Cause::Cron | Cause::Interval | Cause::Manual | Cause::Retry | Cause::Test => false,
    };
    if nameless {
        let detail = format!("{} that does not say which", run.cause.as_str());
        findings.add(Kind::Unexplained, run.planned_at, detail);
    }
}

/// A one-shot runs once, and so does a step of a plan.
fn check_once(runs: &[Run], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for run in runs {
        let origin = match run.cause {
            Cause::HintOneShot => run.hint_id.map(|hint| (hint.0, 0)),
            Cause::PlanStep => run.plan_id.map(|plan| (plan.0, run.step.unwrap_or_default())),
            Cause::Cron | Cause::Interval | Cause::HintInterval | Cause::Manual | Cause::Retry | Cause::Test => None,
        };
        if origin.is_some_and(|origin| !seen.insert((run.cause, origin))) {
            let detail = format!("another run of the same {}", run.cause.as_str());
            findings.add(Kind::Extra, run.planned_at, detail);
        }
    }
}

/// The time between, in seconds.
fn told(from: Timestamp, to: Timestamp) -> String {
    let micros = (to - from).num_microseconds().unwrap_or(i64::MAX);
    format!("{}.{:06} s", micros / 1_000_000, micros % 1_000_000)
}
