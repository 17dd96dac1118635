//! Each expectation on constructed evidence: one case that meets it, and every way to miss it.

use std::{slice::from_ref, time::SystemTime};

use baton_proto::v1::Cause;

use super::*;
use crate::{
    scenario::{FLASH_SALE, FLASH_SALE_NO_RECOVERY},
    sink::Received,
};

fn run(endpoint: &str, minute: f64) -> ObservedRun {
    let at = minute * 60.0;
    ObservedRun {
        id: format!("{endpoint}@{minute}"),
        endpoint: endpoint.to_owned(),
        source: "ai-hint".to_owned(),
        cause: Cause::PlanStep,
        planned_s: at,
        started_s: at + 0.5,
        finished_s: Some(at + 1.0),
        attempts: 1,
    }
}

fn evidence(runs: Vec<ObservedRun>) -> Evidence {
    Evidence {
        runs,
        hint_samples: vec![],
        slowest_answer_s: Some(5.0),
        tolerance_s: 4.0,
    }
}

fn finding_in(scenario: &str, key: &str, evidence: &Evidence) -> Finding {
    let scenario = Scenario::parse(scenario, "scenario").unwrap();
    judge(&scenario, evidence)
        .into_iter()
        .find(|finding| finding.key == key)
        .unwrap()
}

fn finding(key: &str, evidence: &Evidence) -> Finding {
    finding_in(FLASH_SALE, key, evidence)
}

fn met(key: &str, runs: Vec<ObservedRun>) -> bool {
    finding(key, &evidence(runs)).met
}

#[test]
fn every_key_of_both_files_is_judged() {
    for text in [FLASH_SALE, FLASH_SALE_NO_RECOVERY] {
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut keys: Vec<_> = document["expected"].as_object().unwrap().keys().cloned().collect();
        let findings = judge(&Scenario::parse(text, "scenario").unwrap(), &evidence(vec![]));
        let mut judged: Vec<_> = findings.iter().map(|finding| finding.key.to_owned()).collect();
        keys.sort();
        judged.sort();
        assert_eq!(judged, keys);
    }
}

#[test]
fn runs_total_is_bounded_on_both_sides() {
    let runs = |count: usize| (0..count).map(|_| run("traffic_monitor", 1.0)).collect::<Vec<_>>();
    assert!(met("runs_total", runs(70)) && met("runs_total", runs(130)));
    assert!(!met("runs_total", runs(69)) && !met("runs_total", runs(131)));
}

/// Traffic runs every `gap` seconds from minute 5 to minute 26.
fn watched_every(gap: f64) -> Vec<ObservedRun> {
    let times = std::iter::successors(Some(300.0), |time| Some(time + gap)).take_while(|time| *time < 1560.0);
    times.map(|time: f64| run("traffic_monitor", time / 60.0)).collect()
}

#[test]
fn fastest_cadence_bounds_gaps_from_above_and_below() {
    assert!(met("fastest_cadence", watched_every(30.0)));
    assert!(met("fastest_cadence", watched_every(20.0)));
    assert!(met("fastest_cadence", watched_every(33.9)), "within the tolerance");
    assert!(!met("fastest_cadence", watched_every(34.5)));
    assert!(!met("fastest_cadence", watched_every(15.5)));
    assert!(!met("fastest_cadence", vec![]));
}

#[test]
fn fastest_cadence_counts_the_edges_of_each_phase() {
    let without = |from: f64, to: f64| {
        let runs = watched_every(30.0)
            .into_iter()
            .filter(|run| !(from..to).contains(&(run.planned_s / 60.0)));
        met("fastest_cadence", runs.collect())
    };
    assert!(without(5.0, 6.0), "the model is given 60 s");
    assert!(!without(5.0, 7.0));
    assert!(!without(25.0, 26.0), "the end of the last phase is an edge");
    assert!(!without(15.0, 16.0));
}

#[test]
fn fastest_cadence_is_judged_from_minute_11_when_an_answer_was_late() {
    let late_start: Vec<_> = watched_every(30.0)
        .into_iter()
        .filter(|run| run.planned_s >= 660.0)
        .collect();
    let mut evidence = evidence(late_start);
    assert!(!finding("fastest_cadence", &evidence).met);
    evidence.slowest_answer_s = Some(60.0);
    assert!(!finding("fastest_cadence", &evidence).met);
    evidence.slowest_answer_s = Some(60.1);
    assert!(finding("fastest_cadence", &evidence).met);
    evidence.runs.retain(|run| run.planned_s >= 720.0);
    assert!(!finding("fastest_cadence", &evidence).met);
}

#[test]
fn runs_of_investigation_are_counted_together_and_belong_in_their_phases() {
    let pages = |minutes: &[f64]| {
        minutes
            .iter()
            .map(|minute| run("slow_page_analyzer", *minute))
            .collect::<Vec<_>>()
    };
    let mut three = pages(&[9.0, 11.0]);
    assert!(!met("runs_of_investigation", three.clone()));
    three.push(run("database_query_trace", 11.0));
    assert!(met("runs_of_investigation", three.clone()));
    let with = |minute: f64| {
        let mut runs = three.clone();
        runs.push(run("slow_page_analyzer", minute));
        met("runs_of_investigation", runs)
    };
    assert!(with(8.01) && with(26.99));
    assert!(!with(7.9) && !with(27.2));
    assert!(!met("runs_of_investigation", pages(&[12.0; 13])));
}

#[test]
fn recovery_attempts_are_counted_together() {
    let (cache, scale) = (run("cache_warm_up", 11.0), run("scale_checkout_workers", 11.0));
    assert!(!met("recovery_attempts", vec![cache.clone()]));
    assert!(met("recovery_attempts", vec![cache.clone(), scale.clone()]));
    assert!(!met(
        "recovery_attempts",
        vec![cache.clone(), cache, scale.clone(), scale]
    ));
}

#[test]
fn alerts_are_counted_by_endpoint_and_not_before_their_minute() {
    let slack = || run("slack_operations", 5.1);
    assert!(met("alerts", vec![slack()]));
    assert!(!met("alerts", vec![]));
    assert!(!met("alerts", vec![slack(), slack()]));
    assert!(!met("alerts", vec![slack(), run("emergency_oncall_page", 30.0)]));

    let paged_at = |minute: f64| {
        let runs = vec![
            slack(),
            run("slack_customer_support", 25.0),
            run("emergency_oncall_page", minute),
        ];
        finding_in(FLASH_SALE_NO_RECOVERY, "alerts", &evidence(runs)).met
    };
    assert!(paged_at(23.0) && paged_at(22.95));
    assert!(!paged_at(22.9));
}

#[test]
fn before_compares_the_first_finish_with_the_first_start() {
    let pages = run("slow_page_analyzer", 9.0);
    assert!(met("before", vec![]), "met if the second never ran");
    assert!(met("before", vec![pages.clone(), run("cache_warm_up", 11.0)]));
    assert!(!met("before", vec![run("cache_warm_up", 11.0)]), "the first never ran");
    assert!(!met(
        "before",
        vec![pages.clone(), run("cache_warm_up", 8.0), run("cache_warm_up", 11.0)]
    ));
    let running = ObservedRun {
        finished_s: None,
        ..pages
    };
    assert!(
        !met("before", vec![running, run("cache_warm_up", 11.0)]),
        "it started, but never finished"
    );
}

#[test]
fn every_run_that_was_told_needs_the_source() {
    let key = "every_non_baseline_run_has_source";
    let by = |endpoint: &str, cause: Cause, source: &str| {
        met(
            key,
            vec![ObservedRun {
                cause,
                source: source.to_owned(),
                ..run(endpoint, 10.0)
            }],
        )
    };
    assert!(by("traffic_monitor", Cause::Interval, "baseline"));
    assert!(by("traffic_monitor", Cause::HintInterval, "ai-hint"));
    assert!(!by("traffic_monitor", Cause::HintInterval, "baseline"));
    assert!(!by("traffic_monitor", Cause::PlanStep, "manual"));
    assert!(
        !by("cache_warm_up", Cause::Manual, "manual"),
        "a dormant endpoint has no baseline"
    );
}

#[test]
fn back_to_baseline_needs_looks_that_find_nothing() {
    let looks = |hints: &dyn Fn(f64) -> Vec<String>, seconds: std::ops::Range<u32>| {
        let times = seconds.step_by(10).map(f64::from);
        times
            .map(|at_s| HintSample {
                at_s,
                planner_hints: hints(at_s),
            })
            .collect::<Vec<_>>()
    };
    let judged = |hint_samples: Vec<HintSample>, runs: Vec<ObservedRun>| {
        finding(
            "back_to_baseline",
            &Evidence {
                hint_samples,
                ..evidence(runs)
            },
        )
        .met
    };
    let hinted_until = |end: f64| {
        move |at: f64| {
            if at < end {
                vec!["traffic_monitor: interval".to_owned()]
            } else {
                vec![]
            }
        }
    };
    let all = 2100..2460;
    assert!(judged(
        looks(&hinted_until(2160.0), all.clone()),
        vec![run("cache_warm_up", 35.9)]
    ));
    assert!(
        !judged(looks(&hinted_until(2180.0), all.clone()), vec![]),
        "a hint in force at 36:10"
    );
    assert!(
        !judged(looks(&hinted_until(0.0), all), vec![run("cache_warm_up", 36.1)]),
        "a late ai-hint start"
    );
    assert!(!judged(vec![], vec![]), "nobody looked");
    assert!(
        !judged(looks(&hinted_until(0.0), 2100..2380), vec![]),
        "nobody looked at the end"
    );
}

#[test]
fn agreement_is_exact_for_each_attempt_of_each_run() {
    let request = |run: &ObservedRun| Received {
        endpoint: run.endpoint.clone(),
        at: SystemTime::UNIX_EPOCH,
        run_id: Some(run.id.clone()),
        traceparent: None,
    };
    let agrees = |runs: &[ObservedRun], received: &[Received]| agreement(runs, received).met;
    let once = run("cache_warm_up", 11.0);
    let twice = ObservedRun {
        attempts: 2,
        ..run("traffic_monitor", 5.0)
    };
    let running = ObservedRun {
        finished_s: None,
        ..run("traffic_monitor", 6.0)
    };
    assert!(agrees(
        &[once.clone(), twice.clone()],
        &[request(&once), request(&twice), request(&twice)]
    ));
    assert!(!agrees(from_ref(&once), &[]), "never arrived");
    assert!(
        !agrees(from_ref(&once), &[request(&once), request(&once)]),
        "arrived twice"
    );
    assert!(!agrees(&[], &[request(&once)]), "never started");
    assert!(!agrees(
        from_ref(&once),
        &[Received {
            endpoint: "traffic_monitor".into(),
            ..request(&once)
        }]
    ));
    assert!(!agrees(
        from_ref(&once),
        &[
            request(&once),
            Received {
                run_id: None,
                traceparent: None,
                ..request(&once)
            }
        ]
    ));
    assert!(agrees(from_ref(&running), &[]) && agrees(from_ref(&running), &[request(&running)]));
}
