//! What a batch of reports comes to, before anything is written: the one place where ends of runs are judged.
//!
//! Called by [`StoreQueue`](super::StoreQueue) and by stores that load and write the same rows in a way of their own.
//! Pure: it knows no store; whoever calls it holds the locks of the endpoints.

use std::collections::BTreeMap;

use crate::{
    ids::{Chance, EndpointId, RunId},
    run::{Cause, LiveRun, Run, RunStatus},
    schedule::{Ended, FinishedRun, Schedule, Settled},
    time::Timestamp,
};

/// A run that has just become terminal.
#[derive(Debug, Clone)]
pub struct Over {
    pub run: Run,
    /// The endpoint went from ok to failing or back.
    pub class_changed: bool,
}

impl Over {
    /// True when the planning row of the run's job may have to change: planners ask again, or a plan's wave is over.
    pub fn concerns_planners(&self) -> bool {
        (self.class_changed || self.run.cause == Cause::PlanStep) && self.run.job_id.is_some()
    }
}

/// Ends of attempts within one transaction, sorted by where they go.
#[derive(Debug, Default)]
pub struct Ends {
    /// Back to the queue, rows that are there already.
    pub again: Vec<LiveRun>,
    /// From the queue to the history.
    pub over: Vec<Over>,
}

impl Ends {
    pub(super) fn take(&mut self, ended: Ended) -> Settled {
        match ended {
            Ended::Again(row) => {
                self.again.push(row);
                Settled::Retried
            }
            Ended::Over { run, class_changed } => {
                let settled = match run.status {
                    RunStatus::Succeeded => Settled::Succeeded,
                    _ => Settled::Failed,
                };
                self.over.push(Over { run, class_changed });
                settled
            }
        }
    }

    /// The attempts that are kept beside the queue: a run goes on after them, but something went wrong.
    pub fn kept_attempts(&self) -> impl Iterator<Item = &Run> {
        self.again.iter().map(|row| &row.run).filter(|run| run.error.is_some())
    }
}

/// Applies the reports in order. `rows` are the reported runs as they stand in the queue. One answer a report.
pub fn settle(
    reports: &[FinishedRun],
    schedules: &mut BTreeMap<EndpointId, Schedule>,
    rows: &mut BTreeMap<RunId, LiveRun>,
    now: Timestamp,
    chance: &dyn Chance,
) -> (Vec<Settled>, Ends) {
    let mut ends = Ends::default();
    let mut answers = Vec::with_capacity(reports.len());
    for report in reports {
        let held = rows.get(&report.run_id).is_some_and(|row| row.fence == report.fence);
        let schedule = schedules.get_mut(&report.endpoint_id);
        answers.push(match (held.then(|| rows.remove(&report.run_id)).flatten(), schedule) {
            (Some(row), Some(schedule)) => ends.take(schedule.finish(row, &report.outcome, now, chance)),
            _ => Settled::Refused,
        });
    }
    (answers, ends)
}
