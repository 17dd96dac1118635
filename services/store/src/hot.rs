//! What both hot paths have in common: what they hold of an endpoint, what they write of it (which the general way writes, too),
//! and how a batch of ends is judged. How rows are loaded and written is each driver's own.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    sync::LazyLock,
};

use baton_domain::{
    ids::{Chance, EndpointId, RunId},
    run::{Cause, LiveRun, Run},
    schedule::{FinishedRun, Schedule, Settled},
    services::{Ends, settle},
    time::Timestamp,
};
use uuid::Uuid;

use crate::{
    entity::{endpoint_state, hint, live_run, run_attempt, run_history, schedule_change},
    mapping::{
        endpoints::{hint_row, state_row},
        records::change_row,
        runs::{attempt_row, history_row, live_row},
    },
};

/// Whether endpoints are read with what they call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requests {
    Read,
    /// Names and requests are empty. They may be large, and ends of runs do not look at them.
    Left,
}

/// Schedules and queue rows as they stand, and stay until the end of the transaction.
pub(crate) struct Loaded {
    /// The time of the transaction.
    pub now: Timestamp,
    pub schedules: BTreeMap<EndpointId, Schedule>,
    pub rows: BTreeMap<RunId, LiveRun>,
}

/// What a batch writes, by table.
#[derive(Default)]
pub(crate) struct Writes {
    pub states: Vec<endpoint_state::Model>,
    /// Endpoints whose hints are replaced.
    pub rehinted: Vec<Uuid>,
    pub hints: Vec<hint::Model>,
    /// Endpoints whose plan row is replaced.
    pub replanned: Vec<Uuid>,
    pub plan_rows: Vec<live_run::Model>,
    pub live: Vec<live_run::Model>,
    /// To the history, from the queue.
    pub over: Vec<Run>,
    /// To the history, without having been in the queue.
    pub history: Vec<run_history::Model>,
    pub attempts: Vec<run_attempt::Model>,
    pub changes: Vec<schedule_change::Model>,
}

impl Writes {
    pub fn add_ends(&mut self, ends: Ends) {
        self.attempts.extend(ends.kept_attempts().map(attempt_row));
        self.live.extend(ends.again.iter().map(live_row));
        self.over.extend(ends.over.into_iter().map(|over| over.run));
    }

    /// A row that goes on in the queue.
    pub fn add_live(&mut self, row: &LiveRun) {
        self.live.push(live_row(row));
    }

    /// What is dirty, but for the endpoint's own row: that is not the hot path's to write.
    pub fn add_schedule(&mut self, schedule: &Schedule) {
        let id = schedule.endpoint.id;
        if schedule.dirty.state {
            self.states.push(state_row(id, &schedule.state));
        }
        if schedule.dirty.hints {
            self.rehinted.push(id.0);
            self.hints.extend(schedule.hints.iter().map(hint_row));
        }
        if schedule.dirty.plan_row {
            self.replanned.push(id.0);
            self.plan_rows.extend(schedule.plan_row.iter().map(live_row));
        }
        self.add_records(schedule);
    }

    /// What is only ever added to.
    pub fn add_records(&mut self, schedule: &Schedule) {
        self.history.extend(schedule.ended.iter().map(history_row));
        self.changes.extend(schedule.changes.iter().map(change_row));
    }
}

/// What became of a batch: an answer for each report, `None` for those that are left to the general way.
pub(crate) type Answers = Vec<Option<Settled>>;

/// What the ends mean, which the domain decides, in [`settle`]. Those that concern planners touch rows that are not the hot
/// path's; they are left to the general way, an endpoint at a time, so that reports of one endpoint are never reordered.
pub(crate) fn judge(reports: &[FinishedRun], loaded: Loaded, chance: &dyn Chance) -> (Answers, Writes) {
    let Loaded {
        now,
        mut schedules,
        mut rows,
    } = loaded;
    let is_planned = |(id, schedule): (&EndpointId, &Schedule)| schedule.plan_row.is_some().then_some(id.0);
    let planned: HashSet<Uuid> = schedules.iter().filter_map(is_planned).collect();
    let mut answers: Answers = vec![None; reports.len()];
    let mut writes = Writes::default();
    for positions in by_endpoint(reports).into_values() {
        let theirs: Vec<FinishedRun> = positions.iter().map(|position| reports[*position].clone()).collect();
        let (settled, ends) = settle(&theirs, &mut schedules, &mut rows, now, chance);
        let schedule = schedules.remove(&theirs[0].endpoint_id);
        let elsewhere = ends.over.iter().any(|over| over.concerns_planners())
            || schedule.as_ref().is_some_and(|schedule| schedule.dirty.endpoint);
        if elsewhere {
            continue;
        }
        for (position, settled) in positions.into_iter().zip(settled) {
            answers[position] = Some(settled);
        }
        if let Some(schedule) = &schedule {
            writes.add_schedule(schedule);
        }
        writes.add_ends(ends);
    }
    // Mostly the run that has ended was the plan row, and there is none to replace.
    writes.replanned.retain(|id| planned.contains(id));
    (answers, writes)
}

/// The reports of ends that may be plain (see [`Schedule::ends_plainly`]), each the only one of its endpoint in the batch.
/// The rows have the last word.
pub(crate) fn plain_of(reports: &[FinishedRun]) -> Vec<&FinishedRun> {
    let alone = by_endpoint(reports)
        .into_values()
        .filter_map(|positions| match positions[..] {
            [only] => Some(&reports[only]),
            _ => None,
        });
    alone
        .filter(|report| report.cause.may_end_plainly() && report.outcome.is_success())
        .collect()
}

/// What a plain end asks of the run's row `r` and of the state `s` of its endpoint.
pub(crate) static ENDS_PLAINLY: LazyLock<String> = LazyLock::new(|| {
    let causes = Cause::ALL.iter().filter(|cause| cause.may_end_plainly());
    let causes: Vec<String> = causes.map(|cause| format!("'{}'", cause.as_str())).collect();
    format!(
        "r.status <> 'planned'
     AND r.cause IN ({})
     AND s.endpoint_id = r.endpoint_id
     AND s.failures = 0
     AND COALESCE(s.last_outcome, 'ok') <> 'failed'
     AND s.slowed_until IS NULL
     AND s.busy_cadences = 0
     AND NOT EXISTS (SELECT 1 FROM hints h WHERE h.endpoint_id = r.endpoint_id)",
        causes.join(", ")
    )
});

/// What a plain end makes of the state of the endpoint.
pub(crate) const FREED: &str = "busy_runs    = CASE WHEN busy_runs > 1 THEN busy_runs - 1 ELSE 0 END,
           busy_since   = CASE WHEN busy_runs > 1 THEN busy_since END,
           last_outcome = 'ok'";

/// What a plain end decides of the run, by column; everything else moves to the history as it stands in the queue. The
/// values are those of `n`.
pub(crate) fn plainly(column: &str) -> String {
    match column {
        "status" => "'succeeded'".to_owned(),
        "error" => "NULL".to_owned(),
        "finished_at" | "duration_us" | "status_code" | "response" | "response_truncated" => format!("n.{column}"),
        _ => format!("r.\"{column}\""),
    }
}

/// The runs of a batch whose ends were recorded as plain ones.
#[derive(Debug, Default)]
pub(crate) struct PlainEnds(HashSet<RunId>);

impl FromIterator<RunId> for PlainEnds {
    fn from_iter<T: IntoIterator<Item = RunId>>(runs: T) -> Self {
        Self(runs.into_iter().collect())
    }
}

impl PlainEnds {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left of the batch: often all of it.
    pub fn rest_of<'a>(&self, reports: &'a [FinishedRun]) -> Cow<'a, [FinishedRun]> {
        if self.is_empty() {
            return Cow::Borrowed(reports);
        }
        let is_left = |report: &&FinishedRun| !self.0.contains(&report.run_id);
        reports.iter().filter(is_left).cloned().collect()
    }

    /// An answer for each report of the batch, with those to the rest of it.
    pub fn and(&self, rest: Answers, reports: &[FinishedRun]) -> Answers {
        let mut rest = rest.into_iter();
        let answer = |report: &FinishedRun| {
            if self.0.contains(&report.run_id) {
                Some(Settled::Succeeded)
            } else {
                rest.next().flatten()
            }
        };
        reports.iter().map(answer).collect()
    }
}

/// The positions of the reports of each endpoint, in order.
pub(crate) fn by_endpoint(reports: &[FinishedRun]) -> BTreeMap<EndpointId, Vec<usize>> {
    let mut positions: BTreeMap<EndpointId, Vec<usize>> = BTreeMap::new();
    for (position, report) in reports.iter().enumerate() {
        positions.entry(report.endpoint_id).or_default().push(position);
    }
    positions
}
