//! Answers that may be submitted, and every way in which one may not.

use baton_proto::v1::{PlanningContext, plan_hint::Instruction};
use serde_json::{Value, json};

use super::*;
use crate::testing::contexts::{context, limits, seconds};

fn answer() -> Value {
    json!({
        "assessment": "A surge has begun.",
        "steps": [
            {"endpoint": "e1", "wave": 1, "delay_s": 0, "reason": "look"},
            {"endpoint": "e2", "wave": 2, "delay_s": 30, "reason": "mend"},
        ],
        "hints": [
            {"endpoint": "e1", "kind": "interval", "seconds": 30, "ttl_s": 600, "reason": "watch closely"},
            {"endpoint": "e1", "kind": "one_shot", "seconds": 15, "ttl_s": 600, "reason": "once more"},
            {"endpoint": "e2", "kind": "pause", "seconds": 900, "ttl_s": 0, "reason": "not now"},
        ],
        "review_after_s": 120
    })
}

fn verdicts(change: impl FnOnce(&mut Value)) -> Vec<(&'static str, String)> {
    let mut changed = answer();
    change(&mut changed);
    let context = context("j");
    let rejection = check(&changed.to_string(), &Frame::of(&context)).unwrap_err();
    rejection
        .violations()
        .iter()
        .map(|found| (found.verdict.as_str(), found.path.clone()))
        .collect()
}

fn only(verdict: &'static str, path: &str) -> Vec<(&'static str, String)> {
    vec![(verdict, path.to_owned())]
}

#[test]
fn a_sound_answer_becomes_the_parts_of_submit_plan() {
    let context = context("j");
    let proposal = check(&answer().to_string(), &Frame::of(&context)).unwrap();
    let steps: Vec<_> = proposal
        .steps
        .iter()
        .map(|s| (s.endpoint_id.as_str(), s.wave, s.delay))
        .collect();
    assert_eq!(
        steps,
        [("id-monitor", 1, seconds(0.0)), ("id-recovery", 2, seconds(30.0))]
    );
    let hints: Vec<_> = proposal.hints.iter().map(|h| (h.instruction.unwrap(), h.ttl)).collect();
    let expected = [
        (Instruction::Interval(seconds(30.0).unwrap()), seconds(600.0)),
        (Instruction::OneShotDelay(seconds(15.0).unwrap()), seconds(600.0)),
        (Instruction::Pause(seconds(900.0).unwrap()), None),
    ];
    assert_eq!(hints, expected);
    assert_eq!(proposal.rationale, "A surge has begun.");
    assert_eq!(proposal.review_after.as_secs(), 120);
}

#[test]
fn durations_are_divided_by_the_time_compression_and_stay_in_bounds() {
    let mut limits = limits();
    limits.max_step_delay = seconds(15.0);
    limits.min_review_after = seconds(1.0);
    limits.max_review_after = seconds(30.0);
    let context = PlanningContext {
        time_compression: 60.0,
        limits: Some(limits),
        ..context("j")
    };
    let mut answer = answer();
    answer["steps"][1]["delay_s"] = json!(900.0004);
    answer["review_after_s"] = json!(59.9996);
    answer["hints"] = json!([]);
    let proposal = check(&answer.to_string(), &Frame::of(&context)).unwrap();
    assert_eq!(proposal.steps[1].delay, seconds(15.0));
    assert_eq!(proposal.review_after.as_secs_f64(), 1.0);
}

#[test]
fn nothing_to_do_passes() {
    let text = r#"{"assessment":"","steps":[],"hints":[],"review_after_s":60}"#;
    let context = context("j");
    let proposal = check(text, &Frame::of(&context)).unwrap();
    assert!(proposal.steps.is_empty() && proposal.hints.is_empty());
}

#[test]
fn unknown_aliases_are_told_wherever_they_stand() {
    let found = verdicts(|answer| {
        answer["steps"][0]["endpoint"] = json!("e3");
        answer["hints"][2]["endpoint"] = json!("id-monitor");
    });
    assert_eq!(
        found,
        [
            only("unknown-alias", "steps[0].endpoint"),
            only("unknown-alias", "hints[2].endpoint")
        ]
        .concat()
    );
}

#[test]
fn an_endpoint_has_one_step_in_a_wave_but_may_have_more_in_others() {
    let repeated = verdicts(|answer| answer["steps"][1] = answer["steps"][0].clone());
    assert_eq!(repeated, only("duplicate-step", "steps[1]"));
    let mut in_two_waves = answer();
    in_two_waves["steps"][1]["endpoint"] = json!("e1");
    let context = context("j");
    assert!(check(&in_two_waves.to_string(), &Frame::of(&context)).is_ok());
}

#[test]
fn an_endpoint_has_one_hint_of_a_kind() {
    let found = verdicts(|answer| answer["hints"][1]["kind"] = json!("interval"));
    assert_eq!(found, only("duplicate-hint", "hints[1]"));
}

#[test]
fn waves_are_numbered_without_a_gap() {
    for (first, second) in [(2, 3), (1, 3), (0, 1), (-1, 1)] {
        let found = verdicts(|answer| {
            answer["steps"][0]["wave"] = json!(first);
            answer["steps"][1]["wave"] = json!(second);
        });
        assert_eq!(found, only("wave-gap", "steps"), "{first}, {second}");
    }
}

#[test]
fn waves_and_steps_are_counted() {
    let many = verdicts(|answer| {
        let steps = (1..=9).map(|wave| json!({"endpoint": "e1", "wave": wave, "delay_s": 0, "reason": ""}));
        answer["steps"] = steps.collect();
    });
    assert_eq!(many, only("too-many", "steps"));
    let context = PlanningContext {
        limits: Some(baton_proto::v1::PlanLimits {
            max_steps: 1,
            ..limits()
        }),
        ..context("j")
    };
    let rejection = check(&answer().to_string(), &Frame::of(&context)).unwrap_err();
    assert_eq!(rejection.verdict(), Verdict::TooMany);
}

#[test]
fn numbers_have_bounds() {
    let cases = [
        ("/steps/1/delay_s", json!(900.1), "steps[1].delay_s"),
        ("/steps/1/delay_s", json!(-1), "steps[1].delay_s"),
        ("/hints/0/seconds", json!(0), "hints[0].seconds"),
        ("/hints/0/seconds", json!(1e12), "hints[0].seconds"),
        ("/hints/0/ttl_s", json!(86_401), "hints[0].ttl_s"),
        ("/hints/0/ttl_s", json!(-5), "hints[0].ttl_s"),
        ("/hints/1/seconds", json!(601), "hints[1].seconds"),
        ("/hints/2/seconds", json!(901), "hints[2].seconds"),
        ("/review_after_s", json!(59), "review_after_s"),
        ("/review_after_s", json!(1_801), "review_after_s"),
    ];
    for (pointer, value, path) in cases {
        let found = verdicts(|answer| *answer.pointer_mut(pointer).unwrap() = value.clone());
        assert_eq!(found, only("out-of-range", path), "{pointer} = {value}");
    }
}

#[test]
fn a_pause_may_be_four_intervals_long() {
    let mut answer = answer();
    answer["hints"] = json!([{"endpoint": "e1", "kind": "pause", "seconds": 1_200, "ttl_s": 0, "reason": ""}]);
    let context = context("j");
    assert!(check(&answer.to_string(), &Frame::of(&context)).is_ok());
}

#[test]
fn an_interval_outside_the_guardrails_is_left_to_the_scheduler() {
    let mut answer = answer();
    answer["hints"][0]["seconds"] = json!(1);
    let context = context("j");
    assert!(check(&answer.to_string(), &Frame::of(&context)).is_ok());
}

#[test]
fn texts_are_bounded_and_clean() {
    let long = verdicts(|answer| answer["steps"][0]["reason"] = json!("ä".repeat(1_001)));
    assert_eq!(long, only("bad-text", "steps[0].reason"));
    let control = verdicts(|answer| answer["assessment"] = json!("a\u{0}b"));
    assert_eq!(control, only("bad-text", "assessment"));
}

#[test]
fn the_gravest_violation_names_the_verdict_and_all_are_told() {
    let mut answer = answer();
    answer["review_after_s"] = json!(0);
    answer["steps"][0]["endpoint"] = json!("e9");
    let context = context("j");
    let rejection = check(&answer.to_string(), &Frame::of(&context)).unwrap_err();
    assert_eq!(rejection.verdict().as_str(), "unknown-alias");
    let told = rejection.to_string();
    assert!(told.contains("steps[0].endpoint names no endpoint"), "{told}");
    assert!(told.contains("review_after_s is 0, must be from 60 to 1800"), "{told}");
}

#[test]
fn limits_that_a_context_leaves_out_are_the_schedulers_defaults() {
    let bare = PlanningContext {
        limits: None,
        ..context("j")
    };
    assert_eq!(Frame::of(&bare).bounds, Frame::of(&context("j")).bounds);
}
