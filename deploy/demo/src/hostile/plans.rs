//! Plans of chance. Most of each is well-formed, so that what is refused is refused for what it asks and not for its form.

use baton_proto::v1::{self, plan_hint::Instruction};
use prost_types::Duration;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

/// What a planner without a model would take the shortest review for.
const SECOND: f64 = 1.0;

pub(super) struct PlanMaker {
    chance: StdRng,
    foreign: Vec<String>,
    /// Seconds of the shortest review: what is a minute where time is not compressed.
    unit: f64,
    endpoints: Vec<String>,
}

impl PlanMaker {
    pub(super) fn new(seed: u64, foreign: Vec<String>) -> Self {
        Self {
            chance: StdRng::seed_from_u64(seed),
            foreign,
            unit: SECOND,
            endpoints: Vec::new(),
        }
    }

    /// True for an ask whose lease is renewed before it is answered.
    pub(super) fn lingers(&mut self) -> bool {
        self.chance.random_bool(0.1)
    }

    /// A wave to go on with, whether there is such a one or not.
    pub(super) fn wave(&mut self) -> i32 {
        self.chance.random_range(-1..10)
    }

    pub(super) fn plan(&mut self, plan_id: &str, context: &v1::PlanningContext) -> v1::SubmitPlanRequest {
        let shortest = context.limits.as_ref().and_then(|limits| limits.min_review_after);
        self.unit = shortest.map_or(SECOND, |shortest| {
            shortest.seconds as f64 + f64::from(shortest.nanos) / 1e9
        });
        let endpoints = context.endpoints.iter();
        self.endpoints = endpoints
            .filter_map(|endpoint| Some(endpoint.endpoint.as_ref()?.id.clone()))
            .collect();
        let many = self.chance.random_bool(0.02);
        let steps = self.chance.random_range(0..if many { 70 } else { 6 });
        let hints = self.chance.random_range(0..5);
        let lie = self.chance.random_bool(0.03);
        v1::SubmitPlanRequest {
            plan_id: plan_id.to_owned(),
            definition_revision: context.definition_revision - i64::from(lie),
            steps: self.steps(steps),
            hints: (0..hints).map(|_| self.hint()).collect(),
            rationale: "x".repeat(if self.chance.random_bool(0.02) { 5_000 } else { 10 }),
            // Soon, so that it is asked again.
            review_after: self.span(1.0, 2.0),
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
        let strange = self.chance.random_bool(0.02) && !self.foreign.is_empty();
        let of = if strange { &self.foreign } else { &self.endpoints };
        match of.len() {
            0 => "none".to_owned(),
            many => of[self.chance.random_range(0..many)].clone(),
        }
    }

    /// Mostly within so many units, and sometimes nothing, negative or absurd.
    fn span(&mut self, from: f64, to: f64) -> Option<Duration> {
        let seconds = match self.chance.random_range(0..40) {
            0 => return None,
            1 => -1.0,
            2 => 1e9,
            3 => 0.0,
            _ => self.chance.random_range(from..to) * self.unit,
        };
        Some(Duration {
            seconds: seconds as i64,
            nanos: (seconds.fract() * 1e9) as i32,
        })
    }
}
