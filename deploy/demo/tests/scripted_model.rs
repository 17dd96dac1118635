//! The scripted model as a client sees it: a real async-openai client, and plain HTTP for what that client never sends.

use std::time::Duration;

use async_openai::{
    Client,
    config::OpenAIConfig,
    types::chat::{
        ChatCompletionRequestSystemMessageArgs, ChatCompletionRequestUserMessageArgs, CreateChatCompletionRequest,
        CreateChatCompletionRequestArgs, CreateChatCompletionResponse,
    },
};
use baton_demo::scripted::{
    AnswerFault, Faults, MODEL_NAME, ScriptedModel,
    rules::{FLASH_SALE, RuleFile},
};
use serde_json::{Value, json};

const SURGE: &str = r#"What should run now?
<situation>{
    "sales": [{
        "phase": "ignored", "seconds_since_start": 301, "seconds_left": 2159,
        "signals": {"visitors_per_min": 5000},
        "signal_changes": [{"name": "visitors_per_min", "value": 5000, "seconds_ago": 1}]
    }],
    "endpoints": [{
        "alias": "e1", "name": "traffic_monitor", "paused": false, "cooldown_left_s": null, "runs_in_sale": 0,
        "recent_runs": []
    }],
    "last_plan": null
}</situation>"#;

async fn model(faults: Faults) -> ScriptedModel {
    rustls::crypto::ring::default_provider().install_default().ok();
    ScriptedModel::start(([127, 0, 0, 1], 0).into(), RuleFile::parse(FLASH_SALE).unwrap(), faults)
        .await
        .unwrap()
}

fn request(user_message: &str) -> CreateChatCompletionRequest {
    let system = ChatCompletionRequestSystemMessageArgs::default()
        .content("You plan.")
        .build()
        .unwrap();
    let user = ChatCompletionRequestUserMessageArgs::default()
        .content(user_message)
        .build()
        .unwrap();
    let messages = [system.into(), user.into()];
    CreateChatCompletionRequestArgs::default()
        .model("any-name")
        .messages(messages)
        .build()
        .unwrap()
}

async fn ask(model: &ScriptedModel, user_message: &str) -> CreateChatCompletionResponse {
    let config = OpenAIConfig::new().with_api_base(model.base_url()).with_api_key("none");
    Client::with_config(config)
        .chat()
        .create(request(user_message))
        .await
        .unwrap()
}

/// The status and body of a request as it stands.
async fn post(model: &ScriptedModel, body: &Value) -> (u16, Value) {
    let url = format!("{}/chat/completions", model.base_url());
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn content(response: &CreateChatCompletionResponse) -> Value {
    serde_json::from_str(response.choices[0].message.content.as_ref().unwrap()).unwrap()
}

#[tokio::test]
async fn a_strict_client_gets_a_plan_from_something_that_says_what_it_is() {
    let model = model(Faults::default()).await;
    let response = ask(&model, SURGE).await;
    assert_eq!(response.model, MODEL_NAME);
    assert!(response.model.contains("not a language model"));
    let plan = content(&response);
    assert_eq!(plan["hints"][0]["endpoint"], "e1");
    assert_eq!(plan["hints"][0]["kind"], "interval");
    assert_eq!(plan["hints"][0]["seconds"], 30.0);
    assert_eq!(plan["review_after_s"], 120.0);
    let usage = response.usage.unwrap();
    assert_eq!(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
    assert!(usage.prompt_tokens as usize >= SURGE.len() / 4);
}

#[tokio::test]
async fn the_same_question_gets_the_same_answer() {
    let model = model(Faults::default()).await;
    let first = content(&ask(&model, SURGE).await);
    let calm = content(&ask(&model, &SURGE.replace("5000", "10")).await);
    assert_eq!(calm["hints"], json!([]));
    assert_eq!(content(&ask(&model, SURGE).await), first);
}

#[tokio::test]
async fn what_is_not_a_question_is_refused_in_the_usual_form() {
    let model = model(Faults::default()).await;
    for (body, wanted) in [
        (
            json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] }),
            "exactly one <situation>",
        ),
        (json!({ "model": "m", "messages": [] }), "no user message"),
        (json!({ "model": "m" }), "messages"),
        (
            json!({ "model": "m", "stream": true, "messages": [] }),
            "does not stream",
        ),
    ] {
        let (status, answer) = post(&model, &body).await;
        assert_eq!(status, 400);
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(wanted), "{message}");
    }
}

#[tokio::test]
async fn the_only_model_is_listed() {
    let model = model(Faults::default()).await;
    let models: Value = reqwest::get(format!("{}/models", model.base_url()))
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(models["data"][0]["id"], MODEL_NAME);
}

#[tokio::test]
async fn faults_can_be_set_and_taken_back() {
    let model = model(Faults {
        answer: Some(AnswerFault::Garbage),
        ..Faults::default()
    })
    .await;
    let garbage = ask(&model, SURGE).await;
    let text = garbage.choices[0].message.content.as_ref().unwrap();
    assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");

    model.set_faults(Faults {
        answer: Some(AnswerFault::UnknownEndpoint),
        ..Faults::default()
    });
    let alias = content(&ask(&model, SURGE).await)["steps"][0]["endpoint"].clone();
    assert!(!SURGE.contains(alias.as_str().unwrap()));

    model.set_faults(Faults {
        status: Some(503),
        ..Faults::default()
    });
    let body = json!({ "messages": [{ "role": "user", "content": SURGE }] });
    assert_eq!(post(&model, &body).await.0, 503);

    model.set_faults(Faults::default());
    assert_eq!(content(&ask(&model, SURGE).await)["hints"][0]["endpoint"], "e1");
}

#[tokio::test]
async fn a_slow_answer_outlasts_a_clients_patience() {
    let model = model(Faults {
        answer: Some(AnswerFault::Slow),
        ..Faults::default()
    })
    .await;
    let url = format!("{}/chat/completions", model.base_url());
    let client = reqwest::Client::builder()
        .timeout(Duration::from_millis(300))
        .build()
        .unwrap();
    let body = json!({ "messages": [{ "role": "user", "content": SURGE }] });
    assert!(client.post(url).json(&body).send().await.unwrap_err().is_timeout());
}
