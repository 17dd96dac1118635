//! A served world with something of everything, set up the same way each time.

use baton_domain::{
    fixtures::Mark,
    ids::{JobId, UserId},
    services::Services,
};
use baton_proto::v1 as pb;
use prost_reflect::MethodDescriptor;
use tokio::runtime::Runtime;

use super::{
    call::{self, Answer},
    messages::Sent,
};
use crate::harness::{UNKNOWN, World, dormant, every, mask, ok, seconds_long};

/// What there is, by what it is: requests name it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Properties {
    pub jobs: Vec<String>,
    pub endpoints: Vec<String>,
    pub runs: Vec<String>,
    pub sales: Vec<String>,
    pub plans: Vec<String>,
    /// Somebody else's, and nobody's.
    pub foreign: Vec<String>,
    pub page_tokens: Vec<String>,
    pub definition_revision: i64,
    pub context_revision: i64,
    /// Seconds since 1970.
    pub now: i64,
}

/// The stage: time stands still on it, except while it waits for a stream to fall silent.
pub struct Stage {
    runtime: Runtime,
    world: World,
    pub properties: Properties,
}

/// What came of one call.
pub struct Seen {
    pub answer: Answer,
    /// Something was committed between the call and its answer.
    pub wrote: bool,
}

impl Stage {
    pub fn set() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let (world, properties) = runtime.block_on(async {
            let world = World::new().await;
            let properties = furnish(&world).await;
            (world, properties)
        });
        Self {
            runtime,
            world,
            properties,
        }
    }

    pub fn send(&self, method: &MethodDescriptor, messages: &[Sent]) -> Seen {
        let messages = call::encoded(messages);
        self.runtime.block_on(async {
            let before: Mark = self.world.memory.mark().await;
            let answer = call::call(&self.world.channel, method, messages).await;
            let wrote = self.world.memory.mark().await != before;
            Seen { answer, wrote }
        })
    }
}

async fn furnish(world: &World) -> Properties {
    let mut made = Properties {
        now: world.now().seconds,
        ..Properties::default()
    };
    for name in ["asking", "running", "idle", "paused", "archived"] {
        furnish_job(world, &mut made, name).await;
    }
    furnish_loose_endpoints(world, &mut made).await;
    ask(world, &mut made).await;
    answer(world, &mut made).await;
    suggest(world, &mut made).await;
    close_some(world, &made).await;
    made.page_tokens = page_tokens(world).await;
    made.foreign = furnish_somebody_else(&world.services).await;
    made
}

/// A job with two endpoints, a run that waits, one that is over, and a sale that is on.
async fn furnish_job(world: &World, made: &mut Properties, name: &str) {
    let job = world.job(name).await;
    for endpoint in [dormant("dormant", Some(&job)), every(600, Some(&job))] {
        let endpoint = world.endpoint(endpoint).await;
        made.runs.push(submit(world, &endpoint, None).await.id);
        made.endpoints.push(endpoint.id);
    }
    made.sales.push(world.sale(&job).await.id);
    made.jobs.push(job.id);
}

async fn furnish_loose_endpoints(world: &World, made: &mut Properties) {
    let cron = pb::Endpoint {
        baseline: Some(pb::endpoint::Baseline::Cron(pb::CronSchedule {
            expression: "*/5 * * * *".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        })),
        ..dormant("cron", None)
    };
    let paused = pb::Endpoint {
        pause: Some(pb::Pause::default()),
        ..every(60, None)
    };
    for endpoint in [cron, paused, dormant("archived", None)] {
        made.endpoints.push(world.endpoint(endpoint).await.id);
    }
    world.run_due(&ok()).await;
    let endpoint = world.endpoint(dormant("later", None)).await;
    made.runs.push(submit(world, &endpoint, Some(60)).await.id);
    made.endpoints.push(endpoint.id);
}

async fn submit(world: &World, endpoint: &pb::Endpoint, in_seconds: Option<i64>) -> pb::Run {
    let request = pb::SubmitRunRequest {
        endpoint_id: endpoint.id.clone(),
        planned_time: in_seconds.map(|seconds| world.in_seconds(seconds)),
        ..pb::SubmitRunRequest::default()
    };
    world.runs().submit_run(request).await.expect("submitted").into_inner()
}

async fn begin(world: &World, job: &str) -> pb::BeginPlanResponse {
    let request = pb::BeginPlanRequest {
        job_id: job.to_owned(),
        context_revision: 0,
        planner: "planner-1".to_owned(),
    };
    world.plans().begin_plan(request).await.expect("begun").into_inner()
}

/// A plan that waits for its answer.
async fn ask(world: &World, made: &mut Properties) {
    let begun = begin(world, &made.jobs[0]).await;
    let context = begun.context.expect("a context");
    made.definition_revision = context.definition_revision;
    made.context_revision = context.context_revision;
    made.plans.push(begun.plan.expect("a plan").id);
}

/// A plan whose first wave is over, so that its second can be started.
async fn answer(world: &World, made: &mut Properties) {
    let plan = submit_plan(world, &made.jobs[1], &made.endpoints[2..4]).await;
    world.run_due(&ok()).await;
    made.plans.push(plan);
}

/// A plan that waits for a person, of a job of its own.
async fn suggest(world: &World, made: &mut Properties) {
    furnish_job(world, made, "suggesting").await;
    let (job, endpoints) = (&made.jobs[5], made.endpoints.len() - 2);
    let suggest = pb::SetPlannerModeRequest {
        job_id: job.clone(),
        mode: pb::PlannerMode::Suggest.into(),
        etag: String::new(),
    };
    world.plans().set_planner_mode(suggest).await.expect("set");
    let plan = submit_plan(world, job, &made.endpoints[endpoints..]).await;
    made.plans.push(plan);
}

/// A plan with a step on each of two endpoints, in a wave of its own.
async fn submit_plan(world: &World, job: &str, endpoints: &[String]) -> String {
    let begun = begin(world, job).await;
    let step = |wave, endpoint: &String| pb::PlanStep {
        wave,
        endpoint_id: endpoint.clone(),
        reason: "because".to_owned(),
        ..pb::PlanStep::default()
    };
    let request = pb::SubmitPlanRequest {
        plan_id: begun.plan.expect("a plan").id,
        definition_revision: begun.context.expect("a context").definition_revision,
        steps: vec![step(1, &endpoints[0]), step(2, &endpoints[1])],
        rationale: "orders are coming in".to_owned(),
        review_after: Some(seconds_long(300)),
        ..pb::SubmitPlanRequest::default()
    };
    let plan = world.plans().submit_plan(request).await;
    plan.expect("submitted").into_inner().id
}

/// The last jobs are in the states that their names tell, and so is an endpoint.
async fn close_some(world: &World, made: &Properties) {
    let paused = pb::PauseJobRequest {
        id: made.jobs[3].clone(),
    };
    world.jobs().pause_job(paused).await.expect("paused");
    let archived = pb::ArchiveJobRequest {
        id: made.jobs[4].clone(),
    };
    world.jobs().archive_job(archived).await.expect("archived");
    let archived = pb::ArchiveEndpointRequest {
        id: made.endpoints[12].clone(),
    };
    world.jobs().archive_endpoint(archived).await.expect("archived");
    let renamed = pb::UpdateJobRequest {
        job: Some(pb::Job {
            id: made.jobs[2].clone(),
            name: "renamed".to_owned(),
            ..pb::Job::default()
        }),
        update_mask: mask(&["name"]),
    };
    world.jobs().update_job(renamed).await.expect("renamed");
}

/// A token of each list, without filters.
async fn page_tokens(world: &World) -> Vec<String> {
    let page_size = 1;
    let jobs = pb::ListJobsRequest {
        page_size,
        ..pb::ListJobsRequest::default()
    };
    let endpoints = pb::ListEndpointsRequest {
        page_size,
        ..pb::ListEndpointsRequest::default()
    };
    let runs = pb::ListRunsRequest {
        page_size,
        ..pb::ListRunsRequest::default()
    };
    let sales = pb::ListFlashSalesRequest {
        page_size,
        ..pb::ListFlashSalesRequest::default()
    };
    let plans = pb::ListPlansRequest {
        page_size,
        ..pb::ListPlansRequest::default()
    };
    let listed = "listed";
    vec![
        world
            .jobs()
            .list_jobs(jobs)
            .await
            .expect(listed)
            .into_inner()
            .next_page_token,
        world
            .jobs()
            .list_endpoints(endpoints)
            .await
            .expect(listed)
            .into_inner()
            .next_page_token,
        world
            .runs()
            .list_runs(runs)
            .await
            .expect(listed)
            .into_inner()
            .next_page_token,
        world
            .sales()
            .list_flash_sales(sales)
            .await
            .expect(listed)
            .into_inner()
            .next_page_token,
        world
            .plans()
            .list_plans(plans)
            .await
            .expect(listed)
            .into_inner()
            .next_page_token,
    ]
}

async fn furnish_somebody_else(services: &Services) -> Vec<String> {
    let bob = UserId("bob".to_owned());
    let once = crate::harness::once();
    let job: JobId = services
        .create_job(&bob, "theirs", "", &once)
        .await
        .expect("created")
        .id;
    vec![job.to_string(), UNKNOWN.to_owned(), uuid::Uuid::nil().to_string()]
}
