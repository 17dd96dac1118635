//! The schema as it is sent, and the reader's judgement of forms.

use serde_json::json;

use super::*;
use crate::check::Verdict;

fn violations(text: &str) -> Vec<(Verdict, String)> {
    read(text)
        .unwrap_err()
        .into_iter()
        .map(|violation| (violation.verdict, violation.path))
        .collect()
}

fn valid() -> Value {
    json!({
        "assessment": "calm",
        "steps": [{"endpoint": "e1", "wave": 1, "delay_s": 0, "reason": "look"}],
        "hints": [{"endpoint": "e2", "kind": "one_shot", "seconds": 30.5, "ttl_s": 60, "reason": "again"}],
        "review_after_s": 120
    })
}

#[test]
fn the_schema_is_sent_in_this_form() {
    let snapshot: Value = serde_json::from_str(include_str!("schema.snapshot.json")).unwrap();
    assert_eq!(schema(&["e1".to_owned(), "e2".to_owned()]), snapshot);
}

#[test]
fn every_object_of_the_schema_is_strict() {
    fn check(schema: &Value) {
        let Some(fields) = schema.get("properties").and_then(Value::as_object) else {
            schema.get("items").into_iter().for_each(check);
            return;
        };
        assert_eq!(schema["additionalProperties"], json!(false));
        let required: Vec<_> = schema["required"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(required, fields.keys().collect::<Vec<_>>());
        fields.values().for_each(check);
    }
    check(&schema(&["e1".to_owned()]));
}

#[test]
fn aliases_are_listed_only_where_servers_take_them() {
    let endpoint = |count: usize| {
        let aliases: Vec<_> = (1..=count).map(|n| format!("e{n}")).collect();
        schema(&aliases)
            .pointer("/properties/steps/items/properties/endpoint")
            .cloned()
            .unwrap()
    };
    assert_eq!(endpoint(0), json!({"type": "string"}));
    assert_eq!(endpoint(1), json!({"type": "string", "enum": ["e1"]}));
    assert_eq!(endpoint(101), json!({"type": "string"}));
}

#[test]
fn a_valid_answer_is_read_as_it_stands() {
    let answer = read(&valid().to_string()).unwrap();
    assert_eq!(
        serde_json::to_value(&answer).unwrap()["hints"][0]["kind"],
        json!("one_shot")
    );
    assert_eq!(answer.steps[0].wave, 1);
    assert_eq!(answer.hints[0].seconds, 30.5);
    assert_eq!(answer.review_after_s, 120.0);
}

#[test]
fn nothing_to_do_is_a_valid_answer() {
    let text = r#" {"assessment": "", "steps": [], "hints": [], "review_after_s": 60.0} "#;
    assert!(read(text).unwrap().steps.is_empty());
}

#[test]
fn what_is_not_json_is_told_as_such() {
    for text in [
        "",
        "Sure! Here is the plan:",
        "```json\n{}\n```",
        "{\"assessment\": ",
        "{} {}",
        "{\"a\": 1e999}",
    ] {
        assert_eq!(violations(text), [(Verdict::NotJson, String::new())], "{text}");
    }
}

#[test]
fn all_violations_of_the_form_are_told_at_once() {
    let mut answer = valid();
    answer["steps"][0]["wave"] = json!(1.5);
    answer["steps"][0]["delay_s"] = json!("soon");
    answer["hints"][0]["kind"] = json!("stop");
    answer["hints"][0]["priority"] = json!(1);
    answer["hints"].as_array_mut().unwrap().push(json!(null));
    answer.as_object_mut().unwrap().remove("assessment");
    let mut paths: Vec<_> = violations(&answer.to_string())
        .into_iter()
        .map(|(_, path)| path)
        .collect();
    paths.sort();
    let expected = [
        "assessment",
        "hints[0].kind",
        "hints[0].priority",
        "hints[1]",
        "steps[0].delay_s",
        "steps[0].wave",
    ];
    assert_eq!(paths, expected);
}

#[test]
fn null_is_no_value() {
    let mut answer = valid();
    answer["review_after_s"] = json!(null);
    answer["steps"] = json!(null);
    let found = violations(&answer.to_string());
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn another_document_is_told_once_per_field() {
    assert_eq!(violations("[]"), [(Verdict::SchemaViolation, String::new())]);
    assert_eq!(violations("{}").len(), 4);
}
