//! Every combination of what the end of a run looks at: the run, its endpoint, its hints, and what changed meanwhile.

use std::time::Duration;

use baton_domain::{
    call::{CallError, CallErrorKind, CallOutcome},
    endpoint::{Baseline, Busy, Endpoint, EndpointState, EndpointStatus, Outcome, Overlap, Pause, Slowed},
    fixtures::contract::World,
    hint::{Author, Hint, Instruction},
    ids::{Chance, EndpointId, HintId, RunId},
    ports::Tx,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    schedule::{FinishedRun, Schedule, Trigger},
    time::{Timestamp, after, before},
};

use crate::claims::situations::{SECOND, endpoint, id};

/// One combination.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    baseline: Option<Duration>,
    overlap: Overlap,
    cause: Cause,
    outcome: Ending,
    hint: HintKind,
    change: Change,
    standing: Standing,
}

/// What the endpoint carries from earlier runs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Standing {
    failures: u32,
    last_outcome: Option<Outcome>,
    /// A slowing hint's end, from the start of the run.
    slowed_for: Option<Duration>,
    /// A cadence run is in flight, too.
    beside: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Ending {
    Ok,
    /// A failure that no retry helps.
    Rejected,
    Retryable,
    /// A failure that would be tried again if it were not the last attempt.
    LastAttempt,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum HintKind {
    None,
    Interval,
    Expired,
    /// Came due while the run was in flight.
    OneShot,
}

/// What happened to the endpoint while the run was in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    None,
    Paused,
    Archived,
    Deleted,
    /// Somebody else claimed the run after its lease had run out.
    ClaimedAgain,
    /// The lease ran out, and the run waits again.
    TakenBack,
}

/// Every combination of what a plain end depends on.
fn standings() -> Vec<Standing> {
    let mut all = Vec::new();
    for failures in [0, 2] {
        for last_outcome in [None, Some(Outcome::Ok), Some(Outcome::Failed)] {
            for slowed_for in [None, Some(SECOND), Some(60 * SECOND)] {
                for beside in [false, true] {
                    all.push(Standing {
                        failures,
                        last_outcome,
                        slowed_for,
                        beside,
                    });
                }
            }
        }
    }
    all
}

/// Every combination; those of what a plain end depends on where it may be one.
pub fn situations() -> Vec<Situation> {
    let mut all = Vec::new();
    let allow = Overlap::Allow { max_concurrency: 3 };
    for (baseline, overlap) in [
        (None, Overlap::Skip),
        (Some(SECOND), Overlap::Skip),
        (Some(60 * SECOND), Overlap::Skip),
        (Some(SECOND), Overlap::Queue),
        (Some(SECOND), allow),
    ] {
        for cause in [
            Cause::Interval,
            Cause::HintOneShot,
            Cause::Manual,
            Cause::Retry,
            Cause::PlanStep,
        ] {
            for outcome in [Ending::Ok, Ending::Rejected, Ending::Retryable, Ending::LastAttempt] {
                for hint in [HintKind::None, HintKind::Interval, HintKind::Expired, HintKind::OneShot] {
                    for change in [
                        Change::None,
                        Change::Paused,
                        Change::Archived,
                        Change::Deleted,
                        Change::ClaimedAgain,
                        Change::TakenBack,
                    ] {
                        let situation = |standing| Situation {
                            baseline,
                            overlap,
                            cause,
                            outcome,
                            hint,
                            change,
                            standing,
                        };
                        let standings = standings();
                        let may_be_plain = cause.may_end_plainly() && outcome == Ending::Ok;
                        match (may_be_plain, hint) {
                            (true, HintKind::None) => all.extend(standings.into_iter().map(situation)),
                            // It alone stands against it.
                            (true, _) => all.push(situation(standings[0])),
                            (false, _) => all.push(situation(standings[all.len() % standings.len()])),
                        }
                    }
                }
            }
        }
    }
    all
}

/// When every run started.
fn started() -> Timestamp {
    before(World::start(), 5 * SECOND)
}

impl Situation {
    fn endpoint(self, number: usize) -> Endpoint {
        Endpoint {
            baseline: self.baseline.map_or(Baseline::Dormant, Baseline::Interval),
            overlap: self.overlap,
            pause: (self.change == Change::Paused).then_some(Pause::UntilResumed),
            status: match self.change {
                Change::Archived => EndpointStatus::Archived,
                _ => EndpointStatus::Active,
            },
            ..endpoint(number)
        }
    }

    /// How many other runs are in flight. More than there is room for where the policy has changed since.
    fn others(self) -> u32 {
        u32::from(self.standing.beside).max(self.overlap.room() - 1)
    }

    pub fn row(self, number: usize) -> LiveRun {
        let source = match self.cause {
            Cause::Manual | Cause::Retry => Source::MANUAL,
            Cause::Interval => Source::BASELINE,
            _ => Source::AI_HINT,
        };
        let (endpoint, user) = (endpoint(number), endpoint(number).user_id);
        let mut run = Run::planned(RunId(id(2, number)), endpoint.id, user, source, self.cause, started());
        run.job_id = endpoint.job_id;
        run.attempt = if self.outcome == Ending::LastAttempt { 3 } else { 1 };
        run.started_at = Some(started());
        let waits = self.change == Change::TakenBack;
        run.status = if waits { RunStatus::Planned } else { RunStatus::Running };
        let slot = match self.cause {
            Cause::Manual | Cause::Retry | Cause::PlanStep => Slot::Extra,
            _ => Slot::Taken,
        };
        let mut row = LiveRun::waiting(run, slot);
        row.fence = 7;
        row.losses = u32::from(waits);
        row.lease_owner = (!waits).then(|| "engine".to_owned());
        row.lease_until = (!waits).then(|| after(started(), 15 * SECOND));
        row
    }

    fn state(self) -> EndpointState {
        EndpointState {
            anchor: started(),
            cursor: before(started(), 10 * SECOND),
            failures: self.standing.failures,
            last_outcome: self.standing.last_outcome,
            slowed: self.standing.slowed_for.map(|until| Slowed {
                since: started(),
                until: after(started(), until),
            }),
            last_planned_at: Some(started()),
            busy: Some(Busy {
                runs: 1 + self.others(),
                cadences: u32::from(self.cause.is_cadence()) + if self.standing.beside { self.others() } else { 0 },
                since: started(),
            }),
            room: self.overlap.room(),
            ..EndpointState::new(before(started(), 60 * SECOND))
        }
    }

    fn hint(self, number: usize) -> Option<Hint> {
        let (instruction, expires_in) = match self.hint {
            HintKind::None => return None,
            HintKind::Interval => (Instruction::Interval(2 * SECOND), 60 * SECOND),
            HintKind::Expired => (Instruction::Interval(2 * SECOND), 3 * SECOND),
            HintKind::OneShot => (Instruction::OneShot(after(started(), 3 * SECOND)), 60 * SECOND),
        };
        Some(Hint {
            id: HintId(id(3, number)),
            endpoint_id: EndpointId(id(1, number)),
            author: Author::Planner,
            instruction,
            written_at: started(),
            expires_at: after(started(), expires_in),
            reason: "because".to_owned(),
            plan_id: None,
            held: false,
        })
    }

    /// True when this would be a plain end if the last run before it had not failed.
    pub fn is_ok_again(self) -> bool {
        let failed = Standing {
            last_outcome: Some(Outcome::Failed),
            ..standings()[0]
        };
        self.is_plain_after(failed)
    }

    /// True for a plain end on an endpoint whose runs may overlap.
    pub fn is_plain_beside_others(self) -> bool {
        self.is_plain_after(standings()[0]) && self.overlap.room() > 1
    }

    fn is_plain_after(self, standing: Standing) -> bool {
        self.standing == standing
            && self.cause.may_end_plainly()
            && (self.outcome, self.hint, self.change) == (Ending::Ok, HintKind::None, Change::None)
    }

    /// True when nothing but the run and its endpoint is touched, whatever the outcome.
    pub fn is_without_job(number: usize) -> bool {
        endpoint(number).job_id.is_none()
    }

    /// What the engine reports of the run.
    pub fn report(self, number: usize) -> FinishedRun {
        let ok = CallOutcome {
            duration: Duration::from_micros(1_234),
            status_code: Some(200),
            response: b"fine".to_vec(),
            ..CallOutcome::default()
        };
        let outcome = match self.outcome {
            Ending::Ok => ok,
            Ending::Rejected => CallOutcome {
                status_code: Some(400),
                ..ok
            },
            Ending::Retryable | Ending::LastAttempt => CallOutcome {
                error: Some(CallError {
                    kind: CallErrorKind::Connect,
                    message: "connection refused".to_owned(),
                }),
                ..CallOutcome::default()
            },
        };
        FinishedRun {
            run_id: RunId(id(2, number)),
            endpoint_id: EndpointId(id(1, number)),
            cause: self.cause,
            fence: if self.change == Change::ClaimedAgain { 6 } else { 7 },
            outcome,
        }
    }
}

/// Ids that no other situation has.
struct OfItsOwn(usize);

impl Chance for OfItsOwn {
    fn bits(&self) -> u128 {
        (self.0 as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

/// Writes the endpoint and the rows of a situation; `number` makes its ids.
pub async fn add(tx: &mut dyn Tx, situation: Situation, number: usize) {
    if situation.change == Change::Deleted {
        return;
    }
    let mut schedule = Schedule::new(situation.endpoint(number), None, situation.state());
    schedule.hints = situation.hint(number).into_iter().collect();
    let row = situation.row(number);
    if row.slot == Slot::Extra {
        // The plan row that it stands beside.
        schedule.replan(Trigger::RunEnded, started(), &OfItsOwn(number));
    }
    tx.insert_schedule(&schedule).await.expect("the endpoint is new");
    tx.enqueue(&[row]).await.expect("the row is new");
}
