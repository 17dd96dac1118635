//! A planner that means harm: it may do all that a planner may, asks about every job that it sees as often as it is let,
//! and answers by chance, within and beyond every bound.
//!
//! Run by the process `baton-hostile-planner`, which tests and benches put beside a scheduler. `plans` makes its answers.

mod plans;

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use baton_proto::{
    client::{Connect, Transport},
    v1::{self, plans_service_client::PlansServiceClient, watch_planning_contexts_response::Event},
};
use tokio::task::JoinSet;
use tonic::{Code, Response, Status};

use plans::PlanMaker;

/// Only refusals that say why are allowed; anything else is a scheduler that does not bear it.
const REFUSALS: [Code; 5] = [
    Code::InvalidArgument,
    Code::FailedPrecondition,
    Code::Aborted,
    Code::ResourceExhausted,
    Code::NotFound,
];

/// How many answers of which call had which code.
pub type Tally = BTreeMap<String, usize>;

/// What it is to do.
pub struct Attack {
    pub scheduler: Connect,
    /// Answers that it hands in, of all connections together.
    pub plans: usize,
    /// Each waits for one answer before its next call.
    pub connections: usize,
    pub seed: u64,
    /// Endpoints of others, which it names now and then.
    pub foreign: Vec<String>,
}

impl Attack {
    /// Plans for every job in its reach until that many answers are handed in.
    ///
    /// # Errors
    /// When there is no job, or the scheduler answers anything but its consent or a refusal with a reason.
    pub async fn run(self) -> anyhow::Result<Tally> {
        let jobs = jobs(&self.scheduler).await?;
        let connections = self.connections.min(jobs.len());
        ensure!(connections > 0, "there is no job to plan for");
        let mut attackers = JoinSet::new();
        for number in 0..connections {
            let attacker = Attacker {
                plans: self.scheduler.clone().attempts(1).lazily()?.plans(),
                jobs: jobs.iter().skip(number).step_by(connections).cloned().collect(),
                maker: PlanMaker::new(self.seed.wrapping_add(number as u64), self.foreign.clone()),
                tally: Tally::new(),
            };
            let more = usize::from(number < self.plans % connections);
            attackers.spawn(attacker.send(self.plans / connections + more));
        }
        let mut whole = Tally::new();
        while let Some(tally) = attackers.join_next().await {
            for (answer, count) in tally?? {
                *whole.entry(answer).or_default() += count;
            }
        }
        Ok(whole)
    }
}

/// Every job that the watch begins with.
async fn jobs(scheduler: &Connect) -> anyhow::Result<Vec<String>> {
    let mut plans = scheduler.clone().attempts(1).lazily()?.plans();
    let watch = plans
        .watch_planning_contexts(v1::WatchPlanningContextsRequest::default())
        .await?;
    let (mut events, mut jobs) = (watch.into_inner(), Vec::new());
    while let Some(event) = events.message().await?.and_then(|message| message.event) {
        match event {
            Event::Context(context) => jobs.extend(context.job.map(|job| job.id)),
            Event::RemovedJobId(_) => {}
            Event::SnapshotEnd(_) => return Ok(jobs),
        }
    }
    anyhow::bail!("the watch ended before its snapshot")
}

/// One connection, and the jobs that it goes round.
struct Attacker {
    plans: PlansServiceClient<Transport>,
    jobs: Vec<String>,
    maker: PlanMaker,
    tally: Tally,
}

impl Attacker {
    async fn send(mut self, plans: usize) -> anyhow::Result<Tally> {
        let mut left = plans;
        for job_id in self.jobs.clone().into_iter().cycle() {
            if left == 0 {
                break;
            }
            let request = v1::BeginPlanRequest {
                job_id,
                context_revision: 0,
                planner: "hostile".to_owned(),
            };
            let begun = self.plans.begin_plan(request).await;
            if let Some(begun) = self.note("BeginPlan", begun)? {
                left -= 1;
                self.answer(begun).await?;
            }
        }
        Ok(self.tally)
    }

    async fn answer(&mut self, begun: v1::BeginPlanResponse) -> anyhow::Result<()> {
        let plan_id = begun.plan.map(|plan| plan.id).unwrap_or_default();
        let context = begun.context.context("an ask has a context")?;
        if self.maker.lingers() {
            let request = v1::RenewPlanRequest {
                plan_id: plan_id.clone(),
            };
            let answer = self.plans.renew_plan(request).await;
            self.note("RenewPlan", answer)?;
        }
        let answer = self.plans.submit_plan(self.maker.plan(&plan_id, &context)).await;
        if self.note("SubmitPlan", answer)?.is_none() {
            // Gives the lease back, as else it would have to wait for its end.
            let request = v1::FailPlanRequest {
                plan_id: plan_id.clone(),
                verdict: "hostile".to_owned(),
                ..Default::default()
            };
            let answer = self.plans.fail_plan(request).await;
            self.note("FailPlan", answer)?;
        }
        let wave = self.maker.wave();
        let answer = self.plans.advance_plan(v1::AdvancePlanRequest { plan_id, wave }).await;
        self.note("AdvancePlan", answer).map(drop)
    }

    fn note<T>(&mut self, method: &str, answer: Result<Response<T>, Status>) -> anyhow::Result<Option<T>> {
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        *self.tally.entry(format!("{method} {code:?}")).or_default() += 1;
        match answer {
            Ok(response) => Ok(Some(response.into_inner())),
            Err(status) => {
                ensure!(REFUSALS.contains(&code), "{method}: {status:?}");
                Ok(None)
            }
        }
    }
}
