//! Every combination of what the end of a run looks at: the run, its endpoint, its hints, and what changed meanwhile.

use std::time::Duration;

use baton_domain::{
    call::{CallError, CallErrorKind, CallOutcome},
    endpoint::{Baseline, Busy, Endpoint, EndpointState, EndpointStatus, Overlap, Pause},
    fixtures::contract::World,
    hint::{Author, Hint, Instruction},
    ids::{EndpointId, HintId, RunId},
    ports::Tx,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    schedule::{FinishedRun, Schedule},
    time::{Timestamp, after, before},
};

use crate::claims::situations::{SECOND, endpoint, id};

/// One combination.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    baseline: Option<Duration>,
    overlap: Overlap,
    cause: Cause,
    outcome: Outcome,
    hint: HintKind,
    change: Change,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
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

/// Every combination.
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
        for cause in [Cause::Interval, Cause::HintOneShot, Cause::Manual, Cause::PlanStep] {
            for outcome in [Outcome::Ok, Outcome::Rejected, Outcome::Retryable, Outcome::LastAttempt] {
                for hint in [HintKind::None, HintKind::Interval, HintKind::Expired, HintKind::OneShot] {
                    for change in [
                        Change::None,
                        Change::Paused,
                        Change::Archived,
                        Change::Deleted,
                        Change::ClaimedAgain,
                        Change::TakenBack,
                    ] {
                        all.push(Situation {
                            baseline,
                            overlap,
                            cause,
                            outcome,
                            hint,
                            change,
                        });
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

    /// How many other cadence runs are in flight.
    fn others(self) -> u32 {
        self.overlap.room() - 1
    }

    fn row(self, number: usize) -> LiveRun {
        let source = match self.cause {
            Cause::Manual => Source::MANUAL,
            Cause::Interval => Source::BASELINE,
            _ => Source::AI_HINT,
        };
        let (endpoint, user) = (endpoint(number), endpoint(number).user_id);
        let mut run = Run::planned(RunId(id(2, number)), endpoint.id, user, source, self.cause, started());
        run.job_id = endpoint.job_id;
        run.attempt = if self.outcome == Outcome::LastAttempt { 3 } else { 1 };
        run.started_at = Some(started());
        let waits = self.change == Change::TakenBack;
        run.status = if waits { RunStatus::Planned } else { RunStatus::Running };
        let slot = match self.cause {
            Cause::Manual | Cause::PlanStep => Slot::Extra,
            _ => Slot::Taken,
        };
        let mut row = LiveRun::waiting(run, slot);
        row.fence = 7;
        row.losses = u32::from(waits);
        row.lease_owner = (!waits).then(|| "engine".to_owned());
        row.lease_until = (!waits).then(|| after(started(), 15 * SECOND));
        row
    }

    fn state(self, number: usize) -> EndpointState {
        EndpointState {
            anchor: started(),
            cursor: before(started(), 10 * SECOND),
            failures: u32::try_from(number % 3).expect("it is small"),
            last_planned_at: Some(started()),
            busy: Some(Busy {
                runs: 1 + self.others(),
                cadences: u32::from(self.cause.is_cadence()) + self.others(),
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
            Outcome::Ok => ok,
            Outcome::Rejected => CallOutcome {
                status_code: Some(400),
                ..ok
            },
            Outcome::Retryable | Outcome::LastAttempt => CallOutcome {
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
            fence: if self.change == Change::ClaimedAgain { 6 } else { 7 },
            outcome,
        }
    }
}

/// Writes the endpoint and the rows of a situation; `number` makes its ids.
pub async fn add(tx: &mut dyn Tx, situation: Situation, number: usize) {
    if situation.change == Change::Deleted {
        return;
    }
    let mut schedule = Schedule::new(situation.endpoint(number), None, situation.state(number));
    schedule.hints = situation.hint(number).into_iter().collect();
    tx.insert_schedule(&schedule).await.expect("the endpoint is new");
    tx.enqueue(&[situation.row(number)]).await.expect("the row is new");
}
