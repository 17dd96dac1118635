//! Every combination of what a claim looks at: the row, its endpoint's state, and what waits beside it.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    call::HttpRequest,
    endpoint::{Baseline, Busy, Endpoint, EndpointState, EndpointStatus, Overlap, RetryPolicy, Slowed},
    fixtures::contract::World,
    hint::{Author, Hint, Instruction},
    ids::{EndpointId, HintId, JobId, RunId, UserId},
    job::{Job, JobStatus, PlannerMode},
    ports::Tx,
    run::{Cause, LiveRun, Run, Slot, Source},
    schedule::Schedule,
    time::{Timestamp, after, before},
};
use sea_orm::prelude::Uuid;

pub const SECOND: Duration = Duration::from_secs(1);

/// One combination of what a claim looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    slot: Slot,
    cause: Cause,
    overlap: Overlap,
    attempt: u32,
    /// How many other runs of the endpoint are in flight.
    others: u32,
    slowed: SlowedUntil,
    last_planned: Option<LastPlanned>,
    /// The row uses up a one-shot hint of its endpoint.
    one_shot: bool,
    rival: Rival,
}

/// What waits beside the row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rival {
    None,
    /// A due manual run.
    Manual,
    /// The endpoint's plan row; only beside a row that is not it.
    PlanRow {
        cause: Cause,
        planned_in: Duration,
        past: bool,
    },
}

#[derive(Debug, Clone, Copy)]
enum SlowedUntil {
    Never,
    Past,
    Future,
}

#[derive(Debug, Clone, Copy)]
enum LastPlanned {
    Earlier,
    Later,
}

/// Every combination, slots with the causes they can have.
pub fn situations() -> Vec<Situation> {
    let rows = [
        (Slot::Plan, Cause::Cron),
        (Slot::Plan, Cause::HintInterval),
        (Slot::Plan, Cause::HintOneShot),
        (Slot::Taken, Cause::Interval),
        (Slot::Taken, Cause::HintOneShot),
        (Slot::Extra, Cause::Manual),
        (Slot::Extra, Cause::PlanStep),
        (Slot::Extra, Cause::Test),
    ];
    let mut all = Vec::new();
    for (slot, cause) in rows {
        for attempt in [0, 1] {
            for (overlap, others) in endpoints(slot, attempt) {
                for slowed in [SlowedUntil::Never, SlowedUntil::Past, SlowedUntil::Future] {
                    for last_planned in [None, Some(LastPlanned::Earlier), Some(LastPlanned::Later)] {
                        for (one_shot, rival) in rivals(slot) {
                            all.push(Situation {
                                slot,
                                cause,
                                overlap,
                                attempt,
                                others,
                                slowed,
                                last_planned,
                                one_shot,
                                rival,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

/// Policies, each with how many other runs are in flight. A plan row has no attempt behind it, and one that was taken has:
/// it was by its first claim.
fn endpoints(slot: Slot, attempt: u32) -> Vec<(Overlap, u32)> {
    let allow = |max_concurrency| Overlap::Allow { max_concurrency };
    match (slot, attempt) {
        (Slot::Plan, 1..) | (Slot::Taken, 0) => Vec::new(),
        (_, 0) => vec![
            (Overlap::Skip, 0),
            (Overlap::Skip, 1),
            (Overlap::Queue, 0),
            (allow(3), 2),
            (allow(3), 3),
        ],
        (_, 1..) => vec![(Overlap::Skip, 0), (allow(3), 2)],
    }
}

fn rivals(slot: Slot) -> Vec<(bool, Rival)> {
    let mut rivals = vec![
        (false, Rival::None),
        (true, Rival::None),
        (true, Rival::Manual),
        (false, Rival::Manual),
    ];
    if slot != Slot::Plan {
        for cause in [Cause::Interval, Cause::HintInterval, Cause::HintOneShot] {
            for (planned_in, past) in [
                (SECOND / 2, true),
                (SECOND / 2, false),
                (SECOND, false),
                (2 * SECOND, false),
                (9 * SECOND, false),
            ] {
                rivals.push((
                    false,
                    Rival::PlanRow {
                        cause,
                        planned_in,
                        past,
                    },
                ));
            }
        }
    }
    rivals
}

/// Ids that are the same in both databases.
pub fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((kind << 96) | number as u128)
}

impl Situation {
    fn planned_at(self, number: usize) -> Timestamp {
        before(World::start(), Duration::from_millis((number % 97) as u64))
    }

    fn row(self, number: usize) -> LiveRun {
        let source = match self.cause {
            Cause::PlanStep | Cause::HintInterval | Cause::HintOneShot => Source::AI_HINT,
            Cause::Manual => Source::MANUAL,
            _ => Source::BASELINE,
        };
        let endpoint = EndpointId(id(1, number));
        let mut run = Run::planned(
            RunId(id(2, number)),
            endpoint,
            user(),
            source,
            self.cause,
            self.planned_at(number),
        );
        run.attempt = self.attempt;
        if self.attempt > 0 {
            run.error = Some("HTTP status 500".to_owned());
            run.response = b"oops".to_vec();
            run.status_code = Some(500);
            run.duration = Some(Duration::from_micros(1_234));
            run.started_at = Some(before(World::start(), SECOND));
        }
        let mut row = LiveRun::waiting(run, self.slot);
        row.fence = i64::from(self.attempt);
        row.one_shot_id = self.one_shot.then(|| HintId(id(3, number)));
        row
    }

    /// The plan row beside a row that is not it.
    fn plan_row(self, number: usize) -> Option<LiveRun> {
        let Rival::PlanRow {
            cause,
            planned_in,
            past,
        } = self.rival
        else {
            return None;
        };
        let planned_at = if past {
            before(World::start(), planned_in)
        } else {
            after(World::start(), planned_in)
        };
        let endpoint = EndpointId(id(1, number));
        let run = Run::planned(
            RunId(id(4, number)),
            endpoint,
            user(),
            Source::AI_HINT,
            cause,
            planned_at,
        );
        let mut row = LiveRun::waiting(run, Slot::Plan);
        row.one_shot_id = (cause == Cause::HintOneShot).then(|| HintId(id(3, number)));
        Some(row)
    }

    fn manual(number: usize) -> LiveRun {
        let planned_at = before(World::start(), Duration::from_millis(200));
        let endpoint = EndpointId(id(1, number));
        let run = Run::planned(
            RunId(id(4, number)),
            endpoint,
            user(),
            Source::MANUAL,
            Cause::Manual,
            planned_at,
        );
        LiveRun::waiting(run, Slot::Extra)
    }

    fn state(self, number: usize) -> EndpointState {
        let long_ago = before(World::start(), 60 * SECOND);
        let busy = Busy {
            runs: self.others + self.attempt,
            cadences: self.others.min(1) + if self.cause.is_cadence() { self.attempt } else { 0 },
            since: long_ago,
        };
        let slowed = |until| Slowed { since: long_ago, until };
        EndpointState {
            busy: Some(busy).filter(|busy| busy.runs > 0),
            room: self.overlap.room(),
            slowed: match self.slowed {
                SlowedUntil::Never => None,
                SlowedUntil::Past => Some(slowed(World::start())),
                SlowedUntil::Future => Some(slowed(after(World::start(), SECOND))),
            },
            last_ai_start: (!number.is_multiple_of(4)).then_some(long_ago),
            last_ai_planned: match number % 4 {
                0 => None,
                1 | 2 => Some(long_ago),
                _ => Some(before(long_ago, 140 * SECOND)),
            },
            last_planned_at: self.last_planned.map(|last| match last {
                LastPlanned::Earlier => long_ago,
                LastPlanned::Later => after(World::start(), SECOND),
            }),
            cadence_owed: number.is_multiple_of(2),
            ..EndpointState::new(long_ago)
        }
    }

    fn hints(self, number: usize) -> Vec<Hint> {
        let hint = |kind, instruction| Hint {
            id: HintId(id(kind, number)),
            endpoint_id: EndpointId(id(1, number)),
            author: Author::Planner,
            instruction,
            written_at: before(World::start(), SECOND),
            expires_at: after(World::start(), 60 * SECOND),
            reason: "because".to_owned(),
            plan_id: None,
            held: false,
        };
        vec![
            hint(3, Instruction::OneShot(self.planned_at(number))),
            hint(6, Instruction::Interval(5 * SECOND)),
        ]
    }
}

fn user() -> UserId {
    UserId("ada".to_owned())
}

pub fn job() -> Job {
    Job {
        id: JobId(id(7, 0)),
        user_id: user(),
        name: "shop".to_owned(),
        description: String::new(),
        status: JobStatus::Active,
        planner_mode: PlannerMode::Act,
        version: 1,
        created_at: World::start(),
        updated_at: World::start(),
        archived_at: None,
    }
}

pub fn endpoint(number: usize) -> Endpoint {
    Endpoint {
        id: EndpointId(id(1, number)),
        user_id: user(),
        job_id: number.is_multiple_of(3).then(|| job().id),
        name: format!("endpoint {number}"),
        description: String::new(),
        request: Arc::new(HttpRequest {
            method: "POST".to_owned(),
            url: format!("http://shop.example/{number}"),
            headers: vec![("x-number".to_owned(), number.to_string())],
            body: number.is_multiple_of(2).then(|| vec![0, 255, 10]),
        }),
        baseline: Baseline::Dormant,
        min_interval: SECOND,
        max_interval: None,
        cooldown: None,
        timeout: Duration::from_millis(1_500),
        retry: RetryPolicy::default(),
        overlap: Overlap::default(),
        max_response_bytes: 4_096,
        status: EndpointStatus::Active,
        pause: None,
        version: 1,
        created_at: World::start(),
        updated_at: World::start(),
    }
}

/// In seconds.
const COOLDOWNS: [Option<u32>; 4] = [None, Some(30), Some(120), Some(120)];

/// Writes the endpoint and the rows of a situation; `number` makes its ids.
pub async fn add(tx: &mut dyn Tx, situation: Situation, number: usize) {
    let mut endpoint = endpoint(number);
    endpoint.overlap = situation.overlap;
    // None; over; one that refuses a wish; one that has it wait. A refused plan row is followed by a new one, whose id says
    // when it was minted: the contract has that.
    let planned = situation.slot == Slot::Plan || matches!(situation.rival, Rival::PlanRow { .. });
    let cooldown = COOLDOWNS[number % 4].filter(|_| !planned);
    endpoint.cooldown = cooldown.map(|seconds| SECOND * seconds);
    if situation.overlap != Overlap::Skip {
        // With times that have passed by.
        endpoint.baseline = Baseline::Interval(7 * SECOND);
    }
    let mut schedule = Schedule::new(endpoint, None, situation.state(number));
    schedule.hints = situation.hints(number);
    let mut extras = Vec::new();
    match situation.slot {
        Slot::Plan => schedule.plan_row = Some(situation.row(number)),
        Slot::Taken | Slot::Extra => {
            schedule.plan_row = situation.plan_row(number);
            extras.push(situation.row(number));
        }
    }
    if situation.rival == Rival::Manual {
        extras.push(Situation::manual(number));
    }
    tx.insert_schedule(&schedule).await.expect("the endpoint is new");
    tx.enqueue(&extras).await.expect("the rows are new");
}
