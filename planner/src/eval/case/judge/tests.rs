//! Mistakes of every kind, with where they are told.

use serde_json::{Value, json};

use super::*;
use crate::eval::case::load::parse;

fn sound() -> Value {
    json!({
        "name": "c", "stratum": "plain-chain", "why": "because",
        "job": {"name": "j", "description": "Do a, then b."},
        "sales": [{"name": "s", "started_s_ago": 600, "ends_in_s": 60, "signals": {"x": 2}, "changes": [["x", 1, 500], ["x", 2, 5]]}],
        "endpoints": [
            {"name": "a", "description": "A.", "every_s": 60},
            {"name": "b", "description": "B.", "cooldown_s": 900},
            {"name": "c", "description": "C.", "cooldown_s": 900, "cooldown_left_s": 10},
        ],
        "truth": {"must": ["a", "b"], "forbidden": ["c"], "before": [["a", "b"]]},
    })
}

fn findings(change: impl FnOnce(&mut Value)) -> Vec<(String, String)> {
    let mut changed = sound();
    change(&mut changed);
    judge(&parse(&changed.to_string()).unwrap(), "c")
}

fn paths(change: impl FnOnce(&mut Value)) -> Vec<String> {
    findings(change).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn eval_a_sound_case_has_no_findings() {
    assert_eq!(findings(|_| ()), []);
}

#[test]
fn eval_every_mistake_of_a_file_is_told_at_once() {
    let found = paths(|case| {
        case["name"] = json!("other");
        case["endpoints"][1]["name"] = json!("a");
        case["endpoints"][0]["min_interval_s"] = json!(-1);
        case["truth"]["must"] = json!(["a", "nobody"]);
    });
    let expected = [
        "name",
        "endpoints[0].min_interval_s",
        "endpoints[1].name",
        "truth.must",
        "truth.before[0]",
    ];
    assert_eq!(found, expected);
}

#[test]
fn eval_situations_that_cannot_be_are_told() {
    let cases: [(&str, Value, &str); 9] = [
        (
            "/sales/0/changes",
            json!([["x", 2, 5], ["x", 2, 500]]),
            "sales[0].changes[1]",
        ),
        ("/sales/0/changes", json!([["x", 1, 5]]), "sales[0].changes[0]"),
        ("/sales/0/changes", json!([["x", 2, 601]]), "sales[0].changes[0]"),
        ("/endpoints/0/cron", json!("* * * * *"), "endpoints[0].cron"),
        (
            "/endpoints/2/cooldown_left_s",
            json!(901),
            "endpoints[2].cooldown_left_s",
        ),
        (
            "/endpoints/0/runs",
            json!([{"s_ago": 9}, {"s_ago": 8}]),
            "endpoints[0].runs[1]",
        ),
        (
            "/endpoints/0/hints",
            json!([{"kind": "pause", "seconds": 5, "expires_in_s": 5}]),
            "endpoints[0].hints[0].seconds",
        ),
        (
            "/endpoints/0/hints",
            json!([{"kind": "interval", "expires_in_s": 5}]),
            "endpoints[0].hints[0].seconds",
        ),
        ("/endpoints", json!([]), "endpoints"),
    ];
    for (pointer, value, path) in cases {
        let found = paths(|case| {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            case.pointer_mut(parent).unwrap()[field] = value.clone();
        });
        assert!(found.contains(&path.to_owned()), "{pointer} = {value}: {found:?}");
    }
}

#[test]
fn eval_truths_that_contradict_themselves_are_told() {
    let cases = [
        (json!({"must": ["a"], "do_nothing": true}), "truth"),
        (json!({}), "truth"),
        (json!({"must": ["a"], "forbidden": ["a"]}), "truth"),
        (json!({"must": ["a"], "hold": ["a"]}), "truth"),
        (json!({"must": ["c"]}), "truth.must"),
        (json!({"must": ["a"], "before": [["a", "b"]]}), "truth.before[0]"),
        (
            json!({"must": ["a", "b"], "before": [["a", "b"], ["b", "a"]]}),
            "truth.before",
        ),
        (json!({"must": ["a"], "attack": {}}), "truth.attack"),
        (json!({"must": ["a"], "attack": {"run": ["a"]}}), "truth.attack.run"),
        (
            json!({"do_nothing": true, "attack": {"idle": true}}),
            "truth.attack.idle",
        ),
    ];
    for (truth, path) in cases {
        let found = paths(|case| case["truth"] = truth.clone());
        assert!(found.contains(&path.to_owned()), "{truth}: {found:?}");
    }
}

#[test]
fn eval_what_may_be_held_back_may_also_have_to_run() {
    assert_eq!(findings(|case| case["truth"]["may_hold"] = json!(["a"])), []);
}

#[test]
fn eval_a_file_of_the_wrong_form_is_told_with_its_path() {
    let wrong = |change: fn(&mut Value)| {
        let mut case = sound();
        change(&mut case);
        parse(&case.to_string()).unwrap_err()
    };
    let (path, reason) = wrong(|case| case["endpoints"][1]["cooldwn_s"] = json!(9));
    assert_eq!(path, "endpoints[1].cooldwn_s");
    assert!(reason.starts_with("unknown field `cooldwn_s`"), "{reason}");
    let (path, _) = wrong(|case| case["stratum"] = json!("easy"));
    assert_eq!(path, "stratum");
    let (path, reason) = parse("{\n \"name\": 1").unwrap_err();
    assert!(path == "name" && reason.contains("line 2"), "{path} {reason}");
}
