//! Checks that one-shot hints ran: what a claim used up has a run, and what was in nobody's way was used.
//!
//! A one-shot gives way to pauses, guardrails and its own expiry. Only where none of these can have played a part is its
//! absence a finding.

use std::{collections::BTreeMap, time::Duration};

use baton_domain::{
    run::{Cause, Run},
    schedule::{HintTerms, ScheduleChange, Terms, Trigger},
    time::{Timestamp, after, before},
};
use uuid::Uuid;

use super::{findings::Findings, report::Kind};

/// One one-shot hint from its writing on.
struct OneShot<'a> {
    hint: &'a HintTerms,
    /// Its instant, or its writing if that is later.
    from: Timestamp,
    min_interval: Duration,
}

/// Checks the one-shots of an endpoint, as far as they could have started by `until`.
pub fn check(changes: &[ScheduleChange], runs: &[Run], until: Timestamp, findings: &mut Findings) {
    let shots = one_shots(changes);
    for change in changes
        .iter()
        .filter(|change| change.trigger == Trigger::HintUsed && change.at <= until)
    {
        let shot = change.hint_id.and_then(|id| shots.get(&id.0));
        if let Some(shot) = shot.filter(|shot| !has_run(shot, runs, change.at)) {
            findings.add(Kind::Missed, shot.from, "a one-shot was used up, no row");
        }
    }
    for shot in shots.values().filter(|shot| shot.from <= until) {
        let used = changes
            .iter()
            .any(|change| change.hint_id.is_some_and(|id| id.0 == shot.hint.id));
        if !used && !has_run(shot, runs, shot.from) && is_unhindered(shot, changes, runs, until) {
            findings.add(Kind::Missed, shot.from, "a one-shot came due, no row");
        }
    }
}

fn one_shots(changes: &[ScheduleChange]) -> BTreeMap<Uuid, OneShot<'_>> {
    let mut shots = BTreeMap::new();
    for terms in changes.iter().filter_map(|change| change.terms.as_ref()) {
        for hint in &terms.hints {
            let Some(at) = hint.one_shot_at else { continue };
            shots.insert(
                hint.id,
                OneShot {
                    hint,
                    from: at.max(hint.written_at),
                    min_interval: Duration::from_micros(u64::try_from(terms.min_interval_us).unwrap_or_default()),
                },
            );
        }
    }
    shots
}

/// True with a row of its own, or a cadence run at the same instant that used it up when it was claimed at `used`. One
/// that was tried again shows a later start.
fn has_run(shot: &OneShot<'_>, runs: &[Run], used: Timestamp) -> bool {
    runs.iter().any(|run| match run.cause {
        Cause::HintOneShot => run.hint_id.is_some_and(|id| id.0 == shot.hint.id),
        Cause::Cron | Cause::Interval | Cause::HintInterval => {
            let again = run.due_at > used && run.started_at.is_some_and(|start| start > used);
            run.planned_at <= used && (again || run.started_at == Some(used))
        }
        Cause::PlanStep | Cause::Manual | Cause::Retry | Cause::Test => false,
    })
}

/// True when nothing can have kept the one-shot from starting at its instant.
fn is_unhindered(shot: &OneShot<'_>, changes: &[ScheduleChange], runs: &[Run], until: Timestamp) -> bool {
    let (from, end) = (shot.from, shot.hint.expires_at);
    if after(from, shot.min_interval) > end.min(until) {
        return false;
    }
    let near = before(from, shot.min_interval);
    let others = runs.iter().any(|run| run.planned_at > near && run.planned_at <= end);
    let busy = runs
        .iter()
        .any(|run| run.planned_at <= from && run.finished_at.is_none_or(|finished| finished >= from));
    !others && !busy && stands(shot, changes, end.min(until))
}

/// True when every record from the one that wrote it up to `end` has it in force, on an endpoint that runs.
fn stands(shot: &OneShot<'_>, changes: &[ScheduleChange], end: Timestamp) -> bool {
    let mut later = changes
        .iter()
        .filter(|change| change.at >= shot.hint.written_at && change.at <= end);
    later.all(|change| match &change.terms {
        Some(terms) => runs_freely(terms) && terms.hints.iter().any(|hint| hint.id == shot.hint.id),
        None => change.trigger != Trigger::Deleted,
    })
}

fn runs_freely(terms: &Terms) -> bool {
    let paused = terms.pause.is_some() || terms.hints.iter().any(|hint| hint.kind == "pause");
    terms.active && terms.job_runs && !paused
}
