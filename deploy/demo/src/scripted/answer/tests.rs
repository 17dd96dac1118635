//! The project's rules on situations as the planner shows them.

use serde_json::{Value, json};

use super::*;
use crate::scripted::rules::FLASH_SALE;

const NAMES: [&str; 10] = [
    "traffic_monitor",
    "order_processor_health",
    "inventory_sync_check",
    "slow_page_analyzer",
    "database_query_trace",
    "cache_warm_up",
    "scale_checkout_workers",
    "slack_operations",
    "slack_customer_support",
    "emergency_oncall_page",
];

/// A situation 20 minutes into a sale whose signals have all been as they are for `held_s`.
struct Scene {
    document: Value,
}

impl Scene {
    fn new(signals: Value, held_s: f64) -> Self {
        let changes: Vec<Value> = signals
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value, "seconds_ago": held_s }))
            .collect();
        let sale = json!({
            "name": "sale", "description": "", "phase": "misleading", "seconds_since_start": 1200.0,
            "seconds_left": 1260.0, "signals": signals, "signal_changes": changes
        });
        let endpoint = |index: usize, name: &str| {
            json!({
                "alias": format!("e{}", index + 1), "name": name, "description": "", "paused": false,
                "cooldown_left_s": null, "runs_in_sale": 0, "recent_runs": []
            })
        };
        let endpoints: Vec<Value> = NAMES
            .iter()
            .enumerate()
            .map(|(index, name)| endpoint(index, name))
            .collect();
        Self {
            document: json!({ "sales": [sale], "endpoints": endpoints, "last_plan": null }),
        }
    }

    fn endpoint(&mut self, name: &str) -> &mut Value {
        let index = NAMES.iter().position(|other| *other == name).unwrap();
        &mut self.document["endpoints"][index]
    }

    fn ran(mut self, name: &str, seconds_ago: f64, response: &str) -> Self {
        let run = json!({ "status": "succeeded", "seconds_ago": seconds_ago, "response": response });
        self.endpoint(name)["runs_in_sale"] = 1.into();
        self.endpoint(name)["recent_runs"] = json!([run]);
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn answer(&self) -> Answer {
        let situation = Situation::from_message(&format!("<situation>{}</situation>", self.document)).unwrap();
        RuleFile::parse(FLASH_SALE).unwrap().answer(&situation)
    }

    /// The answer's steps as (name, wave).
    fn steps(&self) -> Vec<(String, u32)> {
        self.answer()
            .steps
            .iter()
            .map(|step| (name_of(&step.endpoint), step.wave))
            .collect()
    }

    /// The answer's hints as (name, seconds).
    fn hints(&self) -> Vec<(String, f64)> {
        self.answer()
            .hints
            .iter()
            .map(|hint| (name_of(&hint.endpoint), hint.seconds))
            .collect()
    }
}

fn name_of(alias: &str) -> String {
    NAMES[alias[1..].parse::<usize>().unwrap() - 1].to_owned()
}

fn calm() -> Value {
    json!({ "visitors_per_min": 1000, "page_load_ms": 800, "orders_per_min": 40, "db_query_ms": 120, "inventory_lag_ms": 100 })
}

fn busy() -> Value {
    json!({ "visitors_per_min": 5000, "page_load_ms": 1800, "orders_per_min": 180, "db_query_ms": 300, "inventory_lag_ms": 250 })
}

fn broken() -> Value {
    json!({ "visitors_per_min": 6000, "page_load_ms": 5200, "orders_per_min": 10, "db_query_ms": 1600, "inventory_lag_ms": 600 })
}

const SLOW: &str = r#"{"slow_pages":["/product/x","/checkout"]}"#;

fn step(name: &str, wave: u32) -> (String, u32) {
    (name.to_owned(), wave)
}

/// Operations know about the surge already.
fn told(signals: Value, held_s: f64) -> Scene {
    Scene::new(signals, held_s).ran("slack_operations", held_s - 1.0, "")
}

#[test]
fn calm_needs_nothing_and_says_so() {
    let answer = Scene::new(calm(), 600.0).answer();
    assert!(answer.steps.is_empty() && answer.hints.is_empty());
    assert_eq!(answer.review_after_s, 120.0);
    assert!(
        answer.assessment.contains("not a language model"),
        "{}",
        answer.assessment
    );
}

#[test]
fn a_surge_speeds_up_health_checks_and_tells_operations_once() {
    let surge = Scene::new(busy(), 2.0);
    let hints = [
        ("traffic_monitor".to_owned(), 30.0),
        ("order_processor_health".to_owned(), 45.0),
    ];
    assert_eq!(surge.hints(), hints);
    assert!(
        surge
            .answer()
            .hints
            .iter()
            .all(|hint| hint.kind == "interval" && (480.0..=540.0).contains(&hint.ttl_s))
    );
    assert_eq!(surge.steps(), [step("slack_operations", 1)]);
    assert_eq!(told(busy(), 100.0).steps(), []);
    let earlier_surge = Scene::new(busy(), 100.0).ran("slack_operations", 900.0, "");
    assert_eq!(
        earlier_surge.steps(),
        [step("slack_operations", 1)],
        "another surge is told again"
    );
}

#[test]
fn slow_pages_are_investigated_before_anything_is_recovered() {
    let trouble = told(broken(), 60.0);
    assert!(trouble.hints().contains(&("slow_page_analyzer".to_owned(), 120.0)));
    assert_eq!(trouble.steps(), []);
    let none_found = told(broken(), 60.0).ran("slow_page_analyzer", 30.0, r#"{"slow_pages":[]}"#);
    assert_eq!(none_found.steps(), []);
}

#[test]
fn named_slow_pages_lead_to_a_trace_and_then_to_recovery() {
    let found = told(broken(), 60.0).ran("slow_page_analyzer", 30.0, SLOW);
    let recovery = [step("cache_warm_up", 2), step("scale_checkout_workers", 2)];
    assert_eq!(
        found.steps(),
        [vec![step("database_query_trace", 1)], recovery.to_vec()].concat()
    );
    let traced = found.ran("database_query_trace", 20.0, "");
    assert_eq!(
        traced.steps(),
        [step("cache_warm_up", 1), step("scale_checkout_workers", 1)],
        "waves have no gaps"
    );
    let done = traced
        .ran("cache_warm_up", 10.0, "")
        .ran("scale_checkout_workers", 10.0, "");
    assert_eq!(done.steps(), []);
}

#[test]
fn a_step_is_not_repeated_while_one_is_under_way_or_refused() {
    let found = || {
        told(broken(), 60.0)
            .ran("slow_page_analyzer", 30.0, SLOW)
            .ran("database_query_trace", 20.0, "")
    };
    let without_cache = [step("scale_checkout_workers", 1)];
    let cooling = found().with(|scene| scene.endpoint("cache_warm_up")["cooldown_left_s"] = 30.0.into());
    assert_eq!(cooling.steps(), without_cache);
    let paused = found().with(|scene| scene.endpoint("cache_warm_up")["paused"] = true.into());
    assert_eq!(paused.steps(), without_cache);
    let running = json!([{ "status": "running", "seconds_ago": 1.0, "response": "" }]);
    let running = found().with(|scene| scene.endpoint("cache_warm_up")["recent_runs"] = running);
    assert_eq!(running.steps(), without_cache);
    let last_plan = |outcome: Value| {
        let step = json!({ "endpoint": "e6", "wave": 1, "verdict": "accepted", "outcome": outcome });
        let plan = json!({ "seconds_ago": 1.0, "state": "running", "assessment": "", "steps": [step] });
        found().with(|scene| scene.document["last_plan"] = plan)
    };
    assert_eq!(last_plan(Value::Null).steps(), without_cache);
    assert_eq!(last_plan("planned".into()).steps(), without_cache);
    assert_eq!(last_plan("failed".into()).steps().len(), 2);
}

#[test]
fn people_are_told_only_after_long_trouble_and_both_recovery_actions() {
    let after = |held_s: f64, tried_s: f64| {
        let scene = told(broken(), held_s).ran("database_query_trace", tried_s, "");
        let scene = scene
            .ran("cache_warm_up", tried_s, "")
            .ran("scale_checkout_workers", tried_s, "");
        scene.steps()
    };
    assert_eq!(after(599.0, 599.0), []);
    assert_eq!(after(601.0, 599.0), [], "ten minutes after the recovery actions");
    assert_eq!(after(601.0, 600.0), [step("emergency_oncall_page", 1)]);
    assert_eq!(after(900.0, 500.0), [step("slack_customer_support", 1)]);
    assert_eq!(told(broken(), 1000.0).steps(), [], "nothing was tried");
}

#[test]
fn the_phase_and_an_ended_sale_do_not_matter() {
    let ended = Scene::new(broken(), 60.0).with(|scene| scene.document["sales"][0]["seconds_left"] = 0.0.into());
    assert!(ended.steps().is_empty() && ended.hints().is_empty());
    let renamed = Scene::new(busy(), 2.0).with(|scene| scene.document["sales"][0]["phase"] = "collapse".into());
    assert_eq!(renamed.answer(), Scene::new(busy(), 2.0).answer());
}

#[test]
fn a_pause_lasts_as_long_as_its_hint_and_the_first_of_two_like_hints_wins() {
    let rule = |seconds: u32| {
        let then = json!({ "pause": { "seconds": seconds } });
        json!({ "endpoint": "traffic_monitor", "from": "", "when": { "all": [] }, "then": then, "reason": "quiet" })
    };
    let rules = json!({ "about": [], "review_after_s": 60, "rules": [rule(300), rule(900)] });
    let situation = serde_json::from_value(Scene::new(calm(), 60.0).document).unwrap();
    let answer = RuleFile::parse(&rules.to_string()).unwrap().answer(&situation);
    let pause = Hint {
        endpoint: "e1".into(),
        kind: "pause",
        seconds: 300.0,
        ttl_s: 300.0,
        reason: "quiet".into(),
    };
    assert_eq!(answer.hints, [pause]);
}
