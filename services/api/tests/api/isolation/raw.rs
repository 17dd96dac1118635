//! A strict server with two users, and calls by path and bytes, whatever the method.

use baton_api::{Authentication, CertificateNames, Options};
use baton_domain::{
    credential::{DenialRecord, Grant, Reach, Scope},
    ids::UserId,
};
use baton_proto::v1 as pb;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::table::{By, Ids};
use crate::{
    by_path,
    harness::{World, dormant},
};

/// Formed like a token, and nobody's.
pub const UNKNOWN_TOKEN: &str = "baton_00000000_0000000000000000000000000000000000000000000000000000000000000000";

/// A server that wants credentials.
pub async fn strict() -> World {
    World::with(Options {
        authentication: Authentication::Required {
            certificates: CertificateNames::default(),
        },
        ..Options::default()
    })
    .await
}

/// Ada, who has one of everything, and Bob, who has nothing.
pub struct Two {
    world: World,
    ada: Vec<(Scope, String, String)>,
    bob: Vec<(Scope, String, String)>,
    ids: Ids,
}

impl Two {
    pub async fn new() -> Self {
        let world = strict().await;
        let (ada, bob) = (tokens(&world, "ada").await, tokens(&world, "bob").await);
        let mut two = Self {
            world,
            ada,
            bob,
            ids: Ids::unknown(),
        };
        two.ids = two.furnish().await;
        two
    }

    /// One of everything for Ada.
    async fn furnish(&self) -> Ids {
        let admin = self.adas(By::Jobs);
        let job: pb::Job = self.ask("JobsService/CreateJob", admin, &named("shop")).await;
        let create = pb::CreateEndpointRequest {
            endpoint: Some(dormant("hook", Some(&job))),
            ..pb::CreateEndpointRequest::default()
        };
        let endpoint: pb::Endpoint = self.ask("JobsService/CreateEndpoint", admin, &create).await;
        let submit = pb::SubmitRunRequest {
            endpoint_id: endpoint.id.clone(),
            planned_time: Some(self.world.in_seconds(3_600)),
            ..pb::SubmitRunRequest::default()
        };
        let run: pb::Run = self.ask("RunsService/SubmitRun", self.adas(By::Runs), &submit).await;
        let create = pb::CreateFlashSaleRequest {
            flash_sale: Some(pb::FlashSale {
                name: "sale".to_owned(),
                start_time: Some(self.world.now()),
                end_time: Some(self.world.in_seconds(3_600)),
                job_ids: vec![job.id.clone()],
                ..pb::FlashSale::default()
            }),
            ..pb::CreateFlashSaleRequest::default()
        };
        let sale: pb::FlashSale = self.ask("FlashSalesService/CreateFlashSale", admin, &create).await;
        let begin = pb::BeginPlanRequest {
            job_id: job.id.clone(),
            planner: "planner-1".to_owned(),
            ..pb::BeginPlanRequest::default()
        };
        let begun: pb::BeginPlanResponse = self.ask("PlansService/BeginPlan", self.adas(By::Planner), &begin).await;
        Ids {
            job: job.id,
            endpoint: endpoint.id,
            run: run.id,
            sale: sale.id,
            plan: begun.plan.expect("a plan").id,
        }
    }

    pub fn adas_ids(&self) -> Ids {
        self.ids.clone()
    }

    /// What Ada sees of hers.
    pub async fn adas_things(&self) -> Vec<Vec<u8>> {
        let get = |id: &str| pb::GetJobRequest { id: id.to_owned() }.encode_to_vec();
        let mut things = Vec::new();
        // Every Get has its id in the same field.
        for (method, id) in [
            ("JobsService/GetJob", &self.ids.job),
            ("JobsService/GetEndpoint", &self.ids.endpoint),
            ("RunsService/GetRun", &self.ids.run),
            ("FlashSalesService/GetFlashSale", &self.ids.sale),
            ("PlansService/GetPlan", &self.ids.plan),
        ] {
            let path = format!("/baton.v1.{method}");
            let thing = self.call(&path, Some(self.adas(By::Person)), get(id)).await;
            things.push(thing.expect("Ada's own"));
        }
        things
    }

    async fn ask<A: Message + Default>(&self, method: &str, token: &str, request: &impl Message) -> A {
        let path = format!("/baton.v1.{method}");
        let answer = self.call(&path, Some(token), request.encode_to_vec()).await;
        A::decode(answer.expect("Ada may").as_slice()).expect("decodes")
    }

    /// The first message that comes back.
    pub async fn call(&self, path: &str, token: Option<&str>, body: Vec<u8>) -> Result<Vec<u8>, Status> {
        call(&self.world, path, token, body).await
    }

    pub fn adas_by_scope(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = self.ada.iter();
        all.map(|(scope, token, _)| (scope.as_str(), token.as_str()))
    }

    pub fn bobs_by_scope(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = self.bob.iter();
        all.map(|(scope, token, _)| (scope.as_str(), token.as_str()))
    }

    pub fn adas(&self, by: By) -> &str {
        find(&self.ada, by)
    }

    pub fn bobs(&self, by: By) -> &str {
        find(&self.bob, by)
    }

    /// What records say of Ada's token with this scope.
    pub fn credential(&self, scope: &str) -> String {
        let mut all = self.ada.iter();
        let found = all.find(|(known, ..)| known.as_str() == scope);
        found.expect("a token for each scope").2.clone()
    }

    pub async fn denials(&self) -> Vec<DenialRecord> {
        self.world.services.list_denials(10_000).await.expect("listed")
    }
}

/// One message there and, if there is one, one back.
pub async fn call(world: &World, path: &str, token: Option<&str>, body: Vec<u8>) -> Result<Vec<u8>, Status> {
    let mut answers = by_path::send(&world.channel, path, token, vec![body.into()]).await?;
    Ok(answers.message().await?.unwrap_or_default().into())
}

fn find(tokens: &[(Scope, String, String)], by: By) -> &str {
    let mut fitting = tokens.iter().filter(|(scope, ..)| by.allows(scope.as_str()));
    &fitting.next().expect("a token for each scope").1
}

fn named(name: &str) -> pb::CreateJobRequest {
    pb::CreateJobRequest {
        name: name.to_owned(),
        ..pb::CreateJobRequest::default()
    }
}

/// A token for each scope: the scope, the text, and what records call it.
async fn tokens(world: &World, user: &str) -> Vec<(Scope, String, String)> {
    let mut tokens = Vec::new();
    for scope in Scope::ALL {
        let grant = Grant::new([*scope].into(), Reach::of(UserId(user.to_owned()))).expect("a grant");
        let made = world.services.create_token(user, grant, None).await;
        let (token, text) = made.expect("the token is made");
        tokens.push((*scope, text.expose().to_owned(), format!("token:{}", token.id)));
    }
    tokens
}

/// Code and reason of a refusal; `Ok` and nothing of an answer.
pub fn outcome(answer: &Result<Vec<u8>, Status>) -> (Code, String) {
    match answer {
        Ok(_) => (Code::Ok, String::new()),
        Err(status) => {
            let info = status.get_details_error_info();
            (status.code(), info.map(|info| info.reason).unwrap_or_default())
        }
    }
}
