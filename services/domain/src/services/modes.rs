//! How far a job's planner may go, and what becomes of what it has in force when that changes.

use crate::{
    error::{Error, Resource},
    ids::{JobId, UserId},
    job::{Job, PlannerMode},
    plan::{JobPlanning, PlanState, reason},
    ports::{Topic, Tx},
    schedule::Schedule,
};

use super::{
    Services, check_etag, contexts::is_planners, found, jobs::require_not_archived, lost_update, outcomes,
    plans::withdraw_suggestion,
};

/// Why steps and suggestions end when the mode changes.
const MODE_CHANGED: &str = "planner-mode-changed";

impl Services {
    /// Sets the mode. What may not stay in force under the new one is taken back in the same transaction: the planner's
    /// hints, its steps that have not started, and the plan they belong to. The same mode again changes nothing.
    pub async fn set_planner_mode(
        &self,
        user: &UserId,
        id: JobId,
        mode: PlannerMode,
        etag: Option<&str>,
    ) -> Result<Job, Error> {
        let mut tx = self.store.begin().await?;
        found(Resource::Job, tx.get_job(user, id).await?)?;
        let mut schedules = tx.lock_job_schedules(id).await?;
        let planning = found(Resource::Job, tx.lock_planning(&[id]).await?.pop())?;
        // Read again: the locks may have waited for somebody else's change.
        let mut job = found(Resource::Job, tx.get_job(user, id).await?)?;
        check_etag(etag, job.version)?;
        require_not_archived(&job)?;
        if job.planner_mode == mode {
            tx.commit().await?;
            return Ok(job);
        }
        if !job.planner_mode.keeps_in_force(mode) {
            self.take_back(tx.as_mut(), user, &planning, &mut schedules).await?;
        }
        job.planner_mode = mode;
        job.touch(tx.now());
        if !tx.update_job(&job).await? {
            return Err(lost_update());
        }
        note_mode(tx.as_mut(), &job).await?;
        tx.wake(Topic::Contexts);
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(job)
    }

    /// Takes everything of the planner out of force that has not started.
    async fn take_back(
        &self,
        tx: &mut dyn Tx,
        user: &UserId,
        planning: &JobPlanning,
        schedules: &mut [Schedule],
    ) -> Result<(), Error> {
        let now = tx.now();
        // First, so that the end of its steps is no reason to go on with it.
        if let Some(accepted) = planning.accepted
            && let Some(mut plan) = tx.get_plan(user, accepted).await?
            && plan.state == PlanState::Running
        {
            MODE_CHANGED.clone_into(&mut plan.detail);
            plan.close(PlanState::Stopped, now);
            tx.update_plan(&plan).await?;
        }
        for schedule in schedules.iter_mut() {
            schedule.clear_hints(is_planners, now, self.chance.as_ref());
        }
        outcomes::drop_waiting(tx, schedules, MODE_CHANGED, now, outcomes::is_step).await?;
        tx.save_schedules(schedules).await?;
        Ok(())
    }
}

/// Withdraws what waits for a person, and has the model asked under the new mode.
async fn note_mode(tx: &mut dyn Tx, job: &Job) -> Result<(), Error> {
    let now = tx.now();
    for mut planning in tx.lock_planning(&[job.id]).await? {
        withdraw_suggestion(tx, &job.user_id, &mut planning, MODE_CHANGED).await?;
        planning.note(Some(reason::MODE_CHANGED), now);
        tx.save_planning(&planning).await?;
    }
    Ok(())
}
