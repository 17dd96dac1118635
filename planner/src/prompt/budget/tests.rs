//! What is cut first, and that nothing is cut that need not be.

use baton_proto::v1::{PlanningContext, Run, SignalChange};
use serde_json::json;

use super::*;
use crate::{
    prompt::{DEFAULT_MAX_CHARS, Prompt, assemble},
    testing::contexts::{at, context},
};

/// Two signals with 100 changes each, five runs with long responses, and long descriptions.
fn rich() -> Situation {
    let mut context = context("j");
    context.sales[0].changes = (0..200)
        .map(|n| SignalChange {
            name: format!("signal-{}", n % 2),
            value: Some(f64::from(n)),
            time: Some(at(-1.0)),
        })
        .collect();
    for endpoint in &mut context.endpoints {
        let run = Run {
            response: vec![b'r'; 2_000],
            ..Run::default()
        };
        endpoint.recent_runs = vec![run; 5];
        endpoint.endpoint.as_mut().unwrap().description = "d".repeat(4_000);
    }
    assemble::situation(&context, &[])
}

fn length(situation: &Situation) -> usize {
    write(situation, false).chars().count()
}

/// The situation after the first so many cuts.
fn after(cuts: usize) -> Situation {
    let mut situation = rich();
    CUTS.iter().take(cuts).for_each(|cut| apply(*cut, &mut situation));
    situation
}

#[test]
fn what_fits_is_not_cut() {
    let situation = rich();
    let allowed = length(&situation);
    assert_eq!(fit(situation, allowed).unwrap().1, []);
}

#[test]
fn each_cut_is_made_only_when_the_one_before_was_not_enough() {
    for cuts in 1..CUTS.len() {
        let allowed = length(&after(cuts));
        let (document, made) = fit(rich(), allowed).unwrap();
        assert_eq!(made, CUTS[..cuts], "{allowed} characters");
        assert!(document.chars().count() <= allowed);
    }
}

#[test]
fn of_each_signal_the_latest_changes_stay_in_order() {
    let situation = after(1);
    let changes = &situation.sales[0].signal_changes;
    assert_eq!(changes.len(), 64);
    let values: Vec<_> = changes
        .iter()
        .map(|change| serde_json::to_value(change.value).unwrap())
        .collect();
    assert_eq!((values.first(), values.last()), (Some(&json!(136)), Some(&json!(199))));
    assert!(values.is_sorted_by_key(|value| value.as_i64()));
}

#[test]
fn responses_are_cut_at_a_character_with_a_mark() {
    let mut text = "äöü".to_owned();
    shorten(&mut text, 2);
    assert_eq!(text, "äö…");
    shorten(&mut text, 3);
    assert_eq!(text, "äö…");
}

#[test]
fn the_newest_run_goes_last() {
    let kept = |cuts| after(cuts).endpoints[0].recent_runs.len();
    assert_eq!([kept(3), kept(4), kept(5), kept(7), kept(8)], [5, 3, 1, 1, 0]);
}

#[test]
fn five_hundred_endpoints_fit_into_the_default_length() {
    let mut context = context("j");
    let mut endpoint = context.endpoints[0].clone();
    endpoint.endpoint.as_mut().unwrap().description = "d".repeat(4_000);
    endpoint.recent_runs = vec![
        Run {
            response: vec![b'r'; 2_000],
            ..Run::default()
        };
        5
    ];
    context.endpoints = vec![endpoint; 500];
    let whole = length(&assemble::situation(&context, &[]));
    let prompt = Prompt::build(&context, &[], DEFAULT_MAX_CHARS).unwrap();
    let [system, user] = [0, 1].map(|message| prompt.messages[message].content.chars().count());
    println!("500 endpoints: {whole} characters uncut, {system} of instructions and {user} of question sent");
    assert!(system + user <= DEFAULT_MAX_CHARS, "{system} + {user}");
    assert_eq!(prompt.cuts, CUTS, "everything that may be cut is");
    assert!(prompt.messages[1].content.contains(r#""alias":"e500""#));
    assert_eq!(context.endpoints.len(), baton_domain::limits::ENDPOINTS_PER_JOB);
}

#[test]
fn what_a_job_of_a_few_endpoints_says_is_never_cut() {
    let mut context = context("j");
    let endpoint = context.endpoints[0].clone();
    context.endpoints = vec![endpoint; 40];
    let prompt = Prompt::build(&context, &[], DEFAULT_MAX_CHARS).unwrap();
    assert_eq!(prompt.cuts, []);
}

#[test]
fn fields_that_say_nothing_are_left_out_last() {
    let mut situation = rich();
    apply(Cut::Runs { kept: 0 }, &mut situation);
    let document: serde_json::Value = serde_json::from_str(&write(&situation, true)).unwrap();
    let mut names: Vec<_> = document["endpoints"][1]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "alias",
            "cooldown_s",
            "description",
            "min_interval_s",
            "name",
            "schedule"
        ]
    );
    assert!(
        document.as_object().unwrap().contains_key("last_plan"),
        "only endpoints are thinned"
    );
}

#[test]
fn what_cannot_fit_is_an_error_with_both_lengths() {
    let situation = assemble::situation(&PlanningContext::default(), &[]);
    let too_long = fit(situation, 10).unwrap_err();
    assert_eq!(too_long.allowed, 10);
    assert!(too_long.needed > 10);
}
