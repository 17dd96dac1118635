//! An endpoint: one HTTP call with a schedule and the guardrails that hints are held to.

use std::{sync::Arc, time::Duration};

use crate::{
    call::HttpRequest,
    cron::CronSchedule,
    ids::{EndpointId, JobId, UserId},
    limits,
    run::stored_enum,
    time::Timestamp,
};

stored_enum!(
    /// Archived is terminal.
    EndpointStatus {
        Active => "active",
        Archived => "archived",
    }
);

/// The endpoint's own schedule.
#[derive(Debug, Clone, PartialEq)]
pub enum Baseline {
    Cron(CronSchedule),
    Interval(Duration),
    /// Runs only when told.
    Dormant,
}

/// A person's pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    Until(Timestamp),
    UntilResumed,
}

/// When an endpoint calls again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls in all, the first included.
    pub max_attempts: u32,
    pub base_delay: Duration,
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: limits::ATTEMPTS_DEFAULT,
            base_delay: limits::RETRY_BASE_DEFAULT,
            max_delay: limits::RETRY_CAP_DEFAULT,
        }
    }
}

/// What becomes of a cadence time that comes due while a cadence run of its endpoint is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overlap {
    /// It is skipped, with a record.
    #[default]
    Skip,
    /// The first waits and starts when that run has ended; those behind it are coalesced with it, with a record.
    Queue,
    /// It starts beside that run.
    Allow {
        /// So many runs of the endpoint may be in flight together, whatever their cause. What comes due beyond that waits
        /// as under `Queue`.
        max_concurrency: u32,
    },
}

impl Overlap {
    /// The stored form, without the number.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Allow { .. } => "allow",
        }
    }

    /// How many runs of the endpoint may be in flight together.
    pub fn room(self) -> u32 {
        match self {
            Self::Skip | Self::Queue => 1,
            Self::Allow { max_concurrency } => max_concurrency,
        }
    }
}

/// One HTTP call with a schedule, as its owner wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub user_id: UserId,
    /// `None` is an endpoint without a job; it works the same.
    pub job_id: Option<JobId>,
    pub name: String,
    pub description: String,
    pub request: Arc<HttpRequest>,
    pub baseline: Baseline,
    /// Smallest gap that a hint may cause.
    pub min_interval: Duration,
    /// Largest gap that a hint or a backoff may cause.
    pub max_interval: Option<Duration>,
    /// Smallest gap between two starts caused by a planner.
    pub cooldown: Option<Duration>,
    pub timeout: Duration,
    pub retry: RetryPolicy,
    pub overlap: Overlap,
    pub max_response_bytes: u32,
    pub status: EndpointStatus,
    pub pause: Option<Pause>,
    /// Grows with each write; the etag.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Endpoint {
    /// The baseline interval, if that is what the baseline is.
    pub fn interval(&self) -> Option<Duration> {
        match self.baseline {
            Baseline::Interval(interval) => Some(interval),
            Baseline::Cron(_) | Baseline::Dormant => None,
        }
    }

    /// The longest gap that a hint may cause: `max_interval`, else 4 × the baseline interval, else the overall bound.
    pub fn hint_interval_max(&self) -> Duration {
        self.max_interval
            .or_else(|| {
                self.interval()
                    .map(|interval| interval.saturating_mul(limits::HINT_SLOWDOWN))
            })
            .unwrap_or(limits::INTERVAL_MAX)
    }

    /// A hint's interval moved into the guardrails.
    pub fn clamp_hint_interval(&self, asked: Duration) -> Duration {
        asked.min(self.hint_interval_max()).max(self.min_interval)
    }
}

/// The runs that have a place on the endpoint: started and not over, waits for a retry included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// At least one.
    pub runs: u32,
    /// How many of them are cadence occurrences: times that pass meanwhile are accounted for.
    pub cadences: u32,
    /// Since when there is one, without a break.
    pub since: Timestamp,
}

stored_enum!(
    /// How the last ended run went.
    Outcome {
        Ok => "ok",
        Failed => "failed",
    }
);

/// How long a planner has been slowing an endpoint down without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slowed {
    /// Kept while one slowing hint follows another.
    pub since: Timestamp,
    pub until: Timestamp,
}

/// What moves with each run. Kept apart from the endpoint's wide row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointState {
    /// Planned time of the last cadence occurrence, whether run, skipped or coalesced; creation time at first.
    pub anchor: Timestamp,
    /// Latest of: end of the last cadence run, end of the last pause, last write of the definition, last resume.
    pub cursor: Timestamp,
    /// Failed cadence runs in a row.
    pub failures: u32,
    /// Planned time of the last claimed run, whatever its cause.
    pub last_planned_at: Option<Timestamp>,
    /// Start of the last run that a planner caused, for the cooldown.
    pub last_ai_start: Option<Timestamp>,
    /// When that run was planned.
    pub last_ai_planned: Option<Timestamp>,
    pub last_outcome: Option<Outcome>,
    pub busy: Option<Busy>,
    /// How many runs may be in flight together: [`Overlap::room`] of the definition, kept where claims look.
    pub room: u32,
    /// Last change of definition, hints or pause: passed times before it are settled.
    pub changed_at: Timestamp,
    /// First start of the slowing hint or planner's pause in force, and when the last of them expires.
    pub slowed: Option<Slowed>,
    /// A slowing hint or planner's pause has ended and no cadence run has started since.
    pub cadence_owed: bool,
}

impl EndpointState {
    /// True when one more run may start.
    pub fn has_room(&self) -> bool {
        self.busy.is_none_or(|busy| busy.runs < self.room)
    }

    /// True while a cadence run is in flight.
    pub fn runs_cadence(&self) -> bool {
        self.busy.is_some_and(|busy| busy.cadences > 0)
    }

    /// The state of a new endpoint.
    pub fn new(now: Timestamp) -> Self {
        Self {
            anchor: now,
            cursor: now,
            failures: 0,
            last_planned_at: None,
            last_ai_start: None,
            last_ai_planned: None,
            last_outcome: None,
            busy: None,
            room: 1,
            changed_at: now,
            slowed: None,
            cadence_owed: false,
        }
    }
}
