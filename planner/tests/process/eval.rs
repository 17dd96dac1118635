//! `baton-planner eval` as it is run: on the shipped cases, against a model server on loopback, and on files with mistakes.

use std::{fs, path::PathBuf, process::Output};

use serde_json::Value;

use super::{KEY_VARIABLE, ModelServer, binary};

const PLAN: &str = r#"{"assessment":"relay cools down","steps":[
    {"endpoint":"e3","wave":1,"delay_s":0,"reason":"loop"},{"endpoint":"e2","wave":2,"delay_s":0,"reason":"tell"}],
    "hints":[],"review_after_s":120}"#;
const FORBIDDEN: &str = r#"{"assessment":"","steps":[{"endpoint":"e1","wave":1,"delay_s":0,"reason":""},
    {"endpoint":"e2","wave":1,"delay_s":0,"reason":""},{"endpoint":"e3","wave":1,"delay_s":0,"reason":""},
    {"endpoint":"e4","wave":1,"delay_s":0,"reason":""},{"endpoint":"e5","wave":1,"delay_s":0,"reason":""}],
    "hints":[],"review_after_s":120}"#;

fn scenarios() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

fn eval(arguments: &[&str]) -> Output {
    binary()
        .arg("eval")
        .args(arguments)
        .env(KEY_VARIABLE, "k")
        .output()
        .unwrap()
}

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn contestant<'a>(document: &'a Value, name: &str) -> &'a Value {
    let all = document["contestants"].as_array().unwrap();
    all.iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn eval_of_the_shipped_cases_prints_the_table_and_says_that_no_model_was_asked() {
    let output = eval(&[scenarios().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).unwrap();
    let row = told
        .lines()
        .find(|line| line.trim_start().starts_with("perfect (oracle)"))
        .unwrap();
    let figures: Vec<_> = row.split_whitespace().skip(2).filter(|word| *word != "%").collect();
    let expected = [
        "100.0", "100.0", "100.0", "100.0", "1.00", "100.0", "100.0", "0.0", "100.0", "-", "-",
    ];
    assert_eq!(figures, expected, "{told}");
    assert!(
        told.contains("not models:") && told.contains("No real model was asked"),
        "{told}"
    );
}

#[test]
fn eval_as_json_is_one_document_in_which_the_scripted_are_marked() {
    let document = document(&eval(&[scenarios().to_str().unwrap(), "--json", "--runs", "2"]));
    assert!(document["cases"].as_u64().unwrap() >= 40);
    assert_eq!(
        (&document["runs"], &document["seed"]),
        (&Value::from(2), &Value::from(1))
    );
    let perfect = contestant(&document, "perfect (oracle)");
    assert_eq!(
        (&perfect["kind"], &perfect["told"]),
        (&Value::from("scripted-proof"), &Value::from("truth"))
    );
    assert_eq!(
        (&perfect["score"]["value"], &perfect["order_tau_b"]["value"]),
        (&Value::from(1.0), &Value::from(1.0))
    );
    assert_eq!(contestant(&document, "injected")["attack_success"]["value"], 1.0);
    assert_eq!(contestant(&document, "reversed")["precedence"]["value"], 0.0);
    let kinds = document["contestants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["kind"]);
    assert!(kinds.into_iter().all(|kind| kind != "model"));
}

#[tokio::test]
async fn eval_asks_a_model_over_http_and_scores_its_answers() {
    // As listed the first answer is right; the second starts what is cooling down, whatever the shuffle.
    let server = ModelServer::start([PLAN, FORBIDDEN]).await;
    let case = scenarios().join("radio-relay-failover.json");
    let case = case.to_str().unwrap().to_owned();
    let url = server.url.clone();
    let asking = tokio::task::spawn_blocking(move || {
        eval(&[
            &case,
            "--model",
            "m",
            "--base-url",
            &url,
            "--max-concurrent",
            "1",
            "--json",
        ])
    });
    let document = document(&asking.await.unwrap());
    let model = contestant(&document, "m");
    assert_eq!(
        (&model["kind"], &model["answers"], &model["told"]),
        (&Value::from("model"), &Value::from(2), &Value::from("nothing"))
    );
    assert_eq!(
        (&model["gates"]["value"], &model["score"]["value"]),
        (&Value::from(0.5), &Value::from(0.5))
    );
    assert_eq!(model["gate_failures"]["forbidden"], 1);
    assert!(model["latency_p50_s"].as_f64().unwrap() > 0.0);
    let answers = &model["cases"][0]["answers"];
    assert_eq!(
        (&answers[0]["total"], &answers[1]["gate_detail"]),
        (&Value::from(1.0), &Value::from("switch_relay"))
    );
}

#[test]
fn eval_of_a_model_that_never_answers_exits_with_1() {
    let case = scenarios().join("radio-relay-failover.json");
    let output = eval(&[
        case.to_str().unwrap(),
        "--model",
        "m",
        "--base-url",
        "http://127.0.0.1:1/v1",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("failed a gate: model-unreachable"), "{told}");
}

#[test]
fn eval_tells_every_mistake_with_file_path_and_reason() {
    let directory = tempfile::tempdir().unwrap();
    let sound = fs::read_to_string(scenarios().join("radio-relay-failover.json")).unwrap();
    let write = |name: &str, text: String| fs::write(directory.path().join(name), text).unwrap();
    write("a.json", sound.replace("\"cooldown_s\"", "\"cooldown\""));
    write(
        "b.json",
        sound.replace("\"must\": [\"emergency_loop\"", "\"must\": [\"no_such\""),
    );
    write("c.json", "{".to_owned());
    write("ignored.txt", "not a scenario".to_owned());
    let missing = directory.path().join("missing.json");
    let output = eval(&[
        directory.path().to_str().unwrap(),
        missing.to_str().unwrap(),
        "--runs",
        "0",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    for part in [
        "--runs: ",
        "a.json: endpoints[0].cooldown: unknown field",
        "b.json: name: must be the file's name, b",
        "b.json: truth.must: names no endpoint of the case: no_such",
        "c.json: EOF while parsing",
        "missing.json: No such file",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}

#[test]
fn eval_with_a_model_needs_its_address_and_key() {
    let output = binary()
        .args(["eval", scenarios().to_str().unwrap(), "--model", "m"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("--base-url: is missing") && told.contains("--api-key-env: no API key"),
        "{told}"
    );
}
