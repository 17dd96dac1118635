//! JobsService: jobs, their endpoints, and the hints of people.

use baton_domain::{
    ids::{EndpointId, JobId},
    job::JobStatus,
    services::Services,
};
use baton_proto::v1::{self as pb, jobs_service_server::JobsService};
use tonic::Request;

use super::{Answer, handle};
use crate::convert::{
    Fields, endpoint,
    fields::read,
    hint::{self, ClearTarget},
    job,
    page::Paging,
    run,
};

pub(crate) struct Jobs {
    services: Services,
}

impl Jobs {
    pub(crate) fn new(services: Services) -> Self {
        Self { services }
    }

    async fn set_status(&self, request: Request<String>, target: JobStatus) -> Answer<pb::Job> {
        handle(request, |user, id| async move {
            let id = read(|fields| fields.id("id", &id, JobId))?;
            Ok(job::to_proto(&self.services.set_job_status(&user, id, target).await?))
        })
        .await
    }
}

#[tonic::async_trait]
impl JobsService for Jobs {
    async fn create_job(&self, request: Request<pb::CreateJobRequest>) -> Answer<pb::Job> {
        handle(request, |user, request| async move {
            let idempotency = job::read_create(&request)?;
            let created = self
                .services
                .create_job(&user, &request.name, &request.description, &idempotency);
            Ok(job::to_proto(&created.await?))
        })
        .await
    }

    async fn get_job(&self, request: Request<pb::GetJobRequest>) -> Answer<pb::Job> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, JobId))?;
            Ok(job::to_proto(&self.services.get_job(&user, id).await?))
        })
        .await
    }

    async fn list_jobs(&self, request: Request<pb::ListJobsRequest>) -> Answer<pb::ListJobsResponse> {
        handle(request, |user, request| async move {
            let (paging, status) = read(|fields| {
                let paging = Paging::read(fields, &request);
                (paging, job::read_status(fields, request.status))
            })?;
            let listing = self.services.list_jobs(&user, status, paging.page).await?;
            let (jobs, next_page_token) = paging.fill(&listing, |job| job.id.0, job::to_proto);
            Ok(pb::ListJobsResponse { jobs, next_page_token })
        })
        .await
    }

    async fn update_job(&self, request: Request<pb::UpdateJobRequest>) -> Answer<pb::Job> {
        handle(request, |user, request| async move {
            let update = job::read_update(request)?;
            let (name, description) = (update.name.as_deref(), update.description.as_deref());
            let written = self
                .services
                .update_job(&user, update.id, update.etag.as_deref(), name, description);
            Ok(job::to_proto(&written.await?))
        })
        .await
    }

    async fn pause_job(&self, request: Request<pb::PauseJobRequest>) -> Answer<pb::Job> {
        self.set_status(request.map(|request| request.id), JobStatus::Paused)
            .await
    }

    async fn resume_job(&self, request: Request<pb::ResumeJobRequest>) -> Answer<pb::Job> {
        self.set_status(request.map(|request| request.id), JobStatus::Active)
            .await
    }

    async fn archive_job(&self, request: Request<pb::ArchiveJobRequest>) -> Answer<pb::Job> {
        self.set_status(request.map(|request| request.id), JobStatus::Archived)
            .await
    }

    async fn delete_job(&self, request: Request<pb::DeleteJobRequest>) -> Answer<()> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, JobId))?;
            self.services.delete_job(&user, id).await
        })
        .await
    }

    async fn create_endpoint(&self, request: Request<pb::CreateEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let new = endpoint::read_create(request);
            let created = self
                .services
                .create_endpoint(&user, new.job_id, &new.draft, &new.idempotency);
            Ok(endpoint::to_proto(&created.await?))
        })
        .await
    }

    async fn get_endpoint(&self, request: Request<pb::GetEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, EndpointId))?;
            Ok(endpoint::to_proto(&self.services.get_endpoint(&user, id).await?))
        })
        .await
    }

    async fn list_endpoints(&self, request: Request<pb::ListEndpointsRequest>) -> Answer<pb::ListEndpointsResponse> {
        handle(request, |user, request| async move {
            let (paging, job) = read(|fields| {
                let paging = Paging::read(fields, &request);
                (paging, fields.optional_id("job_id", request.job_id.as_deref(), JobId))
            })?;
            let listing = self.services.list_endpoints(&user, job, paging.page).await?;
            let (endpoints, next_page_token) =
                paging.fill(&listing, |schedule| schedule.endpoint.id.0, endpoint::to_proto);
            Ok(pb::ListEndpointsResponse {
                endpoints,
                next_page_token,
            })
        })
        .await
    }

    async fn update_endpoint(&self, request: Request<pb::UpdateEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let mut update = endpoint::read_update(request)?;
            let (id, etag) = (update.id, update.etag.take());
            let written = self
                .services
                .update_endpoint(&user, id, etag.as_deref(), |draft| update.write(draft));
            Ok(endpoint::to_proto(&written.await?))
        })
        .await
    }

    async fn assign_endpoint(&self, request: Request<pb::AssignEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let (id, job) = read(|fields| {
                let id = fields.id("id", &request.id, EndpointId);
                (id, fields.id_or_none("job_id", &request.job_id, JobId))
            })?;
            Ok(endpoint::to_proto(
                &self.services.assign_endpoint(&user, id, job).await?,
            ))
        })
        .await
    }

    async fn pause_endpoint(&self, request: Request<pb::PauseEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let (id, pause) = read(|fields| {
                let id = fields.id("id", &request.id, EndpointId);
                (id, endpoint::read_pause(fields, "until", &request.until))
            })?;
            Ok(endpoint::to_proto(
                &self.services.pause_endpoint(&user, id, pause).await?,
            ))
        })
        .await
    }

    async fn resume_endpoint(&self, request: Request<pb::ResumeEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, EndpointId))?;
            Ok(endpoint::to_proto(&self.services.resume_endpoint(&user, id).await?))
        })
        .await
    }

    async fn reset_failures(&self, request: Request<pb::ResetFailuresRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, EndpointId))?;
            Ok(endpoint::to_proto(&self.services.reset_failures(&user, id).await?))
        })
        .await
    }

    async fn archive_endpoint(&self, request: Request<pb::ArchiveEndpointRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, EndpointId))?;
            Ok(endpoint::to_proto(&self.services.archive_endpoint(&user, id).await?))
        })
        .await
    }

    async fn delete_endpoint(&self, request: Request<pb::DeleteEndpointRequest>) -> Answer<()> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, EndpointId))?;
            self.services.delete_endpoint(&user, id).await
        })
        .await
    }

    async fn apply_hint(&self, request: Request<pb::ApplyHintRequest>) -> Answer<pb::Endpoint> {
        handle(request, |user, request| async move {
            let mut fields = Fields::default();
            let new = hint::read_apply(&mut fields, request);
            if !fields.is_empty() {
                return Err(hint::refuse(fields, &new, self.services.now().await?));
            }
            let hinted = self
                .services
                .apply_hint(&user, new.endpoint_id, new.instruction, new.ttl, &new.reason);
            Ok(endpoint::to_proto(&hinted.await?))
        })
        .await
    }

    async fn clear_hints(&self, request: Request<pb::ClearHintsRequest>) -> Answer<pb::ClearHintsResponse> {
        handle(request, |user, request| async move {
            let cleared = match hint::read_clear(&request)? {
                ClearTarget::Endpoint(id) => self.services.clear_endpoint_hints(&user, id).await?,
                ClearTarget::Job(id) => self.services.clear_job_hints(&user, id).await?,
            };
            let cleared = i32::try_from(cleared).unwrap_or(i32::MAX);
            Ok(pb::ClearHintsResponse { cleared })
        })
        .await
    }

    async fn preview_schedule(
        &self,
        request: Request<pb::PreviewScheduleRequest>,
    ) -> Answer<pb::PreviewScheduleResponse> {
        handle(request, |user, request| async move {
            let (id, count) = read(|fields| {
                let id = fields.id("endpoint_id", &request.endpoint_id, EndpointId);
                (id, run::read_count(fields, request.count))
            })?;
            let nexts = self.services.preview_schedule(&user, id, count).await?;
            let runs = nexts.iter().map(run::next_to_proto).collect();
            Ok(pb::PreviewScheduleResponse { runs })
        })
        .await
    }
}
