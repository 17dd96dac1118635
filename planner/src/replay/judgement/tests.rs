//! Records of every kind against the answers that they came from.

use baton_proto::v1::ModelCall;
use serde_json::json;

use super::*;
use crate::testing::contexts::{context, seconds};

const ANSWER: &str = r#"{"assessment":"slow","steps":[{"endpoint":"e2","wave":1,"delay_s":1.5,"reason":"warm"}],
    "hints":[{"endpoint":"e1","kind":"interval","seconds":30,"ttl_s":600,"reason":"watch"},
             {"endpoint":"e1","kind":"pause","seconds":60,"ttl_s":0,"reason":"rest"}],"review_after_s":120}"#;

fn step() -> PlanStep {
    PlanStep {
        wave: 1,
        endpoint_id: "id-recovery".to_owned(),
        delay: seconds(1.5),
        reason: "warm".to_owned(),
        // What the scheduler adds is not compared.
        step: 1,
        run_id: Some("run".to_owned()),
        ..PlanStep::default()
    }
}

fn hint(instruction: Instruction, ttl: f64, reason: &str) -> PlanHint {
    PlanHint {
        endpoint_id: "id-monitor".to_owned(),
        instruction: Some(instruction),
        ttl: seconds(ttl),
        reason: reason.to_owned(),
        ..PlanHint::default()
    }
}

fn plan(state: PlanState) -> Plan {
    Plan {
        state: state.into(),
        rationale: "slow".to_owned(),
        steps: vec![step()],
        hints: vec![
            hint(Instruction::Interval(seconds(30.0).unwrap()), 600.0, "watch"),
            hint(Instruction::Pause(seconds(60.0).unwrap()), 0.0, "rest"),
        ],
        answer_time: Some(crate::testing::contexts::at(2.0)),
        review_time: Some(crate::testing::contexts::at(122.0)),
        ..Plan::default()
    }
}

fn failed(verdict: &str, detail: &str) -> Plan {
    Plan {
        state: PlanState::Failed.into(),
        verdict: verdict.to_owned(),
        detail: detail.to_owned(),
        ..Plan::default()
    }
}

#[test]
fn an_accepted_answer_is_judged_as_it_was() {
    for state in [
        PlanState::Running,
        PlanState::Completed,
        PlanState::Stopped,
        PlanState::Superseded,
        PlanState::Refused,
    ] {
        let recorded = Judgement::recorded(&plan(state)).unwrap();
        let now = Judgement::of(ANSWER, &context("j"));
        assert_eq!(recorded.differences(&now), [], "{state:?}");
        assert_eq!(recorded.text(), now.text());
    }
}

#[test]
fn every_field_that_differs_is_told() {
    let mut changed = plan(PlanState::Completed);
    changed.steps[0].wave = 2;
    changed.hints.pop();
    changed.review_time = Some(crate::testing::contexts::at(182.0));
    let found = Judgement::recorded(&changed)
        .unwrap()
        .differences(&Judgement::of(ANSWER, &context("j")));
    let wave = found
        .iter()
        .find(|difference| difference.path == "steps[0].wave")
        .unwrap();
    assert_eq!(
        (wave.recorded.clone(), wave.now.clone()),
        (Some(json!(2)), Some(json!(1)))
    );
    let absent = found
        .iter()
        .find(|difference| difference.path == "hints[1].kind")
        .unwrap();
    assert_eq!(
        (absent.recorded.clone(), absent.now.clone()),
        (None, Some(json!("pause")))
    );
    assert!(found.iter().any(|difference| difference.path == "review_after_us"));
}

#[test]
fn an_approval_moves_the_review_and_nothing_else() {
    let mut approved = plan(PlanState::Running);
    approved.review_time = Some(crate::testing::contexts::at(999.0));
    approved.decision_time = Some(crate::testing::contexts::at(30.0));
    let recorded = Judgement::recorded(&approved).unwrap();
    let now = Judgement::of(ANSWER, &context("j")).comparable_to(&recorded);
    assert_eq!(recorded, now);
}

#[test]
fn a_rejected_answer_keeps_verdict_and_detail() {
    let now = Judgement::of("no idea", &context("j"));
    assert_eq!(now.verdict, "not-json");
    let recorded = Judgement::recorded(&failed("not-json", &now.detail)).unwrap();
    assert_eq!(recorded, now);
    let other = Judgement::recorded(&failed("not-json", "after one repair round: something else")).unwrap();
    assert_eq!(other.differences(&now).len(), 1);
}

#[test]
fn records_without_an_answer_are_not_compared() {
    let cut = Plan {
        call: Some(ModelCall {
            raw_answer: "x".repeat(64 * 1024 - 1),
            ..ModelCall::default()
        }),
        ..plan(PlanState::Completed)
    };
    for (plan, part) in [
        (plan(PlanState::Asking), "no answer on record"),
        (plan(PlanState::Expired), "no answer on record"),
        (failed("model-timeout", "slow"), "model-timeout"),
        (cut, "cut to 64 KiB"),
    ] {
        let reason = Judgement::recorded(&plan).unwrap_err();
        assert!(reason.contains(part), "{reason}");
    }
}
