//! What people decide about suggestions: to put one into force, or not to.

use crate::{
    error::{Error, Resource, Violations},
    ids::{PlanId, UserId},
    job::Job,
    limits,
    plan::{JobPlanning, Plan, PlanState},
    ports::{Topic, Tx},
    time::Timestamp,
};

use super::{
    super::{
        Services,
        contexts::{PlanView, load_plan},
        found,
        jobs::require_active,
    },
    by_id, definition_changed,
    submission::Submission,
};

impl Services {
    /// Puts a suggestion into force, its guardrails checked anew: its times count from now. Sending it again has no
    /// second effect.
    pub async fn approve_plan(
        &self,
        user: &UserId,
        id: PlanId,
        reason: &str,
        trace_parent: Option<String>,
    ) -> Result<PlanView, Error> {
        require_reason(reason)?;
        let mut tx = self.store.begin().await?;
        let seen = found(Resource::Plan, tx.get_plan(user, id).await?)?;
        let schedules = by_id(tx.lock_job_schedules(seen.job_id).await?);
        let now = tx.now();
        let planning = lock_planning(tx.as_mut(), &seen).await?;
        let view = found(Resource::Plan, load_plan(tx.as_mut(), user, id).await?)?;
        if view.plan.is_approved() {
            // Lets go of what it locked before it answers.
            tx.commit().await?;
            return Ok(view);
        }
        let job = found(Resource::Job, tx.get_job(user, seen.job_id).await?)?;
        require_approvable(&view.plan, &planning, &job, now)?;
        let mut approved = Submission {
            plan: view.plan,
            planning,
            schedules,
            limits: &self.limits,
            chance: self.chance.as_ref(),
            now,
            trace_parent,
        };
        decide(&mut approved.plan, reason, now);
        approved.planning.suggested = None;
        approved.planning.note(None, now);
        approved.take_into_force(tx.as_mut()).await?;
        tx.update_plan(&approved.plan).await?;
        tx.save_planning(&approved.planning).await?;
        tx.wake(Topic::Contexts);
        tx.wake(Topic::Queue);
        tx.commit().await?;
        self.get_plan(user, id).await
    }

    /// Ends a suggestion without effect. The model is told at its next ask. Sending it again has no second effect.
    pub async fn reject_plan(&self, user: &UserId, id: PlanId, reason: &str) -> Result<PlanView, Error> {
        require_reason(reason)?;
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let seen = found(Resource::Plan, tx.get_plan(user, id).await?)?;
        let mut planning = lock_planning(tx.as_mut(), &seen).await?;
        let mut view = found(Resource::Plan, load_plan(tx.as_mut(), user, id).await?)?;
        if view.plan.state == PlanState::Rejected {
            tx.commit().await?;
            return Ok(view);
        }
        require_suggested(&view.plan)?;
        decide(&mut view.plan, reason, now);
        view.plan.close(PlanState::Rejected, now);
        planning.note(None, now);
        tx.update_plan(&view.plan).await?;
        tx.save_planning(&planning).await?;
        tx.wake(Topic::Contexts);
        tx.commit().await?;
        Ok(view)
    }
}

async fn lock_planning(tx: &mut dyn Tx, plan: &Plan) -> Result<JobPlanning, Error> {
    found(Resource::Job, tx.lock_planning(&[plan.job_id]).await?.pop())
}

fn decide(plan: &mut Plan, reason: &str, now: Timestamp) {
    plan.decided_at = Some(now);
    reason.clone_into(&mut plan.decision_reason);
}

/// A suggestion lives until a newer plan, a change of what it was made for, or its own review time.
fn require_approvable(plan: &Plan, planning: &JobPlanning, job: &Job, now: Timestamp) -> Result<(), Error> {
    require_suggested(plan)?;
    require_active(job)?;
    if plan.definition_revision != planning.definition_revision {
        return Err(definition_changed(planning));
    }
    match plan.review_at {
        Some(review_at) if review_at <= now => Err(Error::Precondition {
            reason: "SUGGESTION_EXPIRED",
            message: format!("the suggestion could be approved until {}", review_at.to_rfc3339()),
        }),
        Some(_) | None => Ok(()),
    }
}

fn require_suggested(plan: &Plan) -> Result<(), Error> {
    if plan.state == PlanState::Suggested {
        return Ok(());
    }
    Err(Error::Precondition {
        reason: "PLAN_STATE",
        message: format!("plan is {}, it does not wait for a decision", plan.state.as_str()),
    })
}

fn require_reason(reason: &str) -> Result<(), Error> {
    let mut violations = Violations::default();
    check_decision(reason, &mut violations);
    violations.into_result()
}

/// The bounds of what a person says to a decision.
pub fn check_decision(reason: &str, violations: &mut Violations) {
    let fits = reason.chars().count() <= limits::REASON_CHARS && !reason.contains('\0');
    violations.check(fits, "reason", "must have at most 1000 characters, and no NUL");
}
