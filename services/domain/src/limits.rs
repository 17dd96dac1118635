//! Every bound and default of the service in one place, with its unit.

use std::time::Duration;

pub const NAME_CHARS: usize = 255;
pub const DESCRIPTION_CHARS: usize = 4_000;
pub const REASON_CHARS: usize = 1_000;
pub const URL_CHARS: usize = 2_048;
pub const HEADERS: usize = 64;
pub const HEADER_BYTES: usize = 8 * 1_024;
pub const BODY_BYTES: usize = 256 * 1_024;
pub const RESPONSE_BYTES_DEFAULT: u32 = 64 * 1_024;
pub const RESPONSE_BYTES_MAX: u32 = 1_024 * 1_024;
pub const REQUEST_ID_CHARS: usize = 128;
pub const USERS_PER_CREDENTIAL: usize = 100;
pub const TOKEN_LIFE_MAX: Duration = DAY.saturating_mul(3_650);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub const INTERVAL_MIN: Duration = Duration::from_millis(50);
pub const INTERVAL_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);
pub const MIN_INTERVAL_DEFAULT: Duration = Duration::from_secs(1);
/// Without a max_interval a hint may slow an interval baseline down to this many times its interval.
pub const HINT_SLOWDOWN: u32 = 4;
/// A failing interval baseline is backed off to at most this, or its own interval when longer.
pub const BACKOFF_CAP: Duration = Duration::from_secs(60 * 60);
/// The interval doubles with each failed run in a row up to this many.
pub const BACKOFF_DOUBLINGS: u32 = 5;

pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
pub const TIMEOUT_MIN: Duration = Duration::from_millis(100);
pub const TIMEOUT_MAX: Duration = Duration::from_secs(15 * 60);
pub const ATTEMPTS_DEFAULT: u32 = 3;
pub const ATTEMPTS_MAX: u32 = 25;
pub const RETRY_BASE_DEFAULT: Duration = Duration::from_secs(1);
pub const RETRY_CAP_DEFAULT: Duration = Duration::from_secs(60);
pub const RETRY_DELAY_MIN: Duration = Duration::from_millis(10);
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(60 * 60);
/// Runs of one endpoint in flight together, where they may overlap.
pub const CONCURRENCY_DEFAULT: u32 = 10;
pub const CONCURRENCY_MAX: u32 = 100;
/// A run whose lease is lost more often than this is recorded as failed.
pub const LOSSES_MAX: u32 = 5;

/// Rows of one lane in one claim. A claim is over within milliseconds whatever one user has due, and what others have is
/// looked at again after it.
pub const LANE_PER_CLAIM: u8 = 32;

/// Calls that an engine has in the air at once. An HTTP client keeps as many idle connections for a host.
pub const CALLS_DEFAULT: usize = 1024;

pub const LEASE_DEFAULT: Duration = Duration::from_secs(15);
pub const LEASE_MIN: Duration = Duration::from_secs(2);
pub const LEASE_MAX: Duration = Duration::from_secs(5 * 60);

/// How often an engine looks for what is due when it hears of other processes' commits, and when it does not.
pub const POLL_BESIDE_LISTEN: Duration = Duration::from_secs(5);
pub const POLL_ALONE: Duration = Duration::from_millis(250);

pub const HINT_TTL_DEFAULT: Duration = Duration::from_secs(60 * 60);
pub const HINT_TTL_MAX: Duration = DAY;
pub const PAUSE_MAX: Duration = INTERVAL_MAX;
pub const SUBMIT_AHEAD_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub const RETENTION_DEFAULT: Duration = DAY.saturating_mul(30);
pub const RETENTION_MIN: Duration = DAY;
pub const RETENTION_MAX: Duration = DAY.saturating_mul(3_650);
/// How long a request id is known at least.
pub const REQUEST_KEYS_KEPT: Duration = DAY.saturating_mul(2);

pub const ENDPOINTS_PER_JOB: usize = 500;
pub const SIGNALS: usize = 64;
pub const SIGNAL_NAME_CHARS: usize = 64;
pub const PHASE_CHARS: usize = 64;
pub const JOBS_PER_SALE: usize = 100;
/// At least this many changes of each signal are kept in a context, however old.
pub const SIGNAL_CHANGES: usize = 32;
pub const PREVIEW_DEFAULT: usize = 10;
pub const PREVIEW_MAX: usize = 1_000;
pub const PAGE_DEFAULT: usize = 50;
pub const PAGE_MAX: usize = 1_000;
/// One answer of a list of runs holds at most this, as a client accepts 4 MiB by default.
pub const PAGE_BYTES: usize = 3 * 1_024 * 1_024;
/// The longest window of planned times that is counted.
pub const SUMMARY_WINDOW_MAX: Duration = DAY.saturating_mul(31);
/// The window when the caller names none.
pub const SUMMARY_WINDOW_DEFAULT: Duration = DAY;

pub const PLAN_STEPS: usize = 50;
pub const PLAN_WAVES: u32 = 8;
pub const RAW_ANSWER_BYTES: usize = 64 * 1_024;
pub const CONTEXT_BYTES: usize = 256 * 1_024;
/// Bytes of each response that a planning context shows.
pub const CONTEXT_RESPONSE_BYTES: usize = 2 * 1_024;
pub const CONTEXT_RUNS: usize = 5;
pub const PLANNER_NAME_CHARS: usize = 128;
/// The window in which a user's tokens are counted. Not shortened in demonstrations: a provider charges all the same.
pub const TOKEN_WINDOW: Duration = DAY;

/// What a planner is held to. Demonstrations divide every duration by one factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanLimits {
    /// How many times faster than stated durations pass; 1 outside demonstrations.
    pub time_compression: f64,
    pub step_delay_max: Duration,
    pub hint_ttl_max: Duration,
    /// The planner's pause of one endpoint lasts at most min(this, max(`pause_floor`, 4 × interval)).
    pub pause_ceiling: Duration,
    pub pause_floor: Duration,
    pub review_min: Duration,
    pub review_max: Duration,
    /// The window in which steps and model calls are counted.
    pub budget_window: Duration,
    pub steps_per_window: u32,
    pub asks_per_window: u32,
    /// Of a user's asks within `TOKEN_WINDOW`, as their planners report them.
    pub tokens_per_day: u64,
    /// How long a planner that gives no sign of life keeps a job.
    pub lease: Duration,
    /// How long one that does may take from BeginPlan to its answer.
    pub ask_max: Duration,
}

impl Default for PlanLimits {
    fn default() -> Self {
        Self {
            time_compression: 1.0,
            step_delay_max: Duration::from_secs(15 * 60),
            hint_ttl_max: HINT_TTL_MAX,
            pause_ceiling: Duration::from_secs(60 * 60),
            pause_floor: Duration::from_secs(15 * 60),
            review_min: Duration::from_secs(60),
            review_max: Duration::from_secs(30 * 60),
            budget_window: Duration::from_secs(60 * 60),
            steps_per_window: 120,
            asks_per_window: 60,
            tokens_per_day: 2_000_000,
            lease: Duration::from_secs(30),
            ask_max: Duration::from_secs(15 * 60),
        }
    }
}

impl PlanLimits {
    /// The same limits in a demonstration that runs `factor` times faster. Leases are real time: they cover a model.
    pub fn compressed(factor: f64) -> Self {
        let normal = Self::default();
        Self {
            time_compression: factor,
            step_delay_max: normal.step_delay_max.div_f64(factor),
            hint_ttl_max: normal.hint_ttl_max.div_f64(factor),
            pause_ceiling: normal.pause_ceiling.div_f64(factor),
            pause_floor: normal.pause_floor.div_f64(factor),
            review_min: normal.review_min.div_f64(factor),
            review_max: normal.review_max.div_f64(factor),
            budget_window: normal.budget_window.div_f64(factor),
            ..normal
        }
    }
}
