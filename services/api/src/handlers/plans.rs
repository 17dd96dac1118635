//! PlansService: what planners see, and what they hand in.

use std::time::Duration;

use baton_domain::{
    error::Error,
    ids::{JobId, PlanId, UserId},
    services::Services,
};
use baton_proto::v1::{self as pb, plans_service_server::PlansService};
use futures_util::stream::BoxStream;
use tonic::{Request, Response, Status};

use super::{Answer, handle};
use crate::{
    caller,
    convert::{context, fields::read, job, page::Paging, plan},
    status, trace,
    watch::ContextWatch,
};

pub(crate) struct Plans {
    services: Services,
    /// How often a watch looks for changes that no wake told it of.
    watch_poll: Duration,
}

impl Plans {
    pub(crate) fn new(services: Services, watch_poll: Duration) -> Self {
        Self { services, watch_poll }
    }

    async fn watch(&self, user: UserId, request: pb::WatchPlanningContextsRequest) -> Result<ContextWatch, Error> {
        let jobs = context::read_watch(&request)?;
        for job in &jobs {
            self.services.get_job(&user, *job).await?;
        }
        Ok(ContextWatch::new(self.services.clone(), user, jobs, self.watch_poll))
    }
}

#[tonic::async_trait]
impl PlansService for Plans {
    type WatchPlanningContextsStream = BoxStream<'static, Result<pb::WatchPlanningContextsResponse, Status>>;

    async fn watch_planning_contexts(
        &self,
        request: Request<pb::WatchPlanningContextsRequest>,
    ) -> Answer<Self::WatchPlanningContextsStream> {
        let (user, request) = caller::open(request)?;
        let watch = self.watch(user, request).await.map_err(status::of_error)?;
        Ok(Response::new(watch.into_stream()))
    }

    async fn begin_plan(&self, request: Request<pb::BeginPlanRequest>) -> Answer<pb::BeginPlanResponse> {
        handle(request, |user, request| async move {
            let job = context::read_begin(&request)?;
            let seen = self.services.planning_context(&user, job).await?;
            context::check_revision(request.context_revision, seen.planning.context_revision)?;
            let begun = self.services.begin_plan(&user, job, &request.planner).await?;
            Ok(pb::BeginPlanResponse {
                plan: Some(plan::to_proto(&begun.plan)),
                context: Some(context::to_proto(&begun.context)),
            })
        })
        .await
    }

    async fn renew_plan(&self, request: Request<pb::RenewPlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("plan_id", &request.plan_id, PlanId))?;
            Ok(plan::to_proto(&self.services.renew_plan(&user, id).await?))
        })
        .await
    }

    async fn submit_plan(&self, request: Request<pb::SubmitPlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let (id, answer) = plan::read_submit(request, self.services.limits())?;
            let view = self.services.submit_plan(&user, id, answer).await?;
            Ok(plan::view_to_proto(&view))
        })
        .await
    }

    async fn advance_plan(&self, request: Request<pb::AdvancePlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let (id, wave) = plan::read_advance(&request)?;
            let view = self.services.advance_plan(&user, id, wave, trace::parent()).await?;
            Ok(plan::view_to_proto(&view))
        })
        .await
    }

    async fn fail_plan(&self, request: Request<pb::FailPlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let failure = plan::read_fail(request)?;
            let recorded = self
                .services
                .fail_plan(&user, failure.id, &failure.verdict, &failure.detail, failure.call);
            Ok(plan::view_to_proto(&recorded.await?))
        })
        .await
    }

    async fn set_planner_mode(&self, request: Request<pb::SetPlannerModeRequest>) -> Answer<pb::Job> {
        handle(request, |user, request| async move {
            let change = job::read_mode(request)?;
            let set = self
                .services
                .set_planner_mode(&user, change.id, change.mode, change.etag.as_deref());
            Ok(job::to_proto(&set.await?))
        })
        .await
    }

    async fn approve_plan(&self, request: Request<pb::ApprovePlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let id = plan::read_decision(&request.plan_id, &request.reason)?;
            let approved = self.services.approve_plan(&user, id, &request.reason, trace::parent());
            Ok(plan::view_to_proto(&approved.await?))
        })
        .await
    }

    async fn reject_plan(&self, request: Request<pb::RejectPlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let id = plan::read_decision(&request.plan_id, &request.reason)?;
            let rejected = self.services.reject_plan(&user, id, &request.reason).await?;
            Ok(plan::view_to_proto(&rejected))
        })
        .await
    }

    async fn get_plan(&self, request: Request<pb::GetPlanRequest>) -> Answer<pb::Plan> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, PlanId))?;
            let view = self.services.get_plan(&user, id).await?;
            Ok(pb::Plan {
                context_json: view.plan.context.clone(),
                ..plan::view_to_proto(&view)
            })
        })
        .await
    }

    async fn list_plans(&self, request: Request<pb::ListPlansRequest>) -> Answer<pb::ListPlansResponse> {
        handle(request, |user, request| async move {
            let (paging, job) = read(|fields| {
                let paging = Paging::read(fields, &request);
                (paging, fields.optional_id("job_id", request.job_id.as_deref(), JobId))
            })?;
            let listing = self.services.list_plans(&user, job, paging.page).await?;
            let (plans, next_page_token) = paging.fill(&listing, |plan| plan.id.0, plan::to_proto);
            Ok(pb::ListPlansResponse { plans, next_page_token })
        })
        .await
    }
}
