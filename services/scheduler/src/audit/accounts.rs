//! What the ledger says became of cadence times: runs of their own, and skipped rows that stand for several.
//!
//! Each row is handed out to the due times it covers, each time once. What is left over in the end was not due.

use std::collections::BTreeMap;

use baton_domain::{
    run::{Run, RunStatus},
    time::Timestamp,
};

use super::rules::Bounds;

/// The rows of one endpoint that stand for cadence times.
pub struct Accounts<'a> {
    /// By planned time. A time may have several rows when something is wrong.
    own: BTreeMap<Timestamp, Vec<&'a Run>>,
    windows: Vec<Window<'a>>,
}

/// A row that stands for `left` more times from `first` to `last`.
#[derive(Debug, Clone, Copy)]
struct Window<'a> {
    run: &'a Run,
    first: Timestamp,
    last: Timestamp,
    count: u32,
    left: u32,
}

/// A row that no due time asked for, or that stands for more of them than there were.
pub struct LeftOver<'a> {
    pub run: &'a Run,
    /// Of how many times.
    pub count: u32,
    /// So many more than were due.
    pub left: u32,
}

impl<'a> Accounts<'a> {
    /// Of the cadence rows among these.
    pub fn of(runs: impl Iterator<Item = &'a Run>) -> Self {
        let mut accounts = Self {
            own: BTreeMap::new(),
            windows: Vec::new(),
        };
        for run in runs.filter(|run| stands_for_a_time(run)) {
            match run.missed {
                Some(missed) => accounts.windows.push(Window {
                    run,
                    first: missed.first,
                    last: missed.last,
                    count: missed.count,
                    left: missed.count,
                }),
                None => accounts.own.entry(run.planned_at).or_default().push(run),
            }
        }
        accounts.windows.sort_by_key(|window| (window.first, window.last));
        accounts
    }

    /// The row that accounts for this very time.
    pub fn take(&mut self, time: Timestamp) -> Option<&'a Run> {
        if let Some(run) = self.own.get_mut(&time).and_then(Vec::pop) {
            return Some(run);
        }
        let started = self.windows.partition_point(|window| window.first <= time);
        let covering = self.windows[..started]
            .iter_mut()
            .rev()
            .find(|window| window.last >= time && window.left > 0)?;
        covering.left -= 1;
        Some(covering.run)
    }

    /// This very row, if it has not been handed out.
    pub fn take_own(&mut self, run: &Run) -> bool {
        let Some(rows) = self.own.get_mut(&run.planned_at) else {
            return false;
        };
        let before = rows.len();
        rows.retain(|row| row.id != run.id);
        rows.len() < before
    }

    /// The earliest row within the bounds; a window is taken as a whole. Returns the time it reaches up to as well.
    pub fn take_within(&mut self, bounds: Bounds) -> Option<(&'a Run, Timestamp)> {
        let first = (bounds.after, bounds.until);
        let own = self
            .own
            .range(first.0..=first.1)
            .find(|(time, runs)| !runs.is_empty() && bounds.admit(**time))
            .map(|(time, _)| *time);
        let window = self
            .windows
            .iter_mut()
            .find(|window| window.left > 0 && bounds.admit(window.first))
            .filter(|window| own.is_none_or(|own| window.first < own));
        if let Some(window) = window {
            window.left = 0;
            return Some((window.run, window.last));
        }
        let time = own?;
        let run = self.own.get_mut(&time).and_then(Vec::pop)?;
        Some((run, time))
    }

    /// Rows that nothing asked for, by planned time.
    pub fn left_over(&self) -> Vec<LeftOver<'a>> {
        let own = self
            .own
            .values()
            .flatten()
            .map(|run| LeftOver { run, count: 1, left: 1 });
        let windows = self.windows.iter().filter(|window| window.left > 0);
        let windows = windows.map(|window| LeftOver {
            run: window.run,
            count: window.count,
            left: window.left,
        });
        let mut left: Vec<_> = own.chain(windows).collect();
        left.sort_by_key(|left| left.run.planned_at);
        left
    }
}

/// False for runs that are no cadence, and for plans that were cancelled before their time came.
pub fn stands_for_a_time(run: &Run) -> bool {
    let never_due = run.status == RunStatus::Cancelled
        && run.started_at.is_none()
        && run.finished_at.is_some_and(|finished| run.due_at > finished);
    run.cause.is_cadence() && !never_due
}
