//! Jobs between their proto and domain forms.

use baton_domain::{
    error::{Error, Violations},
    ids::JobId,
    job::{self, Job, JobStatus, PlannerMode},
    services::Idempotency,
};
use baton_proto::v1 as pb;

use super::{
    Fields,
    mask::{Mask, Writable},
    repeat, time,
};

const WRITABLE: Writable = Writable {
    message: "job",
    paths: &["name", "description"],
    output_only: &[
        "id",
        "status",
        "create_time",
        "update_time",
        "archive_time",
        "etag",
        "planner_mode",
    ],
};

/// What UpdateJob is to do.
pub(crate) struct JobUpdate {
    pub id: JobId,
    pub etag: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
}

pub(crate) fn read_create(request: &pb::CreateJobRequest) -> Result<Idempotency, Error> {
    let mut fields = Fields::default();
    let idempotency = repeat::read(&mut fields, request);
    fields.done_or(|violations| job::check_texts(violations, "", &request.name, &request.description))?;
    Ok(idempotency)
}

pub(crate) fn read_update(request: pb::UpdateJobRequest) -> Result<JobUpdate, Error> {
    let mut fields = Fields::default();
    let mask = Mask::read(&mut fields, &WRITABLE, request.update_mask.as_ref());
    let Some(job) = fields.require("job", request.job) else {
        return Err(fields.refusal());
    };
    let update = JobUpdate {
        id: fields.id("job.id", &job.id, JobId),
        etag: etag(job.etag),
        name: mask.writes("name", !job.name.is_empty()).then_some(job.name),
        description: mask
            .writes("description", !job.description.is_empty())
            .then_some(job.description),
    };
    fields.done_or(|violations| check_texts(violations, &update))?;
    Ok(update)
}

/// The texts that would be written; the others are as they were and were checked then.
fn check_texts(violations: &mut Violations, update: &JobUpdate) {
    let name = update.name.as_deref().unwrap_or("unchanged");
    let description = update.description.as_deref().unwrap_or_default();
    job::check_texts(violations, "job.", name, description);
}

/// A status to filter by; UNSPECIFIED means every status.
pub(crate) fn read_status(fields: &mut Fields, status: i32) -> Option<JobStatus> {
    match pb::JobStatus::try_from(status) {
        Ok(pb::JobStatus::Unspecified) => None,
        Ok(pb::JobStatus::Active) => Some(JobStatus::Active),
        Ok(pb::JobStatus::Paused) => Some(JobStatus::Paused),
        Ok(pb::JobStatus::Archived) => Some(JobStatus::Archived),
        Err(_) => {
            fields.push("status", format!("{status} is not a JobStatus"));
            None
        }
    }
}

/// What SetPlannerMode is to do.
pub(crate) struct ModeChange {
    pub id: JobId,
    pub mode: PlannerMode,
    pub etag: Option<String>,
}

pub(crate) fn read_mode(request: pb::SetPlannerModeRequest) -> Result<ModeChange, Error> {
    let mut fields = Fields::default();
    let id = fields.id("job_id", &request.job_id, JobId);
    let mode = match request.mode() {
        pb::PlannerMode::Observe => Some(PlannerMode::Observe),
        pb::PlannerMode::Suggest => Some(PlannerMode::Suggest),
        pb::PlannerMode::Act => Some(PlannerMode::Act),
        pb::PlannerMode::Unspecified => {
            fields.push("mode", "must be OBSERVE, SUGGEST or ACT");
            None
        }
    };
    fields.done()?;
    Ok(ModeChange {
        id,
        mode: mode.unwrap_or_default(),
        etag: etag(request.etag),
    })
}

/// An empty etag is none.
pub(crate) fn etag(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(crate) fn to_proto(job: &Job) -> pb::Job {
    let status = match job.status {
        JobStatus::Active => pb::JobStatus::Active,
        JobStatus::Paused => pb::JobStatus::Paused,
        JobStatus::Archived => pb::JobStatus::Archived,
    };
    let planner_mode = match job.planner_mode {
        PlannerMode::Observe => pb::PlannerMode::Observe,
        PlannerMode::Suggest => pb::PlannerMode::Suggest,
        PlannerMode::Act => pb::PlannerMode::Act,
    };
    pb::Job {
        id: job.id.to_string(),
        name: job.name.clone(),
        description: job.description.clone(),
        status: status.into(),
        create_time: Some(time::timestamp(job.created_at)),
        update_time: Some(time::timestamp(job.updated_at)),
        archive_time: job.archived_at.map(time::timestamp),
        etag: job.version.to_string(),
        planner_mode: planner_mode.into(),
    }
}
