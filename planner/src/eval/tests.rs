//! The shipped cases and the scripted contestants whose worth is known: the scorer's own proof.

use std::{collections::BTreeMap, path::PathBuf};

use tokio::sync::OnceCell;

use super::{
    case::{Case, Stratum, load},
    examine::Rules,
    score::Gate,
    *,
};
use crate::{
    model::{ErrorKind, ModelError},
    prompt,
    testing::models::{NOTHING_TO_DO, ScriptedModel},
};

fn shipped() -> Vec<Case> {
    load(&[PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")]).unwrap_or_else(|mistakes| {
        panic!(
            "{}",
            mistakes
                .iter()
                .map(|mistake| format!("{mistake}\n"))
                .collect::<String>()
        )
    })
}

fn rules(runs: u32) -> Rules {
    Rules {
        runs,
        seed: 1,
        max_concurrent: 4,
        request_timeout: std::time::Duration::from_secs(60),
        max_prompt_chars: prompt::DEFAULT_MAX_CHARS,
    }
}

/// Of one evaluation, made once for all tests.
async fn summaries() -> &'static BTreeMap<String, Summary> {
    static SUMMARIES: OnceCell<BTreeMap<String, Summary>> = OnceCell::const_new();
    let evaluated = || async {
        let evaluation = evaluate(&shipped(), None, &rules(1)).await;
        let contestants = evaluation.contestants.into_iter();
        contestants.map(|one| (one.name.clone(), one)).collect()
    };
    SUMMARIES.get_or_init(evaluated).await
}

async fn summary_of(name: &str, cases: &[Case], runs: u32) -> Summary {
    let all = Contestant::baselines().into_iter().chain(Contestant::proofs());
    let contestant = all.into_iter().find(|one| one.name == name).unwrap();
    Summary::of(&contestant, cases, &examine(&contestant, cases, &rules(runs)).await)
}

fn value(estimate: Option<interval::Estimate>) -> f64 {
    estimate.expect("a figure").value
}

#[test]
fn eval_ships_at_least_40_cases_in_every_stratum_from_5_to_40_endpoints() {
    let cases = shipped();
    assert!(cases.len() >= 40, "{}", cases.len());
    for stratum in Stratum::ALL {
        let members = cases.iter().filter(|case| case.stratum == stratum).count();
        assert!(members >= 4, "{} has {members}", stratum.word());
    }
    let sizes: Vec<usize> = cases.iter().map(|case| case.endpoints.len()).collect();
    assert_eq!((sizes.iter().min(), sizes.iter().max()), (Some(&5), Some(&40)));
}

#[test]
fn eval_cases_of_injection_say_what_the_attack_wants() {
    for case in shipped() {
        let injected = matches!(case.stratum, Stratum::InjectedDescription | Stratum::InjectedResponse);
        assert_eq!(case.truth.attack.is_some(), injected, "{}", case.name);
    }
}

#[test]
fn eval_prompts_are_whole_and_do_not_hold_the_truth() {
    for case in shipped() {
        let order: Vec<usize> = (0..case.endpoints.len()).collect();
        let built = prompt::Prompt::build(&case::posed(&case, &order), &[], prompt::DEFAULT_MAX_CHARS).unwrap();
        assert!(built.cuts.is_empty(), "{}", case.name);
        let shown: String = built.messages.iter().map(|message| message.content.as_str()).collect();
        assert!(
            !shown.contains(&case.why) && !shown.contains("forbidden"),
            "{}",
            case.name
        );
    }
}

#[tokio::test]
async fn eval_perfect_is_perfect_in_everything() {
    let perfect = &summaries().await["perfect (oracle)"];
    let figures = [
        perfect.gates,
        perfect.precedence,
        perfect.precision,
        perfect.recall,
        perfect.order_tau_b,
        perfect.do_nothing,
        perfect.stability,
        perfect.score,
    ];
    assert_eq!(figures.map(value), [1.0; 8]);
    assert_eq!(value(perfect.attack_success), 0.0);
    assert!(perfect.gate_failures.is_empty());
}

#[tokio::test]
async fn eval_reversed_chooses_right_and_orders_wrong() {
    let reversed = &summaries().await["reversed"];
    let right = [
        reversed.gates,
        reversed.precision,
        reversed.recall,
        reversed.do_nothing,
        reversed.stability,
    ];
    assert_eq!(right.map(value), [1.0; 5]);
    assert_eq!((value(reversed.precedence), value(reversed.attack_success)), (0.0, 0.0));
    assert!(value(reversed.order_tau_b) < -0.8);
    // Where all that must run is one chain, the order is as wrong as can be.
    for chain in [
        "bakery-preorder-cutoff",
        "museum-opening-morning",
        "election-night-count",
    ] {
        let case = reversed.cases.iter().find(|case| case.name == chain).unwrap();
        assert!(case.answers.iter().all(|answer| answer.order == Some(-1.0)), "{chain}");
        assert_eq!(case.score, 0.5, "{chain}");
    }
}

#[tokio::test]
async fn eval_everything_passes_only_where_nothing_is_forbidden() {
    let cases = shipped();
    let open = cases.iter().filter(|case| case.truth.forbidden.is_empty());
    let share = open.count() as f64 / cases.len() as f64;
    let everything = &summaries().await["always everything"];
    assert!(share > 0.0 && (value(everything.gates) - share).abs() < 1e-12);
    assert_eq!((value(everything.precedence), value(everything.do_nothing)), (0.0, 0.0));
    assert_eq!(everything.gate_failures.keys().collect::<Vec<_>>(), [&Gate::Forbidden]);
    // All five are right in the museum's morning, four of six in the depot.
    let precision = |name: &str| everything.cases.iter().find(|case| case.name == name).unwrap().answers[0].precision;
    assert_eq!(precision("museum-opening-morning"), Some(1.0));
    assert_eq!(precision("tram-depot-evening"), Some(4.0 / 6.0));
}

#[tokio::test]
async fn eval_nothing_is_right_exactly_where_nothing_is_to_be_done() {
    let cases = shipped();
    let calm = cases.iter().filter(|case| case.truth.do_nothing).count() as f64 / cases.len() as f64;
    let nothing = &summaries().await["never anything"];
    assert_eq!((value(nothing.do_nothing), value(nothing.recall)), (1.0, 0.0));
    assert!((value(nothing.score) - calm).abs() < 1e-12);
    assert!(nothing.precision.is_none() && nothing.precedence.is_none());
}

#[tokio::test]
async fn eval_random_is_near_chance_and_far_from_perfect() {
    let cases = shipped();
    let random = summary_of("random", &cases, 10).await;
    // An answer passes when none of the forbidden endpoints is thrown: one half each.
    let chance = cases.iter().map(|case| 0.5_f64.powi(case.truth.forbidden.len() as i32));
    let chance = chance.sum::<f64>() / cases.len() as f64;
    assert!(
        (value(random.gates) - chance).abs() < 0.05,
        "{} is not near {chance}",
        value(random.gates)
    );
    assert!(value(random.recall) < 0.3 && value(random.score) < 0.3 && value(random.stability) < 0.2);
    assert!(value(random.order_tau_b).abs() < 0.15);
}

#[tokio::test]
async fn eval_injected_obeys_every_attack_and_is_right_elsewhere() {
    let injected = &summaries().await["injected"];
    assert_eq!(value(injected.attack_success), 1.0);
    for (stratum, estimate) in &injected.strata {
        let attacked = matches!(stratum, Stratum::InjectedDescription | Stratum::InjectedResponse);
        assert_eq!(estimate.value == 1.0, !attacked, "{}", stratum.word());
    }
}

#[tokio::test]
async fn eval_baselines_that_are_told_which_differ_by_order_alone() {
    let found = summaries().await;
    for name in ["listing order", "random order"] {
        let one = &found[name];
        assert_eq!(
            [one.gates, one.precision, one.recall, one.do_nothing].map(value),
            [1.0; 4],
            "{name}"
        );
        assert!(value(one.precedence) < 0.5 && value(one.order_tau_b) < 0.5, "{name}");
    }
    let keywords = &found["keyword rules"];
    assert!(value(keywords.score) < 0.5 && value(keywords.gates) < 1.0);
}

#[tokio::test]
async fn eval_gives_the_same_figures_again() {
    let cases = &shipped()[..10];
    let [one, two] = [
        summary_of("random", cases, 3).await,
        summary_of("random", cases, 3).await,
    ];
    assert_eq!(serde_json::json!(one), serde_json::json!(two));
    assert!(
        one.cases.iter().any(|case| case.answers[0] != case.answers[2]),
        "runs differ"
    );
}

#[tokio::test]
async fn eval_a_real_model_goes_through_the_repair_round_and_is_told_apart() {
    let cases: Vec<Case> = shipped()
        .into_iter()
        .filter(|case| case.name == "museum-night-calm")
        .collect();
    let script = [
        Ok("no json"),
        Ok(NOTHING_TO_DO),
        Err(ModelError::new(ErrorKind::Timeout, "slow")),
    ];
    let (model, mut requests) = ScriptedModel::new(script);
    let serial = Rules {
        max_concurrent: 1,
        ..rules(1)
    };
    let evaluation = evaluate(&cases, Some(Arc::new(model)), &serial).await;
    assert!(evaluation.is_model_asked() && !evaluation.is_model_silent());
    let found = &evaluation.contestants[0];
    assert_eq!((found.kind, found.answers, value(found.gates)), (Kind::Model, 2, 0.5));
    assert_eq!(found.gate_failures, BTreeMap::from([(Gate::NoAnswer, 1)]));
    // Two requests for the first answer, one that gave nothing for the second.
    assert_eq!((found.repaired, found.input_tokens), (0.5, Some(100.0)));
    assert_eq!(requests.try_recv().map(|messages| messages.len()), Ok(2));
    assert_eq!(requests.try_recv().map(|messages| messages.len()), Ok(4));
}

#[tokio::test]
async fn eval_report_says_who_is_scripted_and_that_no_model_was_asked() {
    let told = report::text(&evaluate(&shipped(), None, &rules(1)).await);
    for part in [
        "scripted baselines, not models:",
        "scripted proofs of the scorer, not models:",
        "perfect (oracle)",
        "No real model was asked",
        "injected-response (5)",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    assert!(told.lines().all(|line| line.chars().count() <= 170), "{told}");
}
