//! What the guardrails say to each wish of a plan. Pure: the transaction around it loads and writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    endpoint::{EndpointStatus, Pause},
    hint::Author,
    ids::{EndpointId, PlanId},
    job::JobStatus,
    limits::{self, PlanLimits},
    plan::{HintWish, PlanHint, PlanStep, Verdict, VerdictCode},
    schedule::{HintDraft, HintVerdict, Schedule, pause_cap},
    time::{Timestamp, after},
};

/// What is left of the bounds while a plan's wishes are judged one after the other.
pub(super) struct Judge<'a> {
    pub limits: &'a PlanLimits,
    pub now: Timestamp,
    /// Steps and one-shots that the job may still use.
    pub steps_left: u32,
    pub charged: u32,
    /// The latest start that a planner has already been granted, by endpoint.
    pub granted: BTreeMap<EndpointId, Timestamp>,
}

impl Judge<'_> {
    pub fn step(&mut self, step: &PlanStep, schedule: &Schedule) -> Verdict {
        if let Some(verdict) = unavailable(schedule, self.now) {
            return verdict;
        }
        if step.delay > self.limits.step_delay_max {
            return out_of_range("delay", Duration::ZERO, self.limits.step_delay_max);
        }
        self.start(schedule, after(self.now, step.delay))
    }

    /// Grants one start caused by the planner, or says why not.
    fn start(&mut self, schedule: &Schedule, at: Timestamp) -> Verdict {
        if let Some(end) = self.cooldown_end(schedule).filter(|end| at < *end) {
            let message = "within the cooldown since the last start caused by a planner";
            return Verdict {
                until: Some(end),
                ..Verdict::new(VerdictCode::Cooldown, message)
            };
        }
        if self.charged >= self.steps_left {
            let bound = self.limits.steps_per_window;
            return Verdict::new(
                VerdictCode::Budget,
                format!("the job's budget of {bound} steps is used up"),
            );
        }
        self.charged += 1;
        self.granted.insert(schedule.endpoint.id, at);
        Verdict::accepted()
    }

    fn cooldown_end(&self, schedule: &Schedule) -> Option<Timestamp> {
        let cooldown = schedule.endpoint.cooldown?;
        let granted = self.granted.get(&schedule.endpoint.id).map(|at| after(*at, cooldown));
        schedule.cooldown_end().max(granted)
    }

    /// The draft that a wish amounts to, or why there is none.
    pub fn hint(&mut self, hint: &PlanHint, schedule: &Schedule, plan: PlanId) -> Result<HintDraft, Verdict> {
        if schedule.endpoint.status == EndpointStatus::Archived {
            return Err(Verdict::new(VerdictCode::Archived, "endpoint is archived"));
        }
        let expires_at = self.expiry(hint, schedule)?;
        if let HintWish::OneShotAfter(delay) = hint.wish {
            let verdict = self.start(schedule, after(self.now, delay));
            if !verdict.is_accepted() {
                return Err(verdict);
            }
        }
        Ok(HintDraft {
            author: Author::Planner,
            instruction: hint.wish.instruction(self.now),
            expires_at,
            reason: hint.reason.clone(),
            plan_id: Some(plan),
        })
    }

    fn expiry(&self, hint: &PlanHint, schedule: &Schedule) -> Result<Timestamp, Verdict> {
        let ttl = match hint.wish {
            HintWish::PauseFor(pause) => {
                let cap = pause_cap(self.limits, &schedule.endpoint.baseline);
                if pause.is_zero() || pause > cap {
                    return Err(out_of_range("pause", Duration::ZERO, cap));
                }
                return Ok(after(self.now, pause));
            }
            HintWish::Interval(_) | HintWish::OneShotAfter(_) => hint.ttl,
        };
        if ttl.is_zero() || ttl > self.limits.hint_ttl_max {
            return Err(out_of_range("ttl", Duration::ZERO, self.limits.hint_ttl_max));
        }
        if let HintWish::OneShotAfter(delay) = hint.wish
            && delay > ttl
        {
            return Err(out_of_range("one-shot delay", Duration::ZERO, ttl));
        }
        Ok(after(self.now, ttl))
    }
}

/// What a hint's own transition said, in the words of a plan.
pub(super) fn of_hint(verdict: &HintVerdict) -> Verdict {
    match verdict {
        HintVerdict::Accepted => Verdict::accepted(),
        HintVerdict::Clamped { asked, effective } => {
            let message = format!("asked for {}, in force with {}", seconds(*asked), seconds(*effective));
            Verdict::new(VerdictCode::Clamped, message)
        }
        HintVerdict::Cooldown => Verdict::new(
            VerdictCode::Cooldown,
            "the cooldown is longer than the baseline interval",
        ),
        HintVerdict::Starve => Verdict::new(
            VerdictCode::Starve,
            "a cadence run must start before the endpoint is slowed again",
        ),
    }
}

/// What refuses a plan as a whole: unknown endpoints, repeats, gaps between waves, too much of anything.
pub(super) fn refusals(
    steps: &[PlanStep],
    hints: &[PlanHint],
    schedules: &BTreeMap<EndpointId, Schedule>,
) -> Vec<Verdict> {
    let mut refusals = Vec::new();
    let mut refuse = |code, message: String| refusals.push(Verdict::new(code, message));
    if steps.len() > limits::PLAN_STEPS {
        refuse(
            VerdictCode::TooMany,
            format!("{} steps, at most {} are allowed", steps.len(), limits::PLAN_STEPS),
        );
    }
    let waves: BTreeSet<u32> = steps.iter().map(|step| step.wave).collect();
    let last = waves.last().copied().unwrap_or_default();
    if last > limits::PLAN_WAVES {
        refuse(
            VerdictCode::TooMany,
            format!("wave {last}, at most {} are allowed", limits::PLAN_WAVES),
        );
    } else if waves.contains(&0) || waves.len() != usize::try_from(last).unwrap_or(usize::MAX) {
        refuse(
            VerdictCode::OutOfRange,
            "waves must be numbered from 1 without a gap".to_owned(),
        );
    }
    let mut seen = BTreeSet::new();
    for step in steps {
        if !schedules.contains_key(&step.endpoint_id) {
            refuse(
                VerdictCode::UnknownEndpoint,
                format!("step {}: endpoint is not of this job", step.step),
            );
        }
        if !seen.insert((step.endpoint_id, step.wave)) {
            refuse(
                VerdictCode::Duplicate,
                format!("step {}: endpoint is in wave {} already", step.step, step.wave),
            );
        }
    }
    let mut kinds = BTreeSet::new();
    for (index, hint) in hints.iter().enumerate() {
        let number = index + 1;
        if !schedules.contains_key(&hint.endpoint_id) {
            refuse(
                VerdictCode::UnknownEndpoint,
                format!("hint {number}: endpoint is not of this job"),
            );
        }
        if !kinds.insert((hint.endpoint_id, hint.wish.kind())) {
            refuse(
                VerdictCode::Duplicate,
                format!("hint {number}: endpoint has a hint of this kind already"),
            );
        }
    }
    refusals
}

fn unavailable(schedule: &Schedule, now: Timestamp) -> Option<Verdict> {
    if schedule.endpoint.status == EndpointStatus::Archived || schedule.job_status == Some(JobStatus::Archived) {
        return Some(Verdict::new(VerdictCode::Archived, "endpoint is archived"));
    }
    let paused = |until| Verdict {
        until,
        ..Verdict::new(VerdictCode::Paused, "a person has paused the endpoint")
    };
    match schedule.endpoint.pause {
        Some(Pause::UntilResumed) => Some(paused(None)),
        Some(Pause::Until(end)) if end > now => Some(paused(Some(end))),
        Some(Pause::Until(_)) | None => (schedule.job_status == Some(JobStatus::Paused)).then(|| paused(None)),
    }
}

fn out_of_range(what: &str, min: Duration, max: Duration) -> Verdict {
    let message = format!("{what} must be {} to {}", seconds(min), seconds(max));
    Verdict::new(VerdictCode::OutOfRange, message)
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}
