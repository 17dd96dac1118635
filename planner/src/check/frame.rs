//! What an answer is held to: the endpoints of one context and its bounds, in seconds as shown to the model.

use std::time::Duration;

use baton_proto::v1::{ContextEndpoint, PlanLimits, PlanningContext, endpoint::Baseline};

use crate::{
    alias,
    scale::{TimeScale, duration},
};

/// Caps of a planner's pause: at most the lesser of the first and the greater of the second and four intervals.
const LONGEST_PAUSE_S: f64 = 3_600.0;
const PAUSE_FLOOR_S: f64 = 900.0;
/// No hint's interval can be longer: 366 days.
pub(super) const LONGEST_INTERVAL_S: f64 = 366.0 * 86_400.0;

/// The scheduler's defaults, for a field that a context leaves out.
const DEFAULT_MAX_STEPS: i32 = 50;
const DEFAULT_MAX_WAVES: i32 = 8;
const DEFAULT_MAX_STEP_DELAY: Duration = Duration::from_secs(15 * 60);
const DEFAULT_MAX_HINT_TTL: Duration = Duration::from_secs(24 * 3_600);
const DEFAULT_MIN_REVIEW_AFTER: Duration = Duration::from_secs(60);
const DEFAULT_MAX_REVIEW_AFTER: Duration = Duration::from_secs(30 * 60);

/// Bounds in real time, as the scheduler holds plans to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub max_steps: usize,
    pub max_waves: i64,
    pub max_step_delay: Duration,
    pub max_hint_ttl: Duration,
    pub min_review_after: Duration,
    pub max_review_after: Duration,
}

impl Bounds {
    /// The bounds of a context, with the scheduler's defaults for what it leaves out.
    pub fn of(limits: Option<&PlanLimits>, scale: TimeScale) -> Self {
        let limits = limits.cloned().unwrap_or_default();
        let positive = |value: i32, default: i32| if value > 0 { value } else { default };
        let bound = |wire: Option<prost_types::Duration>, default: Duration| {
            wire.as_ref()
                .map_or_else(|| scale.real(default.as_secs_f64()), duration)
        };
        Self {
            max_steps: usize::try_from(positive(limits.max_steps, DEFAULT_MAX_STEPS)).unwrap_or_default(),
            max_waves: positive(limits.max_waves, DEFAULT_MAX_WAVES).into(),
            max_step_delay: bound(limits.max_step_delay, DEFAULT_MAX_STEP_DELAY),
            max_hint_ttl: bound(limits.max_hint_ttl, DEFAULT_MAX_HINT_TTL),
            min_review_after: bound(limits.min_review_after, DEFAULT_MIN_REVIEW_AFTER),
            max_review_after: bound(limits.max_review_after, DEFAULT_MAX_REVIEW_AFTER),
        }
    }
}

/// The context of an answer, as far as the checks need it.
#[derive(Debug, Clone)]
pub struct Frame<'a> {
    pub(super) endpoints: &'a [ContextEndpoint],
    pub(super) bounds: Bounds,
    pub(super) scale: TimeScale,
}

impl<'a> Frame<'a> {
    /// The context that the model was shown.
    pub fn of(context: &'a PlanningContext) -> Self {
        let scale = TimeScale::new(context.time_compression);
        Self {
            endpoints: &context.endpoints,
            bounds: Bounds::of(context.limits.as_ref(), scale),
            scale,
        }
    }

    /// The endpoint behind an alias.
    pub(super) fn endpoint(&self, name: &str) -> Option<&'a ContextEndpoint> {
        alias::index_of(name, self.endpoints.len()).map(|index| &self.endpoints[index])
    }

    /// The longest pause of an endpoint, in shown seconds.
    pub(super) fn longest_pause_s(&self, endpoint: &ContextEndpoint) -> f64 {
        let baseline = endpoint
            .endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.baseline.as_ref());
        let interval_s = match baseline {
            Some(Baseline::Interval(interval)) => self.scale.shown(duration(interval)),
            Some(Baseline::Cron(_)) | None => 0.0,
        };
        LONGEST_PAUSE_S.min(PAUSE_FLOOR_S.max(4.0 * interval_s))
    }

    /// What a bound looks like to the model.
    pub(super) fn shown(&self, bound: Duration) -> f64 {
        self.scale.shown(bound)
    }
}
