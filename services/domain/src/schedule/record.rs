//! The record of what people and planners changed about a schedule: what an audit works from, without the governor.
//!
//! Every control-plane change appends one, whether or not it moved the next run, with the [`Terms`] in force from then
//! on. Runs append none: what their starts and ends mean can be derived from the history. The expiry of a hint needs
//! none either, as the record that wrote the hint says when it ends.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    endpoint::{Baseline, Endpoint, EndpointStatus, Overlap, Pause},
    hint::{Author, Hint},
    ids::{EndpointId, HintId, UserId},
    job::JobStatus,
    run::{Cause, stored_enum},
    time::{Timestamp, micros},
};

use super::Schedule;

stored_enum!(
    /// What made the governor look again.
    Trigger {
        Created => "created",
        Redefined => "redefined",
        Assigned => "assigned",
        JobStatus => "job-status",
        Paused => "paused",
        Resumed => "resumed",
        FailuresReset => "failures-reset",
        Archived => "archived",
        Deleted => "deleted",
        HintApplied => "hint-applied",
        HintsCleared => "hints-cleared",
        /// A run has used up a one-shot hint.
        HintUsed => "hint-used",
        PlanAccepted => "plan-accepted",
        /// A time came due under hints that are about to change. Not recorded.
        Due => "due",
        /// Not recorded: the history has it.
        RunEnded => "run-ended",
    }
);

impl Trigger {
    /// True for what people and planners cause; what running causes stands in the history of runs.
    fn is_recorded(self) -> bool {
        !matches!(self, Self::Due | Self::RunEnded)
    }
}

/// One control-plane change of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleChange {
    pub endpoint_id: EndpointId,
    pub user_id: UserId,
    pub at: Timestamp,
    pub trigger: Trigger,
    /// Planned time and cause of the next run after the change.
    pub next_at: Option<Timestamp>,
    pub cause: Option<Cause>,
    /// In force from here on. `None` after a deletion, and where only the hint `hint_id` has gone.
    pub terms: Option<Terms>,
    /// The one-shot that was used up.
    pub hint_id: Option<HintId>,
}

/// Everything that decides which times are due, apart from what has run. Stored as JSON; `v` names its shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// [`Terms::VERSION`].
    pub v: u32,
    pub baseline: BaselineTerms,
    pub min_interval_us: i64,
    pub max_interval_us: Option<i64>,
    /// `skip`, `queue` or `allow`; records from before there was a choice say nothing.
    #[serde(default = "skip")]
    pub overlap: String,
    /// How many runs may be in flight together.
    #[serde(default = "one")]
    pub room: u32,
    /// False once the endpoint is archived.
    pub active: bool,
    /// False while the job is paused or archived.
    pub job_runs: bool,
    pub pause: Option<PauseTerms>,
    pub hints: Vec<HintTerms>,
}

/// The endpoint's own schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BaselineTerms {
    Cron { expression: String, zone: String },
    Interval { interval_us: i64 },
    Dormant,
}

/// A person's pause; without an end until it is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseTerms {
    pub until: Option<Timestamp>,
}

/// A hint, with the value asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintTerms {
    pub id: Uuid,
    /// `interval`, `one-shot` or `pause`.
    pub kind: String,
    /// `person` or `planner`.
    pub author: String,
    pub interval_us: Option<i64>,
    pub one_shot_at: Option<Timestamp>,
    pub written_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Terms {
    /// The shape that this program writes and reads.
    pub const VERSION: u32 = 1;

    /// The terms of an endpoint with these hints, in a job of this status.
    pub fn of(endpoint: &Endpoint, job_status: Option<JobStatus>, hints: &[Hint]) -> Self {
        Self {
            v: Self::VERSION,
            baseline: BaselineTerms::of(&endpoint.baseline),
            min_interval_us: micros(endpoint.min_interval),
            max_interval_us: endpoint.max_interval.map(micros),
            overlap: endpoint.overlap.as_str().to_owned(),
            room: endpoint.overlap.room(),
            active: endpoint.status == EndpointStatus::Active,
            job_runs: job_status.is_none_or(|status| status == JobStatus::Active),
            pause: endpoint.pause.map(|pause| PauseTerms {
                until: match pause {
                    Pause::Until(end) => Some(end),
                    Pause::UntilResumed => None,
                },
            }),
            hints: hints.iter().map(HintTerms::of).collect(),
        }
    }
}

fn skip() -> String {
    Overlap::Skip.as_str().to_owned()
}

fn one() -> u32 {
    Overlap::Skip.room()
}

impl BaselineTerms {
    fn of(baseline: &Baseline) -> Self {
        match baseline {
            Baseline::Cron(cron) => Self::Cron {
                expression: cron.expression().to_owned(),
                zone: cron.zone().to_owned(),
            },
            Baseline::Interval(interval) => Self::Interval {
                interval_us: micros(*interval),
            },
            Baseline::Dormant => Self::Dormant,
        }
    }
}

impl HintTerms {
    fn of(hint: &Hint) -> Self {
        Self {
            id: hint.id.0,
            kind: hint.instruction.kind().to_owned(),
            author: hint.author.as_str().to_owned(),
            interval_us: hint.interval().map(micros),
            one_shot_at: hint.one_shot(),
            written_at: hint.written_at,
            expires_at: hint.expires_at,
        }
    }

    /// A person's hint outranks a planner's.
    pub fn is_persons(&self) -> bool {
        self.author == Author::Person.as_str()
    }
}

impl Schedule {
    /// Appends what is in force now to the record, if that is a control-plane change.
    pub fn record(&mut self, trigger: Trigger, now: Timestamp) {
        if !trigger.is_recorded() {
            return;
        }
        let terms = Terms::of(&self.endpoint, self.job_status, &self.hints);
        let next = self.plan_row.as_ref().map(|row| &row.run);
        self.changes.push(ScheduleChange {
            next_at: next.map(|run| run.planned_at),
            cause: next.map(|run| run.cause),
            terms: Some(terms),
            ..self.bare_change(trigger, now)
        });
    }

    /// Appends the end of the endpoint to the record; it is deleted in the same transaction.
    pub fn record_deletion(&mut self, now: Timestamp) {
        self.changes.push(self.bare_change(Trigger::Deleted, now));
    }

    /// Appends that a claim has used a one-shot up.
    pub(super) fn record_used_hint(&mut self, hint: HintId, now: Timestamp) {
        self.changes.push(ScheduleChange {
            hint_id: Some(hint),
            ..self.bare_change(Trigger::HintUsed, now)
        });
    }

    fn bare_change(&self, trigger: Trigger, now: Timestamp) -> ScheduleChange {
        ScheduleChange {
            endpoint_id: self.endpoint.id,
            user_id: self.endpoint.user_id.clone(),
            at: now,
            trigger,
            next_at: None,
            cause: None,
            terms: None,
            hint_id: None,
        }
    }
}
