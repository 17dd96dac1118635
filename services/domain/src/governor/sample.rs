//! Endpoints, hints and times for the tests of the governor and of the schedule. Times are seconds after ten o'clock on
//! a Monday.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{TimeDelta, TimeZone as _, Utc};
use uuid::Uuid;

use crate::{
    call::HttpRequest,
    cron::CronSchedule,
    endpoint::{Baseline, Endpoint, EndpointState, EndpointStatus, Overlap, RetryPolicy},
    hint::{Author, Hint, Instruction},
    ids::{Chance, EndpointId, HintId, UserId},
    limits,
    time::Timestamp,
};

use super::{Inputs, Next};

/// Ten o'clock plus so many seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    millis(seconds * 1_000)
}

/// Ten o'clock plus so many milliseconds.
pub(crate) fn millis(millis: i64) -> Timestamp {
    let ten = Utc.with_ymd_and_hms(2026, 3, 2, 10, 0, 0).single();
    ten.expect("a time in UTC") + TimeDelta::milliseconds(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn cron(expression: &str) -> Baseline {
    Baseline::Cron(CronSchedule::parse(expression, "", at(0)).expect("a valid cron"))
}

pub(crate) fn every(seconds: u64) -> Baseline {
    Baseline::Interval(secs(seconds))
}

/// Created at ten o'clock, with the default guardrails.
pub(crate) fn endpoint(baseline: Baseline) -> Endpoint {
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
        min_interval: limits::MIN_INTERVAL_DEFAULT,
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

/// A hint with an id of its own.
pub(crate) fn hint(author: Author, instruction: Instruction, written_at: Timestamp, expires_at: Timestamp) -> Hint {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    Hint {
        id: HintId(Uuid::from_u128(COUNT.fetch_add(1, Ordering::Relaxed).into())),
        endpoint_id: EndpointId(Uuid::from_u128(1)),
        author,
        instruction,
        written_at,
        expires_at,
        reason: String::new(),
        plan_id: None,
        held: false,
    }
}

/// What the governor is asked about, owned.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub endpoint: Endpoint,
    pub state: EndpointState,
    pub hints: Vec<Hint>,
}

impl Case {
    /// A fresh endpoint, created at ten o'clock.
    pub(crate) fn new(baseline: Baseline) -> Self {
        Self {
            endpoint: endpoint(baseline),
            state: EndpointState::new(at(0)),
            hints: Vec::new(),
        }
    }

    /// The planner asks for a gap, until `expires`.
    pub(crate) fn planned_gap(self, gap: u64, written: i64, expires: i64) -> Self {
        self.hinted(Author::Planner, Instruction::Interval(secs(gap)), written, expires)
    }

    pub(crate) fn planned_shot(self, when: i64, written: i64, expires: i64) -> Self {
        self.hinted(Author::Planner, Instruction::OneShot(at(when)), written, expires)
    }

    pub(crate) fn planned_pause(self, written: i64, expires: i64) -> Self {
        self.hinted(Author::Planner, Instruction::Pause, written, expires)
    }

    pub(crate) fn hinted(mut self, author: Author, instruction: Instruction, written: i64, expires: i64) -> Self {
        self.hints.push(hint(author, instruction, at(written), at(expires)));
        self.state.changed_at = self.state.changed_at.max(at(written));
        self
    }

    /// The last cadence run was planned at `planned` and ended at `ended`.
    pub(crate) fn after_run(mut self, planned: i64, ended: i64) -> Self {
        self.state.anchor = at(planned);
        self.state.cursor = at(ended);
        self.state.last_planned_at = Some(at(planned));
        self
    }

    /// The last claimed run was no cadence run.
    pub(crate) fn after_extra(mut self, planned: i64) -> Self {
        self.state.last_planned_at = self.state.last_planned_at.max(Some(at(planned)));
        self
    }

    pub(crate) fn with_failures(mut self, failures: u32) -> Self {
        self.state.failures = failures;
        self
    }

    /// Changes the definition.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Endpoint)) -> Self {
        change(&mut self.endpoint);
        self
    }

    pub(crate) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            endpoint: &self.endpoint,
            job_status: None,
            state: &self.state,
            hints: &self.hints,
        }
    }

    pub(crate) fn next(&self, now: i64) -> Option<Next> {
        super::next(self.inputs(), at(now))
    }
}

/// Repeatable randomness: the SplitMix64 sequence.
#[derive(Debug, Default)]
pub(crate) struct Dice(AtomicU64);

impl Dice {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(crate) fn roll(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Chance for Dice {
    fn bits(&self) -> u128 {
        u128::from(self.roll()) << 64 | u128::from(self.roll())
    }
}
