//! A job with a sale, and a planner's calls about it.

use baton_proto::v1::{self as pb, plan_hint::Instruction};
use tonic::Status;

use crate::harness::{World, dormant, every, seconds_long};

/// A job with two endpoints and a sale that is on.
pub struct Shop {
    pub world: World,
    pub job: pb::Job,
    pub first: pb::Endpoint,
    pub second: pb::Endpoint,
}

impl Shop {
    pub async fn open() -> Self {
        let world = World::new().await;
        let job = world.job("shop").await;
        let mut secret = dormant("first", Some(&job));
        if let Some(request) = &mut secret.request {
            request.body = Some(b"body".to_vec());
            request.headers = vec![pb::Header {
                name: "x-key".to_owned(),
                value: "secret".to_owned(),
            }];
        }
        let first = world.endpoint(secret).await;
        let second = world.endpoint(every(600, Some(&job))).await;
        world.sale(&job).await;
        Self {
            world,
            job,
            first,
            second,
        }
    }

    pub async fn begin(&self, context_revision: i64) -> Result<pb::BeginPlanResponse, Status> {
        let request = pb::BeginPlanRequest {
            job_id: self.job.id.clone(),
            context_revision,
            planner: "planner-1".to_owned(),
        };
        self.world
            .plans()
            .begin_plan(request)
            .await
            .map(tonic::Response::into_inner)
    }

    /// One step in each of two waves, and a hint.
    pub fn answer(&self, begun: &pb::BeginPlanResponse) -> pb::SubmitPlanRequest {
        let step = |wave, endpoint: &pb::Endpoint| pb::PlanStep {
            wave,
            endpoint_id: endpoint.id.clone(),
            reason: format!("wave {wave}"),
            ..pb::PlanStep::default()
        };
        pb::SubmitPlanRequest {
            plan_id: begun.plan.as_ref().expect("a plan").id.clone(),
            definition_revision: begun.context.as_ref().expect("a context").definition_revision,
            steps: vec![step(1, &self.first), step(2, &self.second)],
            hints: vec![pb::PlanHint {
                endpoint_id: self.second.id.clone(),
                instruction: Some(Instruction::Interval(seconds_long(60))),
                ttl: Some(seconds_long(600)),
                reason: "busy".to_owned(),
                verdict: None,
            }],
            rationale: "orders are coming in".to_owned(),
            review_after: Some(seconds_long(300)),
            call: Some(pb::ModelCall {
                model: "some-model".to_owned(),
                input_tokens: 100,
                output_tokens: 20,
                latency: Some(seconds_long(2)),
                requests: 1,
                ..pb::ModelCall::default()
            }),
        }
    }

    pub async fn submit(&self, request: pb::SubmitPlanRequest) -> Result<pb::Plan, Status> {
        self.world
            .plans()
            .submit_plan(request)
            .await
            .map(tonic::Response::into_inner)
    }

    pub async fn advance(&self, plan_id: &str, wave: i32) -> Result<pb::Plan, Status> {
        let plan_id = plan_id.to_owned();
        let request = pb::AdvancePlanRequest { plan_id, wave };
        self.world
            .plans()
            .advance_plan(request)
            .await
            .map(tonic::Response::into_inner)
    }

    pub async fn get(&self, id: &str) -> Result<pb::Plan, Status> {
        let request = pb::GetPlanRequest { id: id.to_owned() };
        self.world
            .plans()
            .get_plan(request)
            .await
            .map(tonic::Response::into_inner)
    }
}
