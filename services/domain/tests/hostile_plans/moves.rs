//! What a hostile planner does: asks without end, answers anything within and beyond every bound, advances what it may
//! not, while people change the mode and approve whatever they are shown.

use std::time::Duration;

use baton_domain::{
    ids::EndpointId,
    job::PlannerMode,
    plan::{HintWish, ModelCall, PlanHint, PlanStep, Verdict},
    services::Answer,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
pub enum Move {
    /// Seconds.
    Pass(u64),
    Ask,
    Renew,
    Answer(Wishes),
    Advance(u32),
    SetMode(PlannerMode),
    Approve,
}

/// An answer, with endpoints by their number.
#[derive(Debug, Clone)]
pub struct Wishes {
    steps: Vec<(usize, u32, Duration)>,
    hints: Vec<(usize, HintWish, Duration)>,
    review_after: Duration,
}

impl Wishes {
    pub fn to_answer(&self, endpoints: &[EndpointId], definition_revision: i64) -> Answer {
        let steps = self
            .steps
            .iter()
            .zip(1..)
            .map(|((number, wave, delay), step)| PlanStep {
                step,
                wave: *wave,
                endpoint_id: endpoints[number % endpoints.len()],
                delay: *delay,
                reason: "because".to_owned(),
                verdict: Verdict::accepted(),
                run_id: None,
            });
        let hints = self.hints.iter().map(|(number, wish, ttl)| PlanHint {
            endpoint_id: endpoints[number % endpoints.len()],
            wish: *wish,
            ttl: *ttl,
            reason: "because".to_owned(),
            verdict: Verdict::accepted(),
        });
        Answer {
            definition_revision,
            steps: steps.collect(),
            hints: hints.collect(),
            rationale: String::new(),
            review_after: self.review_after,
            call: ModelCall::default(),
            trace_parent: None,
        }
    }
}

pub fn a_move() -> impl Strategy<Value = Move> {
    let mode = prop_oneof![
        1 => Just(PlannerMode::Observe),
        1 => Just(PlannerMode::Suggest),
        4 => Just(PlannerMode::Act),
    ];
    // Answers mostly follow an ask, as nothing else comes of them.
    prop_oneof![
        4 => (0..400_u64).prop_map(Move::Pass),
        5 => Just(Move::Ask),
        1 => Just(Move::Renew),
        6 => wishes().prop_map(Move::Answer),
        2 => (0..10_u32).prop_map(Move::Advance),
        1 => mode.prop_map(Move::SetMode),
        1 => Just(Move::Approve),
    ]
}

fn wishes() -> impl Strategy<Value = Wishes> {
    let review = prop_oneof![9 => 60..1_800_u64, 1 => 0..100_000_u64].prop_map(Duration::from_secs);
    let steps = prop_oneof![9 => prop::collection::vec(step(), 0..6), 1 => prop::collection::vec(step(), 0..60)];
    (steps, prop::collection::vec(hint(), 0..5), review).prop_map(|(steps, hints, review_after)| Wishes {
        steps: in_waves(steps),
        hints,
        review_after,
    })
}

/// Endpoints of the job far more often than others: one stranger refuses the whole plan.
fn number() -> impl Strategy<Value = usize> {
    prop_oneof![30 => 0..4_usize, 1 => 0..6_usize]
}

fn any_span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..900_u64).prop_map(Duration::from_secs),
        2 => (0..5_000_u64).prop_map(Duration::from_millis),
        1 => (0..100_000_u64).prop_map(Duration::from_secs),
        1 => Just(Duration::MAX),
    ]
}

fn step() -> impl Strategy<Value = (usize, u32, Duration)> {
    (number(), 1..4_u32, any_span())
}

fn hint() -> impl Strategy<Value = (usize, HintWish, Duration)> {
    let wish = prop_oneof![
        any_span().prop_map(HintWish::Interval),
        any_span().prop_map(HintWish::OneShotAfter),
        any_span().prop_map(HintWish::PauseFor),
    ];
    (number(), wish, any_span())
}

/// Waves without gaps and mostly without repeats: other plans are refused as a whole, which soon bores.
fn in_waves(steps: Vec<(usize, u32, Duration)>) -> Vec<(usize, u32, Duration)> {
    let mut kept: Vec<(usize, u32, Duration)> = Vec::new();
    for (number, wave, delay) in steps {
        let last = kept.last().map_or(1, |(_, wave, _)| *wave);
        let wave = if wave > last { last + 1 } else { last };
        let wave = if kept.is_empty() { 1 } else { wave };
        if !kept.iter().any(|(other, known, _)| (*other, *known) == (number, wave)) {
            kept.push((number, wave, delay));
        }
    }
    kept
}
