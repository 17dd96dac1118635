//! RunsService: manual runs, and reading every run.

use std::sync::Arc;

use baton_domain::{ids::RunId, services::Services};
use baton_proto::v1::{self as pb, runs_service_server::RunsService};
use futures_util::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::{Answer, handle};
use crate::{
    caller,
    convert::{Fields, explanation, fields::read, run, summary, watch},
    feed::{RunFeed, RunWatch},
    intake::Intake,
    status, trace,
};

pub(crate) struct Runs {
    services: Services,
    feed: Arc<RunFeed>,
    /// Cancelled when streams must end.
    stop: CancellationToken,
}

impl Runs {
    pub(crate) fn new(services: Services, feed: Arc<RunFeed>, stop: CancellationToken) -> Self {
        Self { services, feed, stop }
    }
}

#[tonic::async_trait]
impl RunsService for Runs {
    type WatchRunsStream = BoxStream<'static, Result<pb::WatchRunsResponse, Status>>;

    async fn submit_run(&self, request: Request<pb::SubmitRunRequest>) -> Answer<pb::Run> {
        handle(request, |user, request| async move {
            let mut fields = Fields::default();
            let (wanted, idempotency) = run::read_submit(&mut fields, &request, trace::parent());
            if !fields.is_empty() {
                return Err(run::refuse_submit(fields, &wanted, self.services.now().await?));
            }
            let submitted = self.services.submit_run(&user, wanted, &idempotency).await?;
            Ok(run::to_proto(&submitted))
        })
        .await
    }

    async fn test_endpoint(&self, request: Request<pb::TestEndpointRequest>) -> Answer<pb::Run> {
        handle(request, |user, request| async move {
            let (wanted, idempotency) = run::read_test(&request)?;
            let submitted = self.services.submit_run(&user, wanted, &idempotency).await?;
            Ok(run::to_proto(&submitted))
        })
        .await
    }

    async fn submit_runs(&self, request: Request<Streaming<pb::SubmitRunsRequest>>) -> Answer<pb::SubmitRunsResponse> {
        let (caller, messages) = caller::open(request)?;
        let intake = Intake {
            services: self.services.clone(),
            user: caller.user()?,
            trace_parent: trace::parent(),
            stop: self.stop.clone(),
        };
        Ok(Response::new(intake.take(messages).await))
    }

    async fn get_run(&self, request: Request<pb::GetRunRequest>) -> Answer<pb::Run> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, RunId))?;
            Ok(run::to_proto(&self.services.get_run(&user, id).await?))
        })
        .await
    }

    async fn list_runs(&self, request: Request<pb::ListRunsRequest>) -> Answer<pb::ListRunsResponse> {
        handle(request, |user, request| async move {
            let (filter, paging) = run::read_list(user, &request)?;
            let listing = self.services.list_runs(&filter, paging.page).await?;
            let (runs, next_page_token) = paging.fill(&listing, |run| run.id.0, run::to_proto);
            Ok(pb::ListRunsResponse { runs, next_page_token })
        })
        .await
    }

    async fn cancel_run(&self, request: Request<pb::CancelRunRequest>) -> Answer<pb::Run> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, RunId))?;
            Ok(run::to_proto(&self.services.cancel_run(&user, id).await?))
        })
        .await
    }

    async fn summarize_runs(&self, request: Request<pb::SummarizeRunsRequest>) -> Answer<pb::SummarizeRunsResponse> {
        handle(request, |user, request| async move {
            let (filter, paging) = summary::read(user, &request)?;
            let summaries = self.services.summarize_runs(filter, paging.page).await?;
            Ok(summary::to_proto(&summaries, &paging))
        })
        .await
    }

    async fn explain_run(&self, request: Request<pb::ExplainRunRequest>) -> Answer<pb::ExplainRunResponse> {
        handle(request, |user, request| async move {
            let id = read(|fields| fields.id("id", &request.id, RunId))?;
            Ok(explanation::to_proto(&self.services.explain_run(&user, id).await?))
        })
        .await
    }

    async fn watch_runs(&self, request: Request<pb::WatchRunsRequest>) -> Answer<Self::WatchRunsStream> {
        let (caller, request) = caller::open(request)?;
        let wanted = watch::read(caller.user()?, &request).map_err(status::of_error)?;
        let watch = RunWatch::open(Arc::clone(&self.feed), wanted).await;
        Ok(Response::new(watch.map_err(status::of_error)?.into_stream()))
    }
}
