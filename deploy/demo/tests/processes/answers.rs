//! A model server whose answers a test writes itself, and which remembers when it was asked and when it answered.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{Json, Router, extract::State, routing::post};
use baton_demo::clock::wall_now;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// From the situation to the content of the answer, and how long that takes.
type Answer = Box<dyn Fn(&Value) -> (Value, Duration) + Send + Sync>;

/// One request.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: SystemTime,
    pub answered: Option<SystemTime>,
    /// Why the model was asked.
    pub because: Vec<String>,
}

/// It stops when dropped.
pub struct Answers {
    pub base_url: String,
    state: Arc<Model>,
    server: JoinHandle<()>,
}

struct Model {
    answer: Answer,
    asked: Mutex<Vec<Asked>>,
}

impl Answers {
    pub async fn start(answer: impl Fn(&Value) -> (Value, Duration) + Send + Sync + 'static) -> Self {
        let state = Arc::new(Model {
            answer: Box::new(answer),
            asked: Mutex::default(),
        });
        let routes = Router::new()
            .route("/v1/chat/completions", post(complete))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
        let listener = listener.expect("a free port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("its address"));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self {
            base_url,
            state,
            server,
        }
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.lock().clone()
    }
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Model {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A step for each of these aliases, one wave after the other.
pub fn waves(aliases: &[&str]) -> Value {
    let steps = aliases
        .iter()
        .zip(1..)
        .map(|(alias, wave)| json!({ "endpoint": alias, "wave": wave, "delay_s": 0, "reason": "told by the test" }));
    json!({ "assessment": "told by the test", "steps": steps.collect::<Vec<_>>(), "hints": [], "review_after_s": 1_800 })
}

/// Whether the model was asked because of this.
pub fn is_because(situation: &Value, reason: &str) -> bool {
    let reasons = situation["asked_because"].as_array().into_iter().flatten();
    reasons.into_iter().any(|known| known == reason)
}

async fn complete(State(model): State<Arc<Model>>, Json(request): Json<Value>) -> Json<Value> {
    let at = wall_now();
    let situation = situation(&request);
    let because = situation["asked_because"].as_array().into_iter().flatten();
    let because = because.filter_map(Value::as_str).map(str::to_owned).collect();
    let (content, wait) = (model.answer)(&situation);
    let number = {
        let mut asked = model.lock();
        asked.push(Asked {
            at,
            answered: None,
            because,
        });
        asked.len() - 1
    };
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    model.lock()[number].answered = Some(wall_now());
    let message = json!({ "role": "assistant", "content": content.to_string() });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100 });
    Json(json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage
    }))
}

/// The document of the last question.
fn situation(request: &Value) -> Value {
    let messages = request["messages"].as_array().into_iter().flatten();
    let question = messages.rev().find_map(|message| message["content"].as_str());
    let document = question
        .and_then(|text| text.split_once("<situation>"))
        .and_then(|(_, rest)| rest.split_once("</situation>"))
        .map_or("null", |(document, _)| document);
    serde_json::from_str(document).unwrap_or_default()
}
