//! Plans: taking an answer into force wave by wave, and reading the record.

mod decision;
mod submission;

use std::{collections::BTreeMap, time::Duration};

use crate::{
    error::{Error, Resource, Violations},
    ids::{EndpointId, JobId, PlanId, UserId},
    limits::{self, PlanLimits},
    plan::{JobPlanning, ModelCall, Plan, PlanHint, PlanState, PlanStep},
    ports::{Page, Topic, Tx},
    schedule::Schedule,
};

use super::{
    Listing, PlanningContext, Services,
    asks::require_asking,
    contexts::{PlanView, load_plan},
    found, listing,
    outcomes::wave_result,
    peek,
};

pub use decision::check_decision;
use submission::Submission;
pub(super) use submission::withdraw_suggestion;

/// An ask that has begun.
#[derive(Debug, Clone)]
pub struct Begun {
    pub plan: Plan,
    /// What the model is to be asked about, as stored with the plan.
    pub context: PlanningContext,
}

/// A model's answer as its planner hands it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub definition_revision: i64,
    /// Numbered from 1 in the order given; verdicts are overwritten.
    pub steps: Vec<PlanStep>,
    pub hints: Vec<PlanHint>,
    pub rationale: String,
    pub review_after: Duration,
    pub call: ModelCall,
    /// W3C `traceparent` of the planner's ask.
    pub trace_parent: Option<String>,
}

impl Services {
    /// Records an answer and puts it into force as far as the job's mode and the guardrails allow. Sending it again has no second effect.
    pub async fn submit_plan(&self, user: &UserId, id: PlanId, answer: Answer) -> Result<PlanView, Error> {
        let mut violations = Violations::default();
        check_answer(&answer, &self.limits, &mut violations);
        violations.into_result()?;
        // What comes to nothing locks nothing.
        let mut before = self.store.read().await?;
        let seen = found(Resource::Plan, load_plan(before.as_mut(), user, id).await?)?;
        if seen.plan.state.is_answered() {
            return Ok(seen);
        }
        require_asking(&seen.plan)?;
        drop(before);
        let mut tx = self.store.begin().await?;
        let schedules = by_id(tx.lock_job_schedules(seen.plan.job_id).await?);
        let now = tx.now();
        let planning = found(Resource::Job, tx.lock_planning(&[seen.plan.job_id]).await?.pop())?;
        let view = found(Resource::Plan, load_plan(tx.as_mut(), user, id).await?)?;
        if view.plan.state.is_answered() {
            // Lets go of what it locked before it answers.
            tx.commit().await?;
            return Ok(view);
        }
        require_asking(&view.plan)?;
        let job = found(Resource::Job, tx.get_job(user, seen.plan.job_id).await?)?;
        let chance = self.chance.as_ref();
        let mut submission = Submission {
            plan: view.plan,
            planning,
            schedules,
            limits: &self.limits,
            chance,
            now,
            trace_parent: answer.trace_parent.clone(),
        };
        let stale = submission.planning.definition_revision != answer.definition_revision;
        submission.record(answer);
        if stale {
            submission.refuse(
                "definition-changed",
                "the job's definition has changed since the model was asked".to_owned(),
            );
        } else {
            submission.judge_whole();
        }
        if submission.plan.state == PlanState::Asking {
            submission.settle(tx.as_mut(), job.planner_mode).await?;
        }
        let Submission { plan, planning, .. } = submission;
        tx.update_plan(&plan).await?;
        tx.save_planning(&planning).await?;
        tx.wake(Topic::Contexts);
        tx.wake(Topic::Queue);
        tx.commit().await?;
        if stale {
            return Err(definition_changed(&planning));
        }
        self.get_plan(user, id).await
    }

    /// Starts the next wave of a plan whose wave before has succeeded. Sending it again has no second effect.
    pub async fn advance_plan(
        &self,
        user: &UserId,
        id: PlanId,
        wave: u32,
        trace_parent: Option<String>,
    ) -> Result<PlanView, Error> {
        // What comes to nothing locks nothing.
        let mut before = self.store.read().await?;
        let seen = found(Resource::Plan, load_plan(before.as_mut(), user, id).await?)?;
        if wave <= seen.plan.wave {
            return Ok(seen);
        }
        require_next(before.as_mut(), &seen.plan, wave).await?;
        drop(before);
        let mut tx = self.store.begin().await?;
        let schedules = by_id(tx.lock_job_schedules(seen.plan.job_id).await?);
        let now = tx.now();
        let planning = found(Resource::Job, tx.lock_planning(&[seen.plan.job_id]).await?.pop())?;
        let view = found(Resource::Plan, load_plan(tx.as_mut(), user, id).await?)?;
        if wave <= view.plan.wave {
            // Lets go of what it locked before it answers.
            tx.commit().await?;
            return Ok(view);
        }
        require_next(tx.as_mut(), &view.plan, wave).await?;
        let chance = self.chance.as_ref();
        let mut next = Submission {
            plan: view.plan,
            planning,
            schedules,
            limits: &self.limits,
            chance,
            now,
            trace_parent,
        };
        next.start_wave(tx.as_mut(), wave).await?;
        next.planning.note(None, now);
        tx.update_plan(&next.plan).await?;
        tx.save_planning(&next.planning).await?;
        tx.wake(Topic::Contexts);
        tx.wake(Topic::Queue);
        tx.commit().await?;
        self.get_plan(user, id).await
    }

    pub async fn get_plan(&self, user: &UserId, id: PlanId) -> Result<PlanView, Error> {
        let mut tx = self.store.read().await?;
        found(Resource::Plan, load_plan(tx.as_mut(), user, id).await?)
    }

    /// Newest first, without the stored contexts.
    pub async fn list_plans(&self, user: &UserId, job: Option<JobId>, page: Page) -> Result<Listing<Plan>, Error> {
        let mut tx = self.store.read().await?;
        let rows = tx.list_plans(user, job, peek(page)).await?;
        Ok(listing(rows, page, |plan| plan.id.0))
    }
}

fn by_id(schedules: Vec<Schedule>) -> BTreeMap<EndpointId, Schedule> {
    schedules
        .into_iter()
        .map(|schedule| (schedule.endpoint.id, schedule))
        .collect()
}

/// Fails unless `wave` is the plan's next one and the wave before has succeeded.
async fn require_next(tx: &mut dyn Tx, plan: &Plan, wave: u32) -> Result<(), Error> {
    let refuse = |message: String| {
        Err(Error::Precondition {
            reason: "PLAN_STATE",
            message,
        })
    };
    if plan.state != PlanState::Running {
        return refuse(format!("plan is {}", plan.state.as_str()));
    }
    if plan.next_wave() != Some(wave) {
        return refuse(format!("wave {wave} is not the next wave"));
    }
    match wave_result(tx, plan).await? {
        None => refuse(format!("wave {} is still running", plan.wave)),
        Some(true) => refuse(format!("a run of wave {} did not succeed", plan.wave)),
        Some(false) => Ok(()),
    }
}

fn definition_changed(planning: &JobPlanning) -> Error {
    Error::Aborted {
        reason: "DEFINITION_CHANGED",
        message: "the job's definition has changed since the model was asked".to_owned(),
        details: vec![("definition_revision", planning.definition_revision.to_string())],
    }
}

/// The bounds of an answer that no single verdict could tell.
pub fn check_answer(answer: &Answer, limits: &PlanLimits, violations: &mut Violations) {
    let rationale = answer.rationale.chars().count() <= limits::DESCRIPTION_CHARS;
    violations.check(rationale, "rationale", "must have at most 4000 characters");
    let bounds = limits.review_min..=limits.review_max;
    let review = format!("must be {:?} to {:?}", limits.review_min, limits.review_max);
    violations.check(bounds.contains(&answer.review_after), "review_after", review);
    let steps = answer.steps.iter().map(|step| ("steps", &step.reason));
    let hints = answer.hints.iter().map(|hint| ("hints", &hint.reason));
    for (index, (list, reason)) in steps.enumerate().chain(hints.enumerate()) {
        let fits = reason.chars().count() <= limits::REASON_CHARS;
        violations.check(
            fits,
            &format!("{list}[{index}].reason"),
            "must have at most 1000 characters",
        );
    }
    check_call(&answer.call, violations);
}

/// The bounds of what a planner says about its model.
pub(super) fn check_call(call: &ModelCall, violations: &mut Violations) {
    violations.check(
        call.model.chars().count() <= limits::NAME_CHARS,
        "call.model",
        "must have at most 255 characters",
    );
    violations.check(
        call.prompt_digest.len() <= 64,
        "call.prompt_digest",
        "must be a SHA-256 in hex",
    );
    violations.check(
        call.raw_answer.len() <= limits::RAW_ANSWER_BYTES,
        "call.raw_answer",
        "must have at most 64 KiB",
    );
}
