//! An ask that has begun, and a long answer to it.

use std::{collections::BTreeMap, time::Duration};

use baton_domain::{
    fixtures::contract::World,
    ids::{EndpointId, JobId, PlanId},
    plan::{HintWish, ModelCall, PlanHint, PlanStep, Verdict},
    services::{Answer, EndpointDraft, PlanView, SaleDraft, Services},
    time::after,
};

use crate::schedules::{draft, once, services, user};

const ENDPOINTS: usize = 20;
const STEPS: u32 = 50;
const WAVES: u32 = 8;
const HOUR: Duration = Duration::from_secs(3_600);

/// A plan that waits for its answer.
pub struct Ask {
    services: Services,
    plan: PlanId,
    pub answer: Answer,
}

impl Ask {
    /// Of a job whose sale is on.
    pub async fn begin() -> Self {
        let services = services();
        let job = services.create_job(&user(), "shop", "", &once()).await;
        let job = job.expect("the job is created").id;
        let mut endpoints = Vec::new();
        for _ in 0..ENDPOINTS {
            let draft = EndpointDraft {
                interval: Some(HOUR),
                ..draft()
            };
            let created = services.create_endpoint(&user(), Some(job), &draft, &once()).await;
            endpoints.push(created.expect("the endpoint is created").endpoint.id);
        }
        let sale = services.create_sale(&user(), sale(job), &once()).await;
        sale.expect("the sale is created");
        let begun = services.begin_plan(&user(), job, "bench").await;
        let plan = begun.expect("an ask is due").plan;
        Self {
            services,
            answer: answer(&endpoints, plan.definition_revision),
            plan: plan.id,
        }
    }

    /// The answer goes into force.
    pub async fn submit(self) -> PlanView {
        let Self { services, plan, answer } = self;
        let submitted = services.submit_plan(&user(), plan, answer).await;
        submitted.expect("the plan is accepted")
    }
}

fn sale(job: JobId) -> SaleDraft {
    SaleDraft {
        name: "sale".to_owned(),
        description: String::new(),
        starts_at: World::start(),
        ends_at: after(World::start(), 24 * HOUR),
        phase: "surge".to_owned(),
        signals: BTreeMap::from([("visitors".to_owned(), 9_000.0)]),
        job_ids: vec![job],
        unreadable: Vec::new(),
    }
}

fn answer(endpoints: &[EndpointId], definition_revision: i64) -> Answer {
    let steps = (1..=STEPS).zip(endpoints.iter().cycle());
    let steps = steps.map(|(step, endpoint_id)| PlanStep {
        step,
        wave: 1 + step * (WAVES - 1) / STEPS,
        endpoint_id: *endpoint_id,
        delay: Duration::ZERO,
        reason: "visitors surge".to_owned(),
        verdict: Verdict::accepted(),
        run_id: None,
    });
    let hints = endpoints.iter().map(|endpoint_id| PlanHint {
        endpoint_id: *endpoint_id,
        wish: HintWish::Interval(Duration::from_secs(1_800)),
        ttl: HOUR,
        reason: "visitors surge".to_owned(),
        verdict: Verdict::accepted(),
    });
    Answer {
        definition_revision,
        steps: steps.collect(),
        hints: hints.collect(),
        rationale: "visitors surge".to_owned(),
        review_after: Duration::from_secs(300),
        call: ModelCall::default(),
        trace_parent: None,
    }
}
