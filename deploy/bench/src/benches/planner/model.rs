//! A model that answers at once, and the endpoint that its answer has called. Not a language model: a signal that changed
//! has the first endpoint run once, everything else nothing.

use std::time::Duration;

use anyhow::{Context as _, Result};
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use baton_domain::time::{Clock as _, Timestamp};
use baton_runtime::clock::SystemClock;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

/// What the answer to a changed signal starts; anything else starts nothing.
const CHANGED: &str = "signal-changed";
/// Longest wait for what should come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events that may wait to be read.
const UNREAD: usize = 1_000;

/// A question.
#[derive(Debug, Clone)]
pub struct Asked {
    pub at: Timestamp,
    pub answered: Timestamp,
    /// Why the model was asked.
    because: Vec<String>,
}

enum Event {
    Asked(Asked),
    Called(Timestamp),
}

/// The server of both; it ends when dropped.
pub struct Model {
    /// `http://HOST:PORT`.
    pub url: String,
    events: mpsc::Receiver<Event>,
    _serving: AbortOnDropHandle<std::io::Result<()>>,
}

impl Model {
    pub async fn start() -> Result<Self> {
        let (met, events) = mpsc::channel(UNREAD);
        let routes = Router::new()
            .route("/v1/chat/completions", post(answer))
            .route("/call", post(call))
            .with_state(met);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(Self {
            url,
            events,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// The next question that has this among its reasons. What comes before it is passed over.
    pub async fn asked(&mut self, because: &str) -> Result<Asked> {
        loop {
            let event = self.next().await;
            match event.with_context(|| format!("the model is not asked because of {because}"))? {
                Event::Asked(asked) if asked.because.iter().any(|reason| reason == because) => return Ok(asked),
                Event::Asked(_) | Event::Called(_) => {}
            }
        }
    }

    /// When the endpoint was called next.
    pub async fn called(&mut self) -> Result<Timestamp> {
        loop {
            match self.next().await.context("what the model wants is not called")? {
                Event::Called(at) => return Ok(at),
                Event::Asked(_) => {}
            }
        }
    }

    async fn next(&mut self) -> Result<Event> {
        let event = timeout(PATIENCE, self.events.recv()).await?;
        event.context("the model's server has ended")
    }
}

async fn call(State(met): State<mpsc::Sender<Event>>) -> StatusCode {
    let at = SystemClock.now();
    match met.send(Event::Called(at)).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn answer(State(met): State<mpsc::Sender<Event>>, Json(request): Json<Value>) -> Result<Json<Value>, StatusCode> {
    let at = SystemClock.now();
    let because = reasons(&request).ok_or(StatusCode::BAD_REQUEST)?;
    let answer = completion(&plan(&because));
    let asked = Asked {
        at,
        answered: SystemClock.now(),
        because,
    };
    let told = met.send(Event::Asked(asked)).await;
    told.map(|()| Json(answer)).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Why the last question with a situation was asked.
fn reasons(request: &Value) -> Option<Vec<String>> {
    let messages = request["messages"].as_array()?;
    let mut texts = messages.iter().rev().filter_map(|message| message["content"].as_str());
    let document = texts.find_map(|text| {
        let (_, rest) = text.split_once("<situation>")?;
        Some(rest.split_once("</situation>")?.0)
    })?;
    let situation: Value = serde_json::from_str(document).ok()?;
    let reasons = situation["asked_because"].as_array()?.iter();
    Some(reasons.filter_map(Value::as_str).map(str::to_owned).collect())
}

fn plan(because: &[String]) -> Value {
    let step = json!({ "endpoint": "e1", "wave": 1, "delay_s": 0, "reason": "the signal has changed" });
    let steps = because.iter().any(|reason| reason == CHANGED).then_some(step);
    json!({
        "assessment": "as expected", "steps": Vec::from_iter(steps), "hints": [], "review_after_s": 1_800
    })
}

/// A chat completion of OpenAI's form.
fn completion(content: &Value) -> Value {
    let message = json!({ "role": "assistant", "content": content.to_string() });
    let choice = json!({ "index": 0, "message": message, "finish_reason": "stop" });
    let usage = json!({ "prompt_tokens": 1_000, "completion_tokens": 100, "total_tokens": 1_100 });
    json!({
        "id": "1", "object": "chat.completion", "created": 1, "model": "bench", "choices": [choice], "usage": usage
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_changed_signal_starts_anything() {
        let question = |because: &str| {
            let text = format!("<situation>{{\"asked_because\": [\"{because}\"]}}</situation>");
            json!({ "messages": [{ "content": "rules" }, { "content": text }, { "content": "not JSON" }] })
        };
        for (because, steps) in [("signal-changed", 1), ("plan-finished", 0)] {
            let reasons = reasons(&question(because)).unwrap();
            assert_eq!(reasons, [because]);
            assert_eq!(plan(&reasons)["steps"].as_array().map(Vec::len), Some(steps));
        }
        assert_eq!(reasons(&json!({ "messages": [{ "content": "rules" }] })), None);
    }
}
