//! Checks what ran beside what: no more at once than there was room for, and overlap treated as the policy of its time says.
//!
//! The policy comes from the record of changes; what was in flight when comes from the starts and ends of the history.
//! Only the last attempt of a run is known there, so a wait for a retry is not counted: that hides, and never invents.

use std::time::Duration;

use baton_domain::{
    run::{Run, RunStatus},
    schedule::{ScheduleChange, Terms},
    time::{Timestamp, after},
};

use super::{findings::Findings, report::Kind};

/// Which policy was in force when, oldest first.
pub struct Policies<'a>(Vec<(Timestamp, &'a Terms)>);

impl<'a> Policies<'a> {
    pub fn of(changes: &'a [ScheduleChange]) -> Self {
        let terms = changes
            .iter()
            .filter_map(|change| Some((change.at, change.terms.as_ref()?)));
        Self(terms.collect())
    }

    /// What was in force at any moment from `from` to `to`, both included. A change at `from` leaves both sides in.
    fn between(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = &'a Terms> {
        let begun = self.0.partition_point(|(at, _)| *at < from);
        let known = self.0[begun.saturating_sub(1)..].iter();
        known.take_while(move |(at, _)| *at <= to).map(|(_, terms)| *terms)
    }

    /// The most runs that could be in flight together at some moment of that time; any number where nothing is known.
    fn most_room(&self, from: Timestamp, to: Timestamp) -> u32 {
        self.between(from, to).map(|terms| terms.room).max().unwrap_or(u32::MAX)
    }

    /// The fewest that left no room at some moment of that time.
    pub fn least_room(&self, from: Timestamp, to: Timestamp) -> usize {
        let least = self.between(from, to).map(|terms| terms.room).min();
        usize::try_from(least.unwrap_or(1)).unwrap_or(usize::MAX).max(1)
    }

    fn skips_all_along(&self, from: Timestamp, to: Timestamp) -> bool {
        let mut known = self.between(from, to).peekable();
        known.peek().is_some() && known.all(|terms| terms.overlap == "skip")
    }

    fn skips_somewhere(&self, from: Timestamp, to: Timestamp) -> bool {
        let mut known = self.between(from, to).peekable();
        known.peek().is_none() || known.any(|terms| terms.overlap == "skip")
    }
}

/// Checks every row of an endpoint.
pub fn check(runs: &[Run], policies: &Policies<'_>, epsilon: Duration, findings: &mut Findings) {
    let mut flights: Vec<Flight<'_>> = runs.iter().filter_map(Flight::of).collect();
    flights.sort_by_key(|flight| (flight.start, flight.run.id));
    for (place, flight) in flights.iter().enumerate() {
        let before = &flights[..place];
        check_room(flight, before, policies, epsilon, findings);
        check_skipping(flight, before, policies, findings);
    }
    for run in runs {
        check_reason(run, policies, findings);
    }
}

/// The last attempt of a run.
struct Flight<'a> {
    run: &'a Run,
    start: Timestamp,
    /// `None` while it is in the air.
    end: Option<Timestamp>,
}

impl<'a> Flight<'a> {
    fn of(run: &'a Run) -> Option<Self> {
        let start = run.started_at?;
        let end = run.finished_at;
        Some(Self { run, start, end })
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.start < at && self.end.is_none_or(|end| end > at)
    }
}

fn check_room(
    flight: &Flight<'_>,
    before: &[Flight<'_>],
    policies: &Policies<'_>,
    epsilon: Duration,
    findings: &mut Findings,
) {
    // Clocks are read a little before what they stand for is committed.
    let settled = after(flight.start, epsilon);
    let beside = before
        .iter()
        .filter(|other| other.holds(flight.start) && other.holds(settled));
    let (beside, room) = (beside.count(), policies.most_room(flight.run.planned_at, flight.start));
    if u32::try_from(beside).is_ok_and(|beside| beside >= room) {
        let detail = format!("started beside {beside} others, with room for {room} in all");
        findings.add(Kind::Unexplained, flight.run.planned_at, detail);
    }
}

/// Where overlap is skipped, what came due while a cadence run was in flight does not run.
fn check_skipping(flight: &Flight<'_>, before: &[Flight<'_>], policies: &Policies<'_>, findings: &mut Findings) {
    let due = flight.run.due_at;
    let behind = before
        .iter()
        .filter(|other| other.run.cause.is_cadence() && other.holds(due));
    let mut skipping = behind.filter(|other| policies.skips_all_along(other.run.planned_at, flight.start));
    if flight.run.cause.is_cadence() && skipping.next().is_some() {
        let detail = "came due while a cadence run was in flight, and was not skipped";
        findings.add(Kind::Unexplained, flight.run.planned_at, detail);
    }
}

fn check_reason(run: &Run, policies: &Policies<'_>, findings: &mut Findings) {
    let overlapped = run.status == RunStatus::Skipped && run.reason.as_deref() == Some("overlap");
    let Some(at) = run.finished_at.filter(|_| overlapped) else {
        return;
    };
    if !policies.skips_somewhere(at, at) {
        let detail = "is recorded as overlap, which this endpoint does not skip";
        findings.add(Kind::Unexplained, run.planned_at, detail);
    }
}

#[cfg(test)]
mod tests;
