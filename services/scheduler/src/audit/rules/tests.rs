//! The audit's rules against the domain's governor: two implementations that must agree on random schedules.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    call::HttpRequest,
    cron::CronSchedule,
    endpoint::{Baseline, Endpoint, EndpointState, EndpointStatus, Overlap, Pause, RetryPolicy},
    governor::{Inputs, Next, preview},
    hint::{Author, Hint, Instruction},
    ids::{EndpointId, HintId, UserId},
    job::JobStatus,
    limits,
    run::Cause,
    schedule::Terms,
    time::{Timestamp, after, before, from_micros},
};
use proptest::{option, prelude::*, sample::select};
use uuid::Uuid;

use super::{Bounds, Past, Rules};

const CASES: u32 = 10_000;
/// Times that each case compares.
const TIMES: usize = 12;

/// A second in the first quarter of an hour of the tests' epoch.
fn at(second: u64) -> Timestamp {
    after(from_micros(1_800_000_000_000_000), Duration::from_secs(second))
}

fn endpoint(baseline: Baseline) -> Endpoint {
    Endpoint {
        id: EndpointId(Uuid::from_u128(1)),
        user_id: UserId("ada".to_owned()),
        job_id: None,
        name: "restock".to_owned(),
        description: String::new(),
        request: Arc::new(HttpRequest {
            method: "POST".to_owned(),
            url: "http://shop.test/restock".to_owned(),
            headers: Vec::new(),
            body: None,
        }),
        baseline,
        min_interval: Duration::from_secs(1),
        max_interval: None,
        cooldown: None,
        timeout: limits::TIMEOUT_DEFAULT,
        retry: RetryPolicy::default(),
        overlap: Overlap::default(),
        max_response_bytes: limits::RESPONSE_BYTES_DEFAULT,
        status: EndpointStatus::Active,
        pause: None,
        version: 1,
        created_at: at(0),
        updated_at: at(0),
    }
}

fn gap() -> impl Strategy<Value = u64> {
    prop_oneof![select(vec![1, 5, 10, 15, 30, 60, 300]), 1..900_u64]
}

fn baseline() -> impl Strategy<Value = Baseline> {
    let expressions = [
        "* * * * *",
        "*/10 * * * * *",
        "5,50 */2 * * * *",
        "0 12 * * *",
        "30 2 * * 0",
    ];
    let zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", ""];
    let cron = (select(expressions.to_vec()), select(zones.to_vec()));
    prop_oneof![
        4 => gap().prop_map(|gap| Baseline::Interval(Duration::from_secs(gap))),
        3 => cron.prop_map(|(cron, zone)| Baseline::Cron(CronSchedule::parse(cron, zone, at(0)).expect("a good cron"))),
        1 => Just(Baseline::Dormant),
    ]
}

/// Of each author at most one interval hint, and at most one pause.
fn hints() -> impl Strategy<Value = Vec<Hint>> {
    let one = |number: u128, author, pauses: bool| {
        let parts = (gap(), 0..600_u64, 1..900_u64);
        option::of(parts.prop_map(move |(gap, written, life)| Hint {
            id: HintId(Uuid::from_u128(number)),
            endpoint_id: EndpointId(Uuid::from_u128(1)),
            author,
            instruction: if pauses {
                Instruction::Pause
            } else {
                Instruction::Interval(Duration::from_secs(gap))
            },
            written_at: at(written),
            expires_at: at(written + life),
            reason: String::new(),
            plan_id: None,
            held: false,
        }))
    };
    let all = (
        one(2, Author::Person, false),
        one(3, Author::Planner, false),
        one(4, Author::Planner, true),
    );
    all.prop_map(|(person, planner, pause)| [person, planner, pause].into_iter().flatten().collect())
}

#[derive(Debug, Clone)]
struct Case {
    endpoint: Endpoint,
    state: EndpointState,
    hints: Vec<Hint>,
    now: Timestamp,
}

fn case() -> impl Strategy<Value = Case> {
    let guardrails = (gap(), option::of(gap()), option::of(0..900_u64), 0..8_u32);
    (baseline(), guardrails, hints(), 0..300_u64, 0..90_u64).prop_map(|(baseline, guardrails, hints, anchor, since)| {
        let (min, max, pause, failures) = guardrails;
        let mut endpoint = endpoint(baseline);
        let min = Duration::from_secs(min);
        endpoint.min_interval = endpoint.interval().map_or(min, |interval| min.min(interval));
        endpoint.max_interval = max.map(|max| Duration::from_secs(max).max(endpoint.min_interval));
        endpoint.pause = pause.map(|end| Pause::Until(at(end)));
        let mut state = EndpointState::new(at(anchor));
        state.cursor = at(anchor + since);
        state.failures = failures;
        let written = hints.iter().map(|hint| hint.written_at).max();
        state.changed_at = written.unwrap_or(state.cursor);
        let now = state.cursor.max(state.changed_at);
        Case {
            endpoint,
            state,
            hints,
            now,
        }
    })
}

fn by_governor(case: &Case) -> Vec<Next> {
    let inputs = Inputs {
        endpoint: &case.endpoint,
        job_status: None,
        state: &case.state,
        hints: &case.hints,
    };
    preview(inputs, case.now, TIMES)
}

fn past_of(case: &Case) -> Past {
    Past {
        anchor: case.state.anchor,
        cursor: case.state.cursor,
        seen: case.now,
        last_claimed: case.state.last_planned_at,
        failures: case.state.failures,
        failures_known: true,
    }
}

fn by_rules(case: &Case) -> Vec<(Timestamp, Timestamp, Cause)> {
    let rules = Rules::new(&Terms::of(&case.endpoint, None, &case.hints)).expect("good terms");
    let mut past = past_of(case);
    let mut times = Vec::new();
    while times.len() < TIMES {
        let Some(due) = rules.next(&past) else { break };
        let start = due.at.max(past.seen);
        times.push((due.planned, start, due.cause));
        past.anchor = due.planned;
        past.cursor = start;
        past.seen = start;
        past.last_claimed = Some(due.planned);
    }
    times
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]

    #[test]
    fn the_governor_previews_the_same_times(case in case()) {
        let governor: Vec<_> = by_governor(&case).into_iter().map(|next| (next.planned_at, next.due_at, next.cause)).collect();
        prop_assert_eq!(by_rules(&case), governor);
    }

    #[test]
    fn the_bounds_admit_the_exact_time(case in case()) {
        let rules = Rules::new(&Terms::of(&case.endpoint, None, &case.hints)).expect("good terms");
        let mut past = past_of(&case);
        past.failures_known = false;
        if let Some(due) = rules.next(&past).filter(|due| due.planned > past.anchor)
            && let Some(bounds) = due.bounds
        {
            prop_assert!(bounds.admit(due.planned), "{:?}", due);
        }
    }
}

#[test]
fn nothing_is_due_while_nothing_runs() {
    let endpoint = endpoint(Baseline::Interval(Duration::from_secs(60)));
    let case = Case {
        state: EndpointState::new(at(0)),
        hints: Vec::new(),
        now: at(0),
        endpoint,
    };
    let next = |endpoint: &Endpoint, job| {
        let rules = Rules::new(&Terms::of(endpoint, job, &[])).expect("good terms");
        rules.next(&past_of(&case)).map(|due| due.planned)
    };
    assert_eq!(next(&case.endpoint, Some(JobStatus::Active)), Some(at(60)));
    assert_eq!(next(&case.endpoint, Some(JobStatus::Paused)), None);
    assert_eq!(next(&case.endpoint, Some(JobStatus::Archived)), None);
    let paused = Endpoint {
        pause: Some(Pause::UntilResumed),
        ..case.endpoint.clone()
    };
    assert_eq!(next(&paused, None), None);
    let archived = Endpoint {
        status: EndpointStatus::Archived,
        ..case.endpoint.clone()
    };
    assert_eq!(next(&archived, None), None);
}

#[test]
fn bounds_admit_whole_steps_within() {
    let bounds = Bounds {
        after: at(10),
        until: at(40),
        steps: Some([10, 20, 40, 80, 160, 320].map(Duration::from_secs)),
    };
    let admitted: Vec<u64> = (0..60).filter(|second| bounds.admit(at(*second))).collect();
    assert_eq!(admitted, [20, 30, 40]);
    assert!(!bounds.admit(before(at(20), Duration::from_micros(1))));
    let open = Bounds { steps: None, ..bounds };
    assert!(open.admit(at(11)) && !open.admit(at(10)) && !open.admit(at(41)));
}
