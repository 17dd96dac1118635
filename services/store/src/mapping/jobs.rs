//! Jobs and their planning rows.

use baton_domain::{
    ids::{JobId, PlanId, UserId},
    job::{Job, JobStatus, PlannerMode},
    plan::JobPlanning,
    ports::StoreResult,
};

use super::{together, word, words};
use crate::entity::{job, job_planning};

pub fn job_row(job: &Job) -> job::Model {
    job::Model {
        id: job.id.0,
        user_id: job.user_id.0.clone(),
        name: job.name.clone(),
        description: job.description.clone(),
        status: job.status.as_str().to_owned(),
        planner_mode: job.planner_mode.as_str().to_owned(),
        version: job.version,
        created_at: job.created_at,
        updated_at: job.updated_at,
        archived_at: job.archived_at,
    }
}

pub fn job_of(row: job::Model) -> StoreResult<Job> {
    Ok(Job {
        id: JobId(row.id),
        user_id: UserId(row.user_id),
        name: row.name,
        description: row.description,
        status: status_of(&row.status)?,
        planner_mode: word("jobs.planner_mode", &row.planner_mode, PlannerMode::parse)?,
        version: row.version,
        created_at: row.created_at,
        updated_at: row.updated_at,
        archived_at: row.archived_at,
    })
}

pub fn status_of(stored: &str) -> StoreResult<JobStatus> {
    word("jobs.status", stored, JobStatus::parse)
}

pub fn planning_row(planning: &JobPlanning) -> job_planning::Model {
    job_planning::Model {
        job_id: planning.job_id.0,
        definition_revision: planning.definition_revision,
        context_revision: planning.context_revision,
        pending: planning.pending.clone().into(),
        pending_since: planning.pending_since,
        asked_at: planning.asked_at,
        asking_plan_id: planning.asking.map(|(plan, _)| plan.0),
        asking_until: planning.asking.map(|(_, until)| until),
        accepted_plan_id: planning.accepted.map(|plan| plan.0),
        suggested_plan_id: planning.suggested.map(|plan| plan.0),
        review_at: planning.review_at,
    }
}

pub fn planning_of(row: job_planning::Model) -> StoreResult<JobPlanning> {
    let asking = together(
        "job_planning.asking_plan_id, asking_until",
        row.asking_plan_id,
        row.asking_until,
    )?;
    Ok(JobPlanning {
        job_id: JobId(row.job_id),
        definition_revision: row.definition_revision,
        context_revision: row.context_revision,
        pending: words("job_planning.pending", row.pending)?,
        pending_since: row.pending_since,
        asked_at: row.asked_at,
        asking: asking.map(|(plan, until)| (PlanId(plan), until)),
        accepted: row.accepted_plan_id.map(PlanId),
        suggested: row.suggested_plan_id.map(PlanId),
        review_at: row.review_at,
    })
}
