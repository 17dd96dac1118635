//! What the end of runs means beyond their endpoints: plans whose wave is over, and reasons to ask the model again.

use std::collections::BTreeSet;

use crate::{
    error::Error,
    ids::{JobId, PlanId},
    plan::{JobPlanning, Plan, PlanState, reason},
    ports::{Topic, Tx},
    run::{Cause, LiveRun, Run, RunStatus},
    schedule::Schedule,
    time::Timestamp,
};

use super::settlement::Over;

/// Brings plans and planning rows up to date after runs became terminal, already in the history. Endpoints must be locked before.
pub(super) async fn note_over(tx: &mut dyn Tx, over: &[Over]) -> Result<(), Error> {
    let telling = over.iter().filter(|over| over.concerns_planners());
    let jobs: BTreeSet<JobId> = telling.filter_map(|over| over.run.job_id).collect();
    if jobs.is_empty() {
        return Ok(());
    }
    let jobs: Vec<JobId> = jobs.into_iter().collect();
    for mut planning in tx.lock_planning(&jobs).await? {
        if note_job(tx, &mut planning, over).await? {
            tx.save_planning(&planning).await?;
            tx.wake(Topic::Contexts);
        }
    }
    Ok(())
}

async fn note_job(tx: &mut dyn Tx, planning: &mut JobPlanning, over: &[Over]) -> Result<bool, Error> {
    let now = tx.now();
    let mine = || over.iter().filter(|over| over.run.job_id == Some(planning.job_id));
    let class_changed = mine().any(|over| over.class_changed);
    let plans: BTreeSet<PlanId> = mine()
        .filter(|over| is_step(&over.run))
        .filter_map(|over| over.run.plan_id)
        .collect();
    let user = mine().next().map(|over| over.run.user_id.clone());

    let mut noted = class_changed;
    if class_changed {
        planning.note(Some(reason::OUTCOME_CHANGED), now);
    }
    let Some(user) = user else { return Ok(noted) };
    for id in plans {
        if let Some(plan) = tx.get_plan(&user, id).await? {
            noted |= note_wave(tx, planning, plan).await?;
        }
    }
    Ok(noted)
}

/// Ends the plan or offers its next wave when every run of the current wave is over.
async fn note_wave(tx: &mut dyn Tx, planning: &mut JobPlanning, plan: Plan) -> Result<bool, Error> {
    let now = tx.now();
    let mut plan = plan;
    if plan.state != PlanState::Running {
        return Ok(false);
    }
    let Some(failed) = wave_result(tx, &plan).await? else {
        return Ok(false);
    };
    let ask_reason = if failed {
        plan.close(PlanState::Stopped, now);
        Some(reason::PLAN_STOPPED)
    } else if plan.next_wave().is_none() {
        plan.close(PlanState::Completed, now);
        Some(reason::PLAN_FINISHED)
    } else {
        None
    };
    tx.update_plan(&plan).await?;
    planning.note(ask_reason, now);
    Ok(true)
}

/// `None` while a run of the current wave is live, otherwise whether any did not succeed.
pub(super) async fn wave_result(tx: &mut dyn Tx, plan: &Plan) -> Result<Option<bool>, Error> {
    let mut failed = false;
    for run_id in plan
        .steps
        .iter()
        .filter(|step| step.wave == plan.wave)
        .filter_map(|step| step.run_id)
    {
        match tx.get_run_details(&plan.user_id, run_id).await? {
            Some(run) if !run.status.is_terminal() => return Ok(None),
            Some(run) => failed |= run.status != RunStatus::Succeeded,
            // Deleted with its endpoint.
            None => failed = true,
        }
    }
    Ok(Some(failed))
}

pub(super) fn is_step(run: &Run) -> bool {
    run.cause == Cause::PlanStep
}

/// Cancels (or, for a planner's step on something paused, skips) the waiting runs that `which` names, those that wait for
/// a retry included. The schedules are saved afterwards.
pub(super) async fn drop_waiting(
    tx: &mut dyn Tx,
    schedules: &mut [Schedule],
    why: &str,
    now: Timestamp,
    which: impl Fn(&Run) -> bool,
) -> Result<(), Error> {
    let ids: Vec<_> = schedules.iter().map(|schedule| schedule.endpoint.id).collect();
    let waiting = tx.waiting_runs(&ids).await?.into_iter();
    let unwanted: Vec<LiveRun> = waiting.filter(|row| which(&row.run)).collect();
    if unwanted.is_empty() {
        return Ok(());
    }
    for row in &unwanted {
        for schedule in schedules
            .iter_mut()
            .filter(|schedule| schedule.endpoint.id == row.run.endpoint_id)
        {
            schedule.release(row);
        }
    }
    let dropped: Vec<Run> = unwanted.into_iter().map(|row| dropped(row.run, why, now)).collect();
    tx.move_to_history(&dropped).await?;
    let over = dropped.into_iter().map(|run| Over {
        run,
        class_changed: false,
    });
    note_over(tx, &over.collect::<Vec<_>>()).await
}

/// The terminal form of a run that never starts.
pub(super) fn dropped(run: Run, why: &str, now: Timestamp) -> Run {
    let skipped = is_step(&run) && why.ends_with("paused");
    Run {
        status: if skipped {
            RunStatus::Skipped
        } else {
            RunStatus::Cancelled
        },
        finished_at: Some(now),
        reason: Some(why.to_owned()),
        ..run
    }
}
