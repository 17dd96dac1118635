//! What the hostile planner sends for one job: asks whenever a signal gives it the occasion, and answers of chance, within
//! and beyond every bound.

use std::collections::BTreeMap;

use baton_proto::{
    client::Transport,
    v1::{self, plan_hint::Instruction, plans_service_client::PlansServiceClient},
};
use prost_types::Duration;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use tonic::{Code, Status};

use super::Target;
use crate::stage::{SaleClient, Stage};

/// How many answers had which code.
pub type Tally = BTreeMap<String, usize>;

pub struct Attacker {
    plans: PlansServiceClient<Transport>,
    sales: SaleClient,
    target: Target,
    foreign: Vec<String>,
    chance: StdRng,
    tally: Tally,
}

pub fn sum(tallies: Vec<Tally>) -> Tally {
    let mut whole = Tally::new();
    for (code, count) in tallies.into_iter().flatten() {
        *whole.entry(code).or_default() += count;
    }
    whole
}

impl Attacker {
    pub fn new(stage: &Stage, target: Target, foreign: Vec<String>, seed: u64) -> Self {
        Self {
            plans: stage.plans_client(),
            sales: stage.sale_client(),
            target,
            foreign,
            chance: StdRng::seed_from_u64(seed),
            tally: Tally::new(),
        }
    }

    /// So many plans, one after the other.
    pub async fn send(mut self, plans: usize) -> Tally {
        let mut begun = 0;
        let mut signal = 1_000_000.0;
        while begun < plans {
            signal += 1.0;
            self.sales
                .set_signal(&self.target.sale, "visitors_per_min", signal)
                .await;
            let request = v1::BeginPlanRequest {
                job_id: self.target.job.clone(),
                context_revision: 0,
                planner: "hostile".to_owned(),
            };
            let answer = self.plans.begin_plan(request).await;
            let Some(answer) = self.note("BeginPlan", answer) else {
                continue;
            };
            begun += 1;
            self.answer(&answer).await;
        }
        self.tally
    }

    async fn answer(&mut self, begun: &v1::BeginPlanResponse) {
        let id = begun.plan.as_ref().map(|plan| plan.id.clone()).unwrap_or_default();
        let revision = begun.context.as_ref().map_or(0, |context| context.definition_revision);
        if self.chance.random_bool(0.1) {
            let answer = self
                .plans
                .renew_plan(v1::RenewPlanRequest { plan_id: id.clone() })
                .await;
            self.note("RenewPlan", answer);
        }
        let request = self.plan(id.clone(), revision);
        let answer = self.plans.submit_plan(request).await;
        if self.note("SubmitPlan", answer).is_none() {
            // Gives the lease back, as else it would have to wait for its end.
            let request = v1::FailPlanRequest {
                plan_id: id.clone(),
                verdict: "hostile".to_owned(),
                ..Default::default()
            };
            let answer = self.plans.fail_plan(request).await;
            self.note("FailPlan", answer);
        }
        let wave = self.chance.random_range(-1..10);
        let answer = self
            .plans
            .advance_plan(v1::AdvancePlanRequest { plan_id: id, wave })
            .await;
        self.note("AdvancePlan", answer);
    }

    /// Only refusals that say why are allowed.
    fn note<T>(&mut self, method: &str, answer: Result<tonic::Response<T>, Status>) -> Option<T> {
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        *self.tally.entry(format!("{method} {code:?}")).or_default() += 1;
        match answer {
            Ok(response) => Some(response.into_inner()),
            Err(status) => {
                let refused = [
                    Code::InvalidArgument,
                    Code::FailedPrecondition,
                    Code::Aborted,
                    Code::ResourceExhausted,
                    Code::NotFound,
                ];
                assert!(refused.contains(&status.code()), "{method}: {status:?}");
                None
            }
        }
    }

    fn plan(&mut self, plan_id: String, revision: i64) -> v1::SubmitPlanRequest {
        let many = self.chance.random_bool(0.02);
        let steps = self.chance.random_range(0..if many { 70 } else { 6 });
        let hints = self.chance.random_range(0..5);
        let lie = self.chance.random_bool(0.03);
        v1::SubmitPlanRequest {
            plan_id,
            definition_revision: revision - i64::from(lie),
            steps: self.steps(steps),
            hints: (0..hints).map(|_| self.hint()).collect(),
            rationale: "x".repeat(if self.chance.random_bool(0.02) { 5_000 } else { 10 }),
            review_after: self.span(1.0, 30.0),
            call: None,
        }
    }

    /// In waves that mostly follow one another: other plans are refused as a whole.
    fn steps(&mut self, count: usize) -> Vec<v1::PlanStep> {
        let mut wave = 1;
        let mut steps: Vec<v1::PlanStep> = Vec::new();
        for _ in 0..count {
            let endpoint_id = self.endpoint();
            let repeated = |wave| {
                steps
                    .iter()
                    .any(|step| (step.wave, &step.endpoint_id) == (wave, &endpoint_id))
            };
            if !steps.is_empty() && (repeated(wave) || self.chance.random_bool(0.3)) {
                wave += if self.chance.random_bool(0.02) { 2 } else { 1 };
            }
            let delay = if self.chance.random_bool(0.7) {
                None
            } else {
                self.span(0.0, 15.0)
            };
            steps.push(v1::PlanStep {
                wave,
                endpoint_id,
                delay,
                reason: "because".to_owned(),
                ..Default::default()
            });
        }
        steps
    }

    fn hint(&mut self) -> v1::PlanHint {
        let value = self.span(0.0, 20.0).unwrap_or_default();
        let instruction = match self.chance.random_range(0..3) {
            0 => Instruction::Interval(value),
            1 => Instruction::OneShotDelay(value),
            _ => Instruction::Pause(value),
        };
        v1::PlanHint {
            endpoint_id: self.endpoint(),
            instruction: Some(instruction),
            ttl: self.span(0.0, 60.0),
            reason: "because".to_owned(),
            verdict: None,
        }
    }

    /// Mostly of the job: one stranger refuses the whole plan.
    fn endpoint(&mut self) -> String {
        let of = if self.chance.random_bool(0.02) {
            &self.foreign
        } else {
            &self.target.endpoints
        };
        of[self.chance.random_range(0..of.len())].clone()
    }

    /// Mostly within these seconds, and sometimes nothing, negative or absurd.
    fn span(&mut self, from: f64, to: f64) -> Option<Duration> {
        let seconds = match self.chance.random_range(0..40) {
            0 => return None,
            1 => -1.0,
            2 => 1e9,
            3 => 0.0,
            _ => self.chance.random_range(from..to),
        };
        Some(Duration {
            seconds: seconds as i64,
            nanos: (seconds.fract() * 1e9) as i32,
        })
    }
}
