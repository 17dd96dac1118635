//! Every form that a decision takes.

use baton_proto::v1::PlanStep;
use serde_json::json;

use super::*;
use crate::scale::wire_duration;

fn case() -> Case {
    serde_json::from_value(json!({
        "name": "c", "stratum": "plain-chain", "why": "w", "job": {"name": "j", "description": "d"},
        "endpoints": [
            {"name": "check", "description": "d", "every_s": 60, "hints": [{"kind": "interval", "seconds": 30, "expires_in_s": 90}]},
            {"name": "sleeper", "description": "d", "hints": [{"kind": "interval", "seconds": 30, "expires_in_s": 90, "by": "person"}]},
            {"name": "nightly", "description": "d", "cron": "0 3 * * *"},
        ],
        "truth": {"do_nothing": true},
    }))
    .unwrap()
}

fn seconds(seconds: u64) -> prost_types::Duration {
    wire_duration(Duration::from_secs(seconds))
}

fn decisions(steps: &[(&str, i32)], hints: &[(&str, Instruction)]) -> Decisions {
    let steps = steps.iter().map(|(endpoint, wave)| PlanStep {
        endpoint_id: (*endpoint).to_owned(),
        wave: *wave,
        ..PlanStep::default()
    });
    let hints = hints.iter().map(|(endpoint, instruction)| PlanHint {
        endpoint_id: (*endpoint).to_owned(),
        instruction: Some(*instruction),
        ..PlanHint::default()
    });
    let proposal = Proposal {
        steps: steps.collect(),
        hints: hints.collect(),
        rationale: String::new(),
        review_after: Duration::from_secs(60),
    };
    Decisions::of(&proposal, &case())
}

fn only(endpoint: &str, instruction: Instruction) -> Vec<(String, Effect)> {
    decisions(&[], &[(endpoint, instruction)]).made.into_iter().collect()
}

#[test]
fn eval_hints_run_or_hold_back() {
    let run = |name: &str| vec![(name.to_owned(), Effect::Run)];
    let hold = |name: &str| vec![(name.to_owned(), Effect::Hold)];
    assert_eq!(only("check", Instruction::Interval(seconds(20))), run("check"));
    assert_eq!(only("check", Instruction::Interval(seconds(60))), []);
    assert_eq!(only("check", Instruction::Interval(seconds(90))), hold("check"));
    assert_eq!(only("check", Instruction::Pause(seconds(90))), hold("check"));
    assert_eq!(only("sleeper", Instruction::Interval(seconds(9_000))), run("sleeper"));
    assert_eq!(only("nightly", Instruction::Interval(seconds(9_000))), run("nightly"));
    assert_eq!(only("sleeper", Instruction::OneShotDelay(seconds(5))), run("sleeper"));
}

#[test]
fn eval_a_repeated_hint_of_the_planner_is_no_new_decision() {
    let repeat = decisions(&[], &[("check", Instruction::Interval(seconds(30)))]);
    assert!(repeat.made.is_empty() && repeat.has("check", Effect::Run));
    let of_a_person = decisions(&[], &[("sleeper", Instruction::Interval(seconds(30)))]);
    assert_eq!(of_a_person.made.len(), 1);
}

#[test]
fn eval_the_first_wave_of_an_endpoint_counts() {
    let twice = decisions(&[("sleeper", 3), ("sleeper", 1), ("check", 2)], &[]);
    assert_eq!((twice.waves["sleeper"], twice.waves["check"]), (1, 2));
}

#[test]
fn eval_similarity_looks_at_endpoint_effect_and_wave() {
    let a = decisions(
        &[("sleeper", 1), ("check", 2)],
        &[("nightly", Instruction::Pause(seconds(60)))],
    );
    let b = decisions(
        &[("sleeper", 1), ("check", 1)],
        &[("nightly", Instruction::Pause(seconds(90)))],
    );
    // In common: sleeper in wave 1 and the pause; apart: check in wave 1 or 2.
    assert_eq!(a.similarity(&b), 0.5);
    assert_eq!((a.similarity(&a), a.similarity(&Decisions::default())), (1.0, 0.0));
    assert_eq!(Decisions::default().similarity(&Decisions::default()), 1.0);
}
