//! One endpoint with the least of an engine: time is set by hand, a due cadence row is claimed before the rest, and no more
//! runs are in flight than there is room for.

use std::time::Duration;

use crate::{
    call::CallOutcome,
    endpoint::{Endpoint, EndpointState, Overlap},
    governor::sample::{Dice, at},
    hint::{Author, Hint, Instruction},
    ids::{RunId, uuid_at},
    limits::PlanLimits,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    schedule::{Dirty, Ended, HintDraft, HintVerdict, Holder, Schedule, Trigger},
    time::{Timestamp, after},
};

pub(super) struct World {
    pub schedule: Schedule,
    pub now: Timestamp,
    /// The runs in flight, those that wait for their next attempt included, in the order of their first starts.
    pub in_flight: Vec<LiveRun>,
    /// Manual runs and steps that wait.
    pub extras: Vec<LiveRun>,
    /// Everything that has ended, in order.
    pub history: Vec<Run>,
    pub dice: Dice,
    pub limits: PlanLimits,
}

pub(super) fn succeeded() -> CallOutcome {
    answered(200)
}

pub(super) fn answered(status: u16) -> CallOutcome {
    CallOutcome {
        status_code: Some(status),
        ..CallOutcome::default()
    }
}

impl World {
    /// Created at ten o'clock.
    pub fn new(endpoint: Endpoint) -> Self {
        let mut world = Self {
            schedule: Schedule::new(endpoint, None, EndpointState::new(at(0))),
            now: at(0),
            in_flight: Vec::new(),
            extras: Vec::new(),
            history: Vec::new(),
            dice: Dice::default(),
            limits: PlanLimits::default(),
        };
        world.change(|schedule, now, dice| schedule.start(now, dice));
        world
    }

    /// One transition at the present, with its ended runs collected and the invariants checked.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Schedule, Timestamp, &Dice) -> T) -> T {
        let result = change(&mut self.schedule, self.now, &self.dice);
        self.history.append(&mut self.schedule.ended);
        if let Some(row) = &self.schedule.plan_row {
            assert_eq!((row.slot, row.run.status), (Slot::Plan, RunStatus::Planned));
            assert!(row.run.due_at >= row.run.planned_at);
            let only_due = match self.schedule.endpoint.overlap {
                Overlap::Skip => false,
                Overlap::Queue => row.run.due_at <= self.now,
                Overlap::Allow { .. } => true,
            };
            let waits_for_end = self.schedule.state.runs_cadence() && !only_due;
            assert!(!waits_for_end, "a plan row while a cadence run is in flight");
        }
        result
    }

    /// The run that has been in flight for longest.
    pub fn busy(&self) -> Option<&LiveRun> {
        self.in_flight.first()
    }

    /// The state counts what is in flight.
    fn check_places(&self) {
        let cadences = self.in_flight.iter().filter(|row| row.run.cause.is_cadence()).count();
        let counted = self
            .schedule
            .state
            .busy
            .map_or((0, 0), |busy| (busy.runs, busy.cadences));
        let seen = (self.in_flight.len(), cadences);
        assert_eq!((counted.0 as usize, counted.1 as usize), seen, "places on the endpoint");
    }

    pub fn go(&mut self, seconds: i64) {
        self.go_to(at(seconds));
    }

    pub fn go_to(&mut self, now: Timestamp) {
        assert!(now >= self.now, "time goes one way");
        self.now = now;
    }

    /// When something can be claimed next, while nothing is in flight.
    pub fn next_due(&self) -> Option<Timestamp> {
        let again = self.in_flight.iter().filter(|row| row.run.status == RunStatus::Planned);
        let fresh = self.schedule.plan_row.iter().chain(&self.extras);
        let fresh = fresh.filter(|_| self.schedule.state.has_room());
        again.chain(fresh).map(|row| row.run.due_at).min()
    }

    /// Claims what goes first of what is due.
    pub fn claim(&mut self) -> Option<Run> {
        let row = self.take_due()?;
        assert!(row.run.due_at <= self.now, "never early");
        let holder = Holder {
            owner: "engine",
            lease_until: after(self.now, Duration::from_secs(15)),
        };
        let row = self.change(|schedule, now, dice| schedule.claim(row, &holder, now, dice));
        let run = row.run.clone();
        match self.in_flight.iter_mut().find(|other| other.run.id == run.id) {
            Some(place) => *place = row,
            None => self.in_flight.push(row),
        }
        self.check_places();
        Some(run)
    }

    fn take_due(&mut self) -> Option<LiveRun> {
        let now = self.now;
        let is_due = |row: &LiveRun| row.run.status == RunStatus::Planned && row.run.due_at <= now;
        if let Some(again) = self.in_flight.iter().find(|row| is_due(row)) {
            return Some(again.clone());
        }
        if !self.schedule.state.has_room() {
            return None;
        }
        let planned = self.schedule.plan_row.clone().filter(is_due);
        let first = (0..self.extras.len())
            .filter(|index| is_due(&self.extras[*index]))
            .min_by_key(|index| self.extras[*index].run.due_at);
        match (planned, first) {
            (Some(row), None) => Some(row),
            (Some(row), Some(extra)) => {
                let goes_first = row.run.cause.is_cadence() || row.run.due_at <= self.extras[extra].run.due_at;
                Some(if goes_first { row } else { self.extras.remove(extra) })
            }
            (None, extra) => extra.map(|index| self.extras.remove(index)),
        }
    }

    /// Reports the run that has been in flight for longest.
    pub fn report(&mut self, outcome: &CallOutcome) -> RunStatus {
        self.report_of(0, outcome)
    }

    /// Reports the run in flight at this place.
    pub fn report_of(&mut self, place: usize, outcome: &CallOutcome) -> RunStatus {
        let row = self.in_flight[place].clone();
        let plain = outcome.is_success() && self.schedule.ends_plainly(row.run.cause);
        let since = self.schedule.state.busy.expect("a run is in flight").since;
        let ended = self.change(|schedule, now, dice| schedule.finish(row, outcome, now, dice));
        if plain {
            self.check_plain_end(since);
        }
        self.take_end(place, ended)
    }

    /// What any other end goes on to do changes nothing.
    fn check_plain_end(&self, since: Timestamp) {
        let mut after = self.schedule.clone();
        after.dirty = Dirty::default();
        after.hold_due_one_shots(since, self.now);
        after.drop_expired_hints(self.now);
        after.replan(Trigger::RunEnded, self.now, &self.dice);
        assert_eq!(
            after.dirty,
            Dirty::default(),
            "a plain end changes more than the run's place"
        );
        assert_eq!(
            (&after.state, &after.plan_row),
            (&self.schedule.state, &self.schedule.plan_row)
        );
        assert!(after.ended.is_empty() && after.changes.len() == self.schedule.changes.len());
    }

    /// The lease of the run that has been in flight for longest has run out.
    pub fn lose(&mut self) -> RunStatus {
        let row = self.in_flight[0].clone();
        let ended = self.change(|schedule, now, dice| schedule.lose(row, now, dice));
        self.take_end(0, ended)
    }

    fn take_end(&mut self, place: usize, ended: Ended) -> RunStatus {
        let status = match ended {
            Ended::Again(row) => {
                assert_eq!(row.run.status, RunStatus::Planned);
                self.in_flight[place] = row;
                RunStatus::Planned
            }
            Ended::Over { run, .. } => {
                let status = run.status;
                self.in_flight.remove(place);
                self.history.push(run);
                status
            }
        };
        self.check_places();
        status
    }

    /// Claims at the present and reports success `seconds` later.
    #[track_caller]
    pub fn run_for(&mut self, seconds: i64) -> Run {
        let run = self.claim().expect("something is due");
        self.go_to(self.now + chrono::TimeDelta::seconds(seconds));
        self.report(&succeeded());
        run
    }

    /// Runs what comes due, each call taking `call` and ending as `outcome` says, until `until`.
    pub fn live_until(&mut self, until: i64, call: i64, outcome: impl Fn(&Run) -> CallOutcome) {
        while let Some(due) = self.next_due().filter(|due| *due < at(until)) {
            self.go_to(due.max(self.now));
            let run = self.claim().expect("something is due");
            self.go_to(self.now + chrono::TimeDelta::seconds(call));
            self.report(&outcome(&run));
        }
    }

    pub fn hint(&mut self, author: Author, instruction: Instruction, expires_at: i64) -> HintVerdict {
        self.hint_until(author, instruction, at(expires_at))
    }

    pub fn hint_until(&mut self, author: Author, instruction: Instruction, expires_at: Timestamp) -> HintVerdict {
        let draft = HintDraft {
            author,
            instruction,
            expires_at,
            reason: "because".to_owned(),
            plan_id: None,
        };
        let limits = self.limits;
        self.change(|schedule, now, dice| schedule.apply_hint(draft, &limits, now, dice))
    }

    pub fn clear(&mut self, unwanted: impl Fn(&Hint) -> bool) -> usize {
        self.change(|schedule, now, dice| schedule.clear_hints(unwanted, now, dice))
    }

    /// A planner's step that may start at once.
    pub fn add_step(&mut self) {
        self.add_extra(Source::AI_HINT, Cause::PlanStep);
    }

    /// A run that may start at once.
    pub fn add_extra(&mut self, source: Source, cause: Cause) {
        let id = RunId(uuid_at(self.now, &self.dice));
        let endpoint = &self.schedule.endpoint;
        let run = Run::planned(id, endpoint.id, endpoint.user_id.clone(), source, cause, self.now);
        self.extras.push(LiveRun::waiting(run, Slot::Extra));
    }

    /// Time and cause of the plan row.
    pub fn planned(&self) -> Option<(Timestamp, Cause)> {
        let row = self.schedule.plan_row.as_ref()?;
        Some((row.run.planned_at, row.run.cause))
    }

    /// Planned times of what ended after a start, by cause.
    pub fn times_of(&self, cause: Cause) -> Vec<Timestamp> {
        let started = self.history.iter().filter(|run| run.started_at.is_some());
        started
            .filter(|run| run.cause == cause)
            .map(|run| run.planned_at)
            .collect()
    }

    /// First, last and count of every skipped row, with its reason.
    pub fn skipped(&self) -> Vec<(Timestamp, Timestamp, u32, &str)> {
        let missed = self.history.iter().filter_map(|run| {
            let missed = run.missed?;
            Some((missed.first, missed.last, missed.count, run.reason.as_deref()?))
        });
        missed.collect()
    }
}
