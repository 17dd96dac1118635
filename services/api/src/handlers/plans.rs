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
    caller::{self, Caller},
    convert::{context, fields::read, job, page::Paging, plan},
    pace::{self, Pace},
    status, trace,
    watch::ContextWatch,
};

pub(crate) struct Plans {
    services: Services,
    /// How often a watch looks for changes that no wake told it of.
    watch_poll: Duration,
    pace: Pace,
}

impl Plans {
    pub(crate) fn new(services: Services, watch_poll: Duration, pace: Pace) -> Self {
        Self {
            services,
            watch_poll,
            pace,
        }
    }

    /// Answers one unary request of a caller who may reach several users: whose it is follows from what it asks for. A
    /// planner is answered when it is its turn.
    async fn in_turn<Q, A, F>(&self, request: Request<Q>, work: impl FnOnce(Caller, Q) -> F) -> Answer<A>
    where
        F: Future<Output = Result<A, Error>>,
    {
        let (caller, message) = caller::open(request)?;
        let turn = match caller.acts_as_planner() {
            true => Some(self.pace.turn(&caller.credential).await),
            false => None,
        };
        let _turn = turn.transpose().map_err(|pace::LineIsFull| status::overloaded())?;
        work(caller, message).await.map(Response::new).map_err(status::of_error)
    }

    async fn watch(&self, caller: Caller, request: pb::WatchPlanningContextsRequest) -> Result<ContextWatch, Error> {
        let jobs = context::read_watch(&request)?;
        for job in &jobs {
            let user = caller.owner_of_job(&self.services, *job).await?;
            self.services.get_job(&user, *job).await?;
        }
        let reach = caller.reach().clone();
        Ok(ContextWatch::new(self.services.clone(), reach, jobs, self.watch_poll))
    }

    /// Whose plans are listed.
    async fn lister(&self, caller: &Caller, job: Option<JobId>) -> Result<UserId, Error> {
        match (caller.reach().sole(), job) {
            (Some(user), _) => Ok(user.clone()),
            (None, Some(job)) => caller.owner_of_job(&self.services, job).await,
            (None, None) => Err(Error::invalid(
                "job_id",
                "is required of a planner's credential that names several users",
            )),
        }
    }
}

#[tonic::async_trait]
impl PlansService for Plans {
    type WatchPlanningContextsStream = BoxStream<'static, Result<pb::WatchPlanningContextsResponse, Status>>;

    async fn watch_planning_contexts(
        &self,
        request: Request<pb::WatchPlanningContextsRequest>,
    ) -> Answer<Self::WatchPlanningContextsStream> {
        let (caller, request) = caller::open(request)?;
        let watch = self.watch(caller, request).await.map_err(status::of_error)?;
        Ok(Response::new(watch.into_stream()))
    }

    async fn begin_plan(&self, request: Request<pb::BeginPlanRequest>) -> Answer<pb::BeginPlanResponse> {
        self.in_turn(request, |caller, request| async move {
            let job = context::read_begin(&request)?;
            let user = caller.owner_of_job(&self.services, job).await?;
            let current = self.services.context_revision(&user, job).await?;
            context::check_revision(request.context_revision, current)?;
            let begun = self.services.begin_plan(&user, job, &request.planner).await?;
            Ok(pb::BeginPlanResponse {
                plan: Some(plan::to_proto(&begun.plan)),
                context: Some(context::to_proto(&begun.context)),
            })
        })
        .await
    }

    async fn renew_plan(&self, request: Request<pb::RenewPlanRequest>) -> Answer<pb::Plan> {
        self.in_turn(request, |caller, request| async move {
            let id = read(|fields| fields.id("plan_id", &request.plan_id, PlanId))?;
            let user = caller.owner_of_plan(&self.services, id).await?;
            Ok(plan::to_proto(&self.services.renew_plan(&user, id).await?))
        })
        .await
    }

    async fn submit_plan(&self, request: Request<pb::SubmitPlanRequest>) -> Answer<pb::Plan> {
        self.in_turn(request, |caller, request| async move {
            let (id, answer) = plan::read_submit(request, self.services.limits())?;
            let user = caller.owner_of_plan(&self.services, id).await?;
            let view = self.services.submit_plan(&user, id, answer).await?;
            Ok(plan::view_to_proto(&view))
        })
        .await
    }

    async fn advance_plan(&self, request: Request<pb::AdvancePlanRequest>) -> Answer<pb::Plan> {
        self.in_turn(request, |caller, request| async move {
            let (id, wave) = plan::read_advance(&request)?;
            let user = caller.owner_of_plan(&self.services, id).await?;
            let view = self.services.advance_plan(&user, id, wave, trace::parent()).await?;
            Ok(plan::view_to_proto(&view))
        })
        .await
    }

    async fn fail_plan(&self, request: Request<pb::FailPlanRequest>) -> Answer<pb::Plan> {
        self.in_turn(request, |caller, request| async move {
            let failure = plan::read_fail(request)?;
            let user = caller.owner_of_plan(&self.services, failure.id).await?;
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
        self.in_turn(request, |caller, request| async move {
            let id = read(|fields| fields.id("id", &request.id, PlanId))?;
            let user = caller.owner_of_plan(&self.services, id).await?;
            let view = self.services.get_plan(&user, id).await?;
            Ok(pb::Plan {
                context_json: view.plan.context.clone(),
                ..plan::view_to_proto(&view)
            })
        })
        .await
    }

    async fn list_plans(&self, request: Request<pb::ListPlansRequest>) -> Answer<pb::ListPlansResponse> {
        self.in_turn(request, |caller, request| async move {
            let (paging, job) = read(|fields| {
                let paging = Paging::read(fields, &request);
                (paging, fields.optional_id("job_id", request.job_id.as_deref(), JobId))
            })?;
            let user = self.lister(&caller, job).await?;
            let listing = self.services.list_plans(&user, job, paging.page).await?;
            let (plans, next_page_token) = paging.fill(&listing, |plan| plan.id.0, plan::to_proto);
            Ok(pb::ListPlansResponse { plans, next_page_token })
        })
        .await
    }
}
