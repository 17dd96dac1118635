//! Both scenarios in virtual time: the project's rules, the scenario files and the expectation checks held against each
//! other, minute by minute, with model answers of any age.
//!
//! The scheduler and the planner are toys here (see `shop` and `planner`); the real ones are tested by the demonstration.

mod planner;
mod shop;

use baton_demo::{
    expectations::{Evidence, Finding, HintSample, judge},
    scenario::{FLASH_SALE, FLASH_SALE_NO_RECOVERY, Scenario},
    scripted::rules::{self, RuleFile},
};
use planner::Planner;
use shop::Shop;

const TICK_S: f64 = 0.25;

struct Outcome {
    findings: Vec<Finding>,
    evidence: Evidence,
}

impl Outcome {
    fn met(&self, key: &str) -> bool {
        self.findings.iter().find(|finding| finding.key == key).unwrap().met
    }

    fn assert_all_met(&self, what: &str) {
        let missed: Vec<_> = self.findings.iter().filter(|finding| !finding.met).collect();
        assert!(missed.is_empty(), "{what}: {missed:#?}");
    }

    fn starts_of(&self, endpoint: &str) -> Vec<f64> {
        self.evidence
            .runs
            .iter()
            .filter(|run| run.endpoint == endpoint)
            .map(|run| run.started_s)
            .collect()
    }
}

/// Replays a scenario. `latency` gives the age of the n-th answer; without a planner nobody asks.
fn replay(scenario: &str, rules: Option<RuleFile>, latency: &dyn Fn(usize) -> f64) -> Outcome {
    let scenario = Scenario::parse(scenario, "scenario").unwrap();
    let mut shop = Shop::new(&scenario);
    let mut planner = rules.map(Planner::new);
    let mut hint_samples = Vec::new();
    let mut tick = 0_u32;
    while f64::from(tick) * TICK_S < scenario.length_s() {
        let now = f64::from(tick) * TICK_S;
        shop.enter_phase(&scenario, now);
        if let Some(planner) = &mut planner {
            planner.act(&mut shop, now, latency);
        }
        shop.start_due_runs(now);
        if tick.is_multiple_of(40) {
            hint_samples.push(HintSample {
                at_s: now,
                planner_hints: shop.planner_hints(now),
            });
        }
        tick += 1;
    }
    let slowest_answer_s = planner.and_then(|planner| planner.slowest_answer_s());
    let evidence = Evidence {
        runs: shop.into_runs(),
        hint_samples,
        slowest_answer_s,
        tolerance_s: 4.0,
    };
    Outcome {
        findings: judge(&scenario, &evidence),
        evidence,
    }
}

fn project_rules() -> Option<RuleFile> {
    Some(RuleFile::parse(rules::FLASH_SALE).unwrap())
}

#[test]
fn every_expectation_is_met_with_answers_of_any_age() {
    for (name, scenario) in [
        ("flash-sale", FLASH_SALE),
        ("flash-sale-no-recovery", FLASH_SALE_NO_RECOVERY),
    ] {
        for late in [0.0, 0.5, 3.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 150.0, 180.0] {
            replay(scenario, project_rules(), &|_| late).assert_all_met(&format!("{name}, answers {late} s late"));
        }
    }
}

#[test]
fn every_expectation_is_met_with_answers_of_uneven_age() {
    for (name, scenario) in [
        ("flash-sale", FLASH_SALE),
        ("flash-sale-no-recovery", FLASH_SALE_NO_RECOVERY),
    ] {
        for seed in 0..40 {
            let uneven = |ask: usize| ((ask * 7919 + seed * 104_729) % 28) as f64;
            replay(scenario, project_rules(), &uneven).assert_all_met(&format!("{name}, seed {seed}"));
        }
    }
}

#[test]
fn the_sale_that_recovers_leaves_people_alone() {
    let outcome = replay(FLASH_SALE, project_rules(), &|_| 2.0);
    assert!(outcome.starts_of("slack_customer_support").is_empty());
    assert_eq!(outcome.starts_of("database_query_trace").len(), 1);
    assert!(
        outcome.starts_of("cache_warm_up")[0] > outcome.starts_of("database_query_trace")[0],
        "the later wave"
    );
}

#[test]
fn the_sale_that_does_not_recover_pages_after_minute_23_and_investigates_with_margin() {
    for late in [0.0, 30.0, 60.0] {
        let outcome = replay(FLASH_SALE_NO_RECOVERY, project_rules(), &|_| late);
        let investigation =
            outcome.starts_of("slow_page_analyzer").len() + outcome.starts_of("database_query_trace").len();
        assert!(
            (12..=19).contains(&investigation),
            "{investigation} runs, answers {late} s late"
        );
        let page = outcome.starts_of("emergency_oncall_page")[0];
        assert!((23.0 * 60.0..28.0 * 60.0).contains(&page), "paged at {page}");
    }
}

#[test]
fn without_a_model_the_baseline_runs_and_the_expectations_are_missed() {
    let outcome = replay(FLASH_SALE, None, &|_| 0.0);
    assert_eq!(outcome.starts_of("traffic_monitor").len(), 8);
    assert!(outcome.evidence.runs.iter().all(|run| run.source == "baseline"));
    for key in [
        "runs_total",
        "fastest_cadence",
        "runs_of_investigation",
        "recovery_attempts",
        "alerts",
    ] {
        assert!(!outcome.met(key), "{key}");
    }
}

/// The outcome when one passage of the rule file reads differently.
fn with_rules_changed(scenario: &str, from: &str, to: &str) -> Outcome {
    assert!(rules::FLASH_SALE.contains(from), "{from}");
    let rules = RuleFile::parse(&rules::FLASH_SALE.replace(from, to)).unwrap();
    replay(scenario, Some(rules), &|_| 2.0)
}

#[test]
fn wrong_rules_are_found_out() {
    let slower = with_rules_changed(FLASH_SALE, r#""seconds": 30, "#, r#""seconds": 60, "#);
    assert!(!slower.met("fastest_cadence"));
    let shorter = with_rules_changed(
        FLASH_SALE,
        r#""seconds": 30, "ttl_s": 540"#,
        r#""seconds": 30, "ttl_s": 60"#,
    );
    assert!(!shorter.met("fastest_cadence"));
    let hasty = with_rules_changed(
        FLASH_SALE_NO_RECOVERY,
        r#""below": 20 }, "for_s": 600"#,
        r#""below": 20 }, "for_s": 60"#,
    );
    assert!(!hasty.met("alerts"));
    let curious = with_rules_changed(
        FLASH_SALE_NO_RECOVERY,
        r#"{ "not": { "succeeded": "database_query_trace" } },"#,
        "",
    );
    assert_eq!(
        curious.starts_of("database_query_trace").len(),
        2,
        "at most twice in one sale"
    );
    let clinging = with_rules_changed(
        FLASH_SALE,
        r#""name": "inventory_lag_ms", "is": { "above": 400 }"#,
        r#""name": "inventory_lag_ms", "is": { "above": 50 }"#,
    );
    assert!(!clinging.met("back_to_baseline"));
}
