//! The ledger: which cadence times come due, enumerated naively from what it sees happen.

use std::time::Duration;

use chrono::TimeDelta;

use crate::{
    endpoint::{Baseline, Endpoint, Overlap, Pause},
    hint::{Author, Hint},
    run::Cause,
    schedule::Schedule,
    time::Timestamp,
};

use super::{super::world::World, Event};

pub(super) struct Ledger {
    /// Every time that has come due, in order.
    pub times: Vec<Timestamp>,
    endpoint: Endpoint,
    hints: Vec<Hint>,
    failures: u32,
    last_claimed: Option<Timestamp>,
    /// The last time that came due; creation at first.
    anchor: Timestamp,
    /// Times up to here are over.
    cursor: Timestamp,
    /// When something last happened: what it let come due is due since then.
    seen: Timestamp,
}

/// A time, and when it comes due.
type Due = (Timestamp, Timestamp);

impl Ledger {
    pub fn new(schedule: &Schedule) -> Self {
        Self {
            times: Vec::new(),
            endpoint: schedule.endpoint.clone(),
            hints: Vec::new(),
            failures: 0,
            last_claimed: None,
            anchor: schedule.endpoint.created_at,
            cursor: schedule.endpoint.created_at,
            seen: schedule.endpoint.created_at,
        }
    }

    /// Notes what comes due up to `now`, if nothing happens before.
    pub fn advance(&mut self, now: Timestamp) {
        while let Some((time, due)) = self.next().filter(|(_, due)| *due <= now) {
            self.times.push(time);
            self.anchor = time;
            self.cursor = due.max(self.seen);
        }
    }

    /// Takes over what an event changed. Ends and resumptions move the cursor, as does the end of a pause.
    pub fn follow(&mut self, world: &World, event: &Event, history_before: usize) {
        let claimed = world.in_flight.last().filter(|_| matches!(event, Event::Claim));
        let claimed = claimed
            .map(|row| &row.run)
            .filter(|run| run.started_at == Some(world.now));
        let changed = world.schedule.state.changed_at == world.now;
        let ended = &world.history[history_before..];
        if claimed.is_none() && !changed && ended.is_empty() {
            return;
        }
        // What goes before a hinted time keeps it at its distance, however late the claim.
        let (extra, cadence) = match claimed {
            Some(run) if !run.cause.is_cadence() => (Some(run.planned_at), None),
            other => (None, other.map(|run| run.planned_at)),
        };
        self.last_claimed = self.last_claimed.max(extra);
        self.advance(world.now);
        self.last_claimed = self.last_claimed.max(cadence);
        let paused_until = self.pause_end().filter(|end| *end <= world.now);
        self.cursor = self.cursor.max(paused_until.unwrap_or(self.cursor));
        let ended_cadence = ended
            .iter()
            .any(|run| run.started_at.is_some() && run.cause.is_cadence());
        let resumed = matches!(event, Event::Resume) && self.is_paused(world.now);
        let in_force = |hint: &Hint| hint.is_pause() && hint.expires_at > world.now;
        let cleared = matches!(event, Event::Clear { kind: "pause" }) && self.hints.iter().any(in_force);
        let beside = cadence.is_some() && matches!(world.schedule.endpoint.overlap, Overlap::Allow { .. });
        if beside || ended_cadence || resumed || cleared || matches!(event, Event::Redefine { .. }) {
            self.cursor = world.now;
        }
        self.endpoint = world.schedule.endpoint.clone();
        self.hints.clone_from(&world.schedule.hints);
        self.failures = world.schedule.state.failures;
        self.seen = world.now;
        // Behind a cadence time that waits or runs only times after a change count.
        let rows = world.schedule.plan_row.iter().chain(&world.in_flight);
        let mut known = rows.filter(|row| row.run.cause.is_cadence());
        if changed && known.any(|row| self.times.contains(&row.run.planned_at)) {
            self.cursor = self.cursor.max(world.now);
        }
        // What a change lets come due at once is due now.
        self.advance(world.now);
    }

    fn is_paused(&self, now: Timestamp) -> bool {
        match self.endpoint.pause {
            Some(Pause::UntilResumed) => true,
            Some(Pause::Until(end)) => end > now,
            None => false,
        }
    }

    fn pause_end(&self) -> Option<Timestamp> {
        let own = match self.endpoint.pause {
            Some(Pause::UntilResumed) => Some(Timestamp::MAX_UTC),
            Some(Pause::Until(end)) => Some(end),
            None => None,
        };
        let hinted = self
            .hints
            .iter()
            .filter(|hint| hint.is_pause())
            .map(|hint| hint.expires_at);
        own.max(hinted.max())
    }

    fn next(&self) -> Option<Due> {
        let floor = self.pause_end().unwrap_or(Timestamp::MIN_UTC);
        if floor == Timestamp::MAX_UTC {
            return None;
        }
        let from = self.cursor.max(floor);
        let hinted = self.hinted(from, floor);
        if matches!(self.endpoint.baseline, Baseline::Cron(_)) {
            // Every full minute.
            let minute = self.walk(crate::governor::sample::at(0), Duration::from_secs(60), from);
            let hinted = hinted.filter(|(_, due)| *due < minute);
            return Some(hinted.unwrap_or((minute, minute)));
        }
        hinted.or_else(|| self.own(from, self.void_until(from, floor)))
    }

    /// The interval hints that count at some time, a person's first.
    fn fresh(&self, at: Timestamp) -> Option<&Hint> {
        let of = |author: Author| {
            let mut mine = self.hints.iter().filter(move |hint| hint.author == author);
            mine.find(|hint| hint.interval().is_some() && hint.expires_at > at)
        };
        of(Author::Person).or_else(|| of(Author::Planner))
    }

    fn hinted(&self, from: Timestamp, floor: Timestamp) -> Option<Due> {
        let mut floor = floor;
        while let Some(hint) = self.fresh(floor.max(self.cursor).max(self.seen)) {
            let due = self.by_hint(hint, from, floor);
            if due.0 <= hint.expires_at {
                return Some(due);
            }
            floor = hint.expires_at;
        }
        None
    }

    /// Behind the expiries of all hints that have no time left.
    fn void_until(&self, from: Timestamp, floor: Timestamp) -> Timestamp {
        let mut floor = floor;
        while let Some(hint) = self.fresh(floor.max(self.cursor).max(self.seen)) {
            if self.by_hint(hint, from, floor).0 <= hint.expires_at {
                break;
            }
            floor = hint.expires_at;
        }
        floor
    }

    fn by_hint(&self, hint: &Hint, from: Timestamp, floor: Timestamp) -> Due {
        let step = self
            .endpoint
            .clamp_hint_interval(hint.interval().expect("an interval hint"));
        let first = self.anchor + TimeDelta::from_std(step).expect("a short step");
        let time = if first > hint.written_at {
            self.walk(self.anchor, step, from)
        } else if from <= hint.written_at {
            hint.written_at
        } else {
            self.walk(hint.written_at, step, from)
        };
        let min = TimeDelta::from_std(self.endpoint.min_interval).expect("a short interval");
        let moved = self.last_claimed.map_or(time, |last| time.max(last + min));
        if moved > time
            && time <= hint.expires_at
            && let Some(own) = self.own(from, floor.max(time)).filter(|own| own.1 < moved.max(floor))
        {
            return own;
        }
        (moved, moved.max(floor))
    }

    fn own(&self, from: Timestamp, floor: Timestamp) -> Option<Due> {
        let interval = self.endpoint.interval()?;
        let mut step = interval;
        for _ in 0..self.failures.min(5) {
            step *= 2;
        }
        step = step.min(interval.max(Duration::from_secs(3_600)));
        let time = self.walk(self.anchor, step, from);
        Some((time, time.max(floor)))
    }

    /// Step by step from `start` until later than `from`.
    fn walk(&self, start: Timestamp, step: Duration, from: Timestamp) -> Timestamp {
        let step = TimeDelta::from_std(step).expect("a short step");
        let mut time = start + step;
        while time <= from {
            time += step;
        }
        time
    }
}

/// What the ledger calls a cadence is what the domain calls one.
#[test]
fn cadence_causes() {
    let cadence: Vec<_> = Cause::ALL.iter().filter(|cause| cause.is_cadence()).collect();
    assert_eq!(cadence, [&Cause::Cron, &Cause::Interval, &Cause::HintInterval]);
}
