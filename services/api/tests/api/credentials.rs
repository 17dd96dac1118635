//! How long a credential is good for, what a planner's reaches, and what is open without one.

use std::{collections::BTreeSet, time::Duration};

use baton_domain::{
    credential::{Grant, Reach, Scope, TokenName},
    ids::UserId,
};
use baton_proto::v1::{
    self as pb, jobs_service_client::JobsServiceClient, plans_service_client::PlansServiceClient,
    watch_planning_contexts_response::Event,
};
use tokio::time::{Instant, advance};
use tonic::{
    Code, Request, Status,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{ServerReflectionRequest, server_reflection_client::ServerReflectionClient};

use crate::{
    harness::{World, reason, violations},
    isolation::raw::strict,
    store::Mood,
};

/// The stated time within which a revoked credential is refused.
const WITHIN: Duration = Duration::from_secs(5);

/// Sends a token along.
#[derive(Clone)]
struct Bearer(String);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = format!("Bearer {}", self.0).parse().expect("a header value");
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

type Authorized = InterceptedService<Channel, Bearer>;

fn users(names: &[&str]) -> Reach {
    let users: BTreeSet<UserId> = names.iter().map(|name| UserId((*name).to_owned())).collect();
    Reach::Users(users)
}

/// A token as its bearer has it, and as an operator names it.
async fn token(world: &World, scope: Scope, reach: Reach, life: Option<Duration>) -> (Bearer, TokenName) {
    let grant = Grant::new([scope].into(), reach).expect("a grant");
    let made = world.services.create_token("test", grant, life).await;
    let (token, text) = made.expect("the token is made");
    (Bearer(text.expose().to_owned()), TokenName::Id(token.id))
}

fn jobs(world: &World, bearer: &Bearer) -> JobsServiceClient<Authorized> {
    JobsServiceClient::with_interceptor(world.channel.clone(), bearer.clone())
}

fn plans(world: &World, bearer: &Bearer) -> PlansServiceClient<Authorized> {
    PlansServiceClient::with_interceptor(world.channel.clone(), bearer.clone())
}

async fn list(world: &World, bearer: &Bearer) -> Result<pb::ListJobsResponse, Status> {
    let listed = jobs(world, bearer).list_jobs(pb::ListJobsRequest::default()).await;
    listed.map(tonic::Response::into_inner)
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_refused_within_the_stated_time() {
    let world = strict().await;
    let (bearer, name) = token(&world, Scope::Jobs, users(&["ada"]), None).await;
    list(&world, &bearer).await.expect("the token is good");
    world.services.revoke_token(&name).await.expect("revoked");
    advance(WITHIN).await;
    let refused = list(&world, &bearer).await;
    assert_eq!(reason(refused, Code::Unauthenticated), "CREDENTIAL_REVOKED");
}

#[tokio::test(start_paused = true)]
async fn an_open_stream_ends_with_its_token() {
    let world = strict().await;
    let (bearer, name) = token(&world, Scope::Planner, users(&["ada"]), None).await;
    let opened = plans(&world, &bearer)
        .watch_planning_contexts(pb::WatchPlanningContextsRequest::default())
        .await;
    let mut stream = opened.expect("the token is good").into_inner();
    stream.message().await.expect("open").expect("the end of the snapshot");
    // Longer than any confirmation lasts: a good token's stream goes on.
    advance(WITHIN * 10).await;
    let revoked = Instant::now();
    world.services.revoke_token(&name).await.expect("revoked");
    let ended = stream.message().await;
    assert_eq!(reason(ended, Code::Unauthenticated), "CREDENTIAL_REVOKED");
    assert!(revoked.elapsed() <= WITHIN, "{:?}", revoked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_not_good_beyond_its_expiry() {
    let world = strict().await;
    let life = Duration::from_secs(1);
    let (bearer, _) = token(&world, Scope::Jobs, users(&["ada"]), Some(life)).await;
    list(&world, &bearer).await.expect("the token is good");
    world.clock.advance(life);
    advance(life).await;
    let refused = list(&world, &bearer).await;
    assert_eq!(reason(refused, Code::Unauthenticated), "CREDENTIAL_EXPIRED");
}

#[tokio::test(start_paused = true)]
async fn without_the_store_only_what_was_known_a_moment_ago_counts() {
    let world = strict().await;
    let (known, _) = token(&world, Scope::Planner, Reach::All, None).await;
    let (fresh, _) = token(&world, Scope::Planner, Reach::All, None).await;
    let opened = plans(&world, &known)
        .watch_planning_contexts(pb::WatchPlanningContextsRequest::default())
        .await;
    let mut stream = opened.expect("the token is good").into_inner();
    stream.message().await.expect("open").expect("the end of the snapshot");
    world.mood.set(Mood::Unavailable);
    let refused = list(&world, &fresh).await;
    assert_eq!(reason(refused, Code::Unavailable), "DATABASE_UNAVAILABLE");
    let refused = list(&world, &known).await;
    assert_eq!(reason(refused, Code::PermissionDenied), "SCOPE_MISSING");
    let silent = tokio::time::timeout(WITHIN * 4, stream.message()).await;
    assert!(silent.is_err(), "the stream stays open: {silent:?}");
}

#[tokio::test]
async fn health_is_open_and_reflection_is_for_known_callers() {
    let world = strict().await;
    let about = HealthCheckRequest::default();
    HealthClient::new(world.channel.clone())
        .check(about)
        .await
        .expect("open");
    let ask = || tokio_stream::iter([ServerReflectionRequest::default()]);
    let refused = ServerReflectionClient::new(world.channel.clone())
        .server_reflection_info(ask())
        .await;
    assert_eq!(refused.expect_err("closed").code(), Code::Unauthenticated);
    let (bearer, _) = token(&world, Scope::Runs, users(&["ada"]), None).await;
    let mut known = ServerReflectionClient::with_interceptor(world.channel.clone(), bearer);
    known.server_reflection_info(ask()).await.expect("known");
}

/// A job of a user that a sale concerns.
async fn shop(world: &World, user: &str) -> String {
    let (bearer, _) = token(world, Scope::Admin, users(&[user]), None).await;
    let create = pb::CreateJobRequest {
        name: format!("{user}'s shop"),
        ..Default::default()
    };
    let job = jobs(world, &bearer)
        .create_job(create)
        .await
        .expect("created")
        .into_inner();
    let sale = pb::CreateFlashSaleRequest {
        flash_sale: Some(pb::FlashSale {
            name: "sale".to_owned(),
            start_time: Some(world.now()),
            end_time: Some(world.in_seconds(3_600)),
            job_ids: vec![job.id.clone()],
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut sales =
        pb::flash_sales_service_client::FlashSalesServiceClient::with_interceptor(world.channel.clone(), bearer);
    sales.create_flash_sale(sale).await.expect("created");
    job.id
}

async fn watched(world: &World, bearer: &Bearer) -> BTreeSet<String> {
    let opened = plans(world, bearer)
        .watch_planning_contexts(pb::WatchPlanningContextsRequest::default())
        .await;
    let mut stream = opened.expect("opened").into_inner();
    let mut jobs = BTreeSet::new();
    loop {
        match stream.message().await.expect("open").expect("goes on").event {
            Some(Event::Context(context)) => jobs.insert(context.job.expect("a job").id),
            Some(Event::SnapshotEnd(_)) => return jobs,
            other => panic!("not of a snapshot: {other:?}"),
        };
    }
}

#[tokio::test]
async fn a_planner_works_for_every_user_it_names() {
    let world = strict().await;
    let (ada, bob) = (shop(&world, "ada").await, shop(&world, "bob").await);
    let both = BTreeSet::from([ada.clone(), bob.clone()]);
    for (reach, seen) in [
        (users(&["ada"]), BTreeSet::from([ada.clone()])),
        (users(&["ada", "bob"]), both.clone()),
        (Reach::All, both),
    ] {
        let (bearer, _) = token(&world, Scope::Planner, reach.clone(), None).await;
        assert_eq!(watched(&world, &bearer).await, seen, "{reach:?}");
    }
    let (bearer, _) = token(&world, Scope::Planner, Reach::All, None).await;
    for job_id in [ada, bob] {
        let begin = pb::BeginPlanRequest {
            job_id: job_id.clone(),
            planner: "planner-1".to_owned(),
            ..Default::default()
        };
        let begun = plans(&world, &bearer)
            .begin_plan(begin)
            .await
            .expect("begun")
            .into_inner();
        let id = begun.plan.expect("a plan").id;
        let got = plans(&world, &bearer)
            .get_plan(pb::GetPlanRequest { id: id.clone() })
            .await;
        assert_eq!(got.expect("found").into_inner().id, id);
        let of_job = pb::ListPlansRequest {
            job_id: Some(job_id),
            ..Default::default()
        };
        let listed = plans(&world, &bearer)
            .list_plans(of_job)
            .await
            .expect("listed")
            .into_inner();
        assert_eq!(listed.plans.len(), 1);
    }
    let listed = plans(&world, &bearer).list_plans(pb::ListPlansRequest::default()).await;
    assert_eq!(violations(listed), ["job_id"]);
}
