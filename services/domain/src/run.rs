//! A run: one occurrence of an endpoint, live or finished, with what caused it.

use std::{borrow::Cow, time::Duration};

use crate::{
    ids::{EndpointId, HintId, JobId, PlanId, RunId, UserId},
    time::Timestamp,
};

/// Who is behind a run: an open set of kebab-case words, set by the author's credential and never by a request field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Cow<'static, str>);

impl Source {
    pub const BASELINE: Self = Self(Cow::Borrowed("baseline"));
    pub const AI_HINT: Self = Self(Cow::Borrowed("ai-hint"));
    pub const MANUAL: Self = Self(Cow::Borrowed("manual"));
    pub const TEST: Self = Self(Cow::Borrowed("test"));

    /// Reads the stored form; unknown words are kept.
    pub fn parse(text: &str) -> Self {
        [Self::BASELINE, Self::AI_HINT, Self::MANUAL, Self::TEST]
            .into_iter()
            .find(|known| known.as_str() == text)
            .unwrap_or_else(|| Self(Cow::Owned(text.to_owned())))
    }

    /// The stored form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! stored_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored form.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the stored form.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use stored_enum;

stored_enum!(
    /// Why a run happens.
    Cause {
        Cron => "cron",
        Interval => "interval",
        HintInterval => "hint-interval",
        HintOneShot => "hint-oneshot",
        PlanStep => "plan-step",
        Manual => "manual",
        Retry => "retry",
        Test => "test",
    }
);

impl Cause {
    /// True for occurrences of a cron, an interval or an interval hint: the ones that make up a cadence.
    pub fn is_cadence(self) -> bool {
        matches!(self, Self::Cron | Self::Interval | Self::HintInterval)
    }

    /// True for runs that stand beside the plan row and concern no plan: their success may be plain (see
    /// [`Schedule::ends_plainly`](crate::schedule::Schedule::ends_plainly)).
    pub fn may_end_plainly(self) -> bool {
        matches!(self, Self::Manual | Self::Retry)
    }
}

stored_enum!(
    /// Where a run stands. The last four are terminal.
    RunStatus {
        Planned => "planned",
        Running => "running",
        Succeeded => "succeeded",
        Failed => "failed",
        Cancelled => "cancelled",
        Skipped => "skipped",
    }
);

impl RunStatus {
    /// True when nothing more happens to the run.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Planned | Self::Running)
    }
}

/// What was asked for before a guardrail moved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClampedFrom {
    Interval(Duration),
    Time(Timestamp),
}

/// The due times that one skipped row accounts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u32,
}

/// One occurrence of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its time is `planned_at`.
    pub id: RunId,
    pub endpoint_id: EndpointId,
    /// As at the start of the run.
    pub job_id: Option<JobId>,
    pub user_id: UserId,
    pub status: RunStatus,
    pub source: Source,
    pub cause: Cause,
    pub clamped_from: Option<ClampedFrom>,
    /// The time that its schedule, hint, step or caller named.
    pub planned_at: Timestamp,
    /// When it may start; never before `planned_at`.
    pub due_at: Timestamp,
    /// Start of the last attempt: when its claim counts; the call normally follows within milliseconds.
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    /// Of the last attempt's call.
    pub duration: Option<Duration>,
    /// Attempts started.
    pub attempt: u32,
    pub status_code: Option<u16>,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub response: Vec<u8>,
    pub response_truncated: bool,
    /// Why it was skipped or cancelled.
    pub reason: Option<String>,
    /// Present on skipped runs that stand for due times that passed.
    pub missed: Option<Missed>,
    pub hint_id: Option<HintId>,
    pub plan_id: Option<PlanId>,
    pub step: Option<u32>,
    /// The model's reason, when a plan caused it.
    pub plan_reason: Option<String>,
}

impl Run {
    /// A planned run with nothing but its origin; `id` must carry the time `planned_at`.
    pub fn planned(
        id: RunId,
        endpoint_id: EndpointId,
        user_id: UserId,
        source: Source,
        cause: Cause,
        planned_at: Timestamp,
    ) -> Self {
        Self {
            id,
            endpoint_id,
            job_id: None,
            user_id,
            status: RunStatus::Planned,
            source,
            cause,
            clamped_from: None,
            planned_at,
            due_at: planned_at,
            started_at: None,
            finished_at: None,
            duration: None,
            attempt: 0,
            status_code: None,
            error: None,
            response: Vec::new(),
            response_truncated: false,
            reason: None,
            missed: None,
            hint_id: None,
            plan_id: None,
            step: None,
            plan_reason: None,
        }
    }
}

stored_enum!(
    /// What a row of the live queue is to its endpoint.
    Slot {
        /// The endpoint's one plan row: its next cadence time or one-shot, rewritten whenever the schedule moves.
        Plan => "plan",
        /// A former plan row that was claimed: its time stands, the governor no longer touches it.
        Taken => "taken",
        /// A manual run or a plan step.
        Extra => "extra",
    }
);

/// A run in the live queue, with what claiming needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRun {
    pub run: Run,
    pub slot: Slot,
    /// Grows with each claim; a finish counts only while it names the current one. Zero until the first.
    pub fence: i64,
    /// How often a lease on it was lost.
    pub losses: u32,
    pub lease_owner: Option<String>,
    pub lease_until: Option<Timestamp>,
    /// The one-shot hint that a claim of this row uses up.
    pub one_shot_id: Option<HintId>,
    /// W3C `traceparent` of what caused the run, so that its call belongs to the same trace.
    pub trace_parent: Option<String>,
    /// The host that the last claim calls; `None` before the first.
    pub host: Option<String>,
}

impl LiveRun {
    /// True when it has a place on its endpoint, from its first claim until it is over: it needs no room to go on.
    pub fn has_place(&self) -> bool {
        self.fence > 0
    }

    /// A run that waits in the queue.
    pub fn waiting(run: Run, slot: Slot) -> Self {
        Self {
            run,
            slot,
            fence: 0,
            losses: 0,
            lease_owner: None,
            lease_until: None,
            one_shot_id: None,
            trace_parent: None,
            host: None,
        }
    }
}

/// How many lanes the queue has. A claim gives each of them a share.
pub const LANES: u8 = 64;

/// A user's lane: FNV-1a over the name, which is stable across builds and machines.
pub fn lane_of(user: &UserId) -> u8 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = user
        .0
        .bytes()
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    u8::try_from(hash % u64::from(LANES)).expect("what is left is below LANES")
}
