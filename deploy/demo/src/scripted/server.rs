//! The HTTP side of the scripted model: `POST /v1/chat/completions` and `GET /v1/models`.
//!
//! Started by its own binary, by the demo runner, and by tests, which may change its faults while it runs.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, RwLock},
    time::UNIX_EPOCH,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::{
    AnswerFault, Faults, chat,
    rules::RuleFile,
    situation::{self, Situation},
};
use crate::{clock::wall_now, local_server::LocalServer};

/// A running scripted model; it stops when dropped.
#[derive(Debug)]
pub struct ScriptedModel {
    server: LocalServer,
    model: Arc<Model>,
}

#[derive(Debug)]
struct Model {
    rules: RuleFile,
    faults: RwLock<Faults>,
}

impl ScriptedModel {
    /// Listens and answers by the rules. Port 0 takes any free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(listen: SocketAddr, rules: RuleFile, faults: Faults) -> io::Result<Self> {
        let model = Arc::new(Model {
            rules,
            faults: RwLock::new(faults),
        });
        let routes = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(|| async { Json(chat::models()) }))
            .with_state(Arc::clone(&model));
        Ok(Self {
            server: LocalServer::start(listen, routes).await?,
            model,
        })
    }

    /// The base URL to give to a client.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.server.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Replaces what is wrong, from the next request on.
    pub fn set_faults(&self, faults: Faults) {
        *self
            .model
            .faults
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = faults;
    }

    /// Waits for its end, which only an error brings about.
    ///
    /// # Errors
    /// What ended it.
    pub async fn ended(self) -> io::Result<()> {
        self.server.ended().await
    }
}

impl Model {
    fn faults(&self) -> Faults {
        *self.faults.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The content of the answer to a prompt.
    fn content(&self, message: &str, fault: Option<AnswerFault>) -> Result<String, situation::Error> {
        match fault {
            Some(AnswerFault::Garbage) => {
                Ok("Certainly! I would warm the cache first, and then have a look.".to_owned())
            }
            Some(AnswerFault::UnknownEndpoint) => Ok(plan_for_an_unknown_endpoint()),
            Some(AnswerFault::Slow) | None => {
                let answer = self.rules.answer(&Situation::from_message(message)?);
                Ok(serde_json::to_string(&answer).expect("an answer is plain data with text keys"))
            }
        }
    }
}

async fn complete(State(model): State<Arc<Model>>, body: Bytes) -> Response {
    let faults = model.faults();
    tokio::time::sleep(faults.wait()).await;
    if let Some(status) = faults.status {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return failure(status, "the scripted model was told to fail", "server_error");
    }
    let request: chat::Request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return bad_request(&format!("not a chat completion request: {error}")),
    };
    if request.stream == Some(true) {
        return bad_request("the scripted model does not stream");
    }
    let Some(message) = request.situation_message() else {
        return bad_request("there is no user message");
    };
    match model.content(&message, faults.answer) {
        Ok(content) => Json(chat::completion(&request, &content, seconds_since_1970())).into_response(),
        Err(error) => bad_request(&error.to_string()),
    }
}

fn bad_request(message: &str) -> Response {
    failure(StatusCode::BAD_REQUEST, message, "invalid_request_error")
}

fn failure(status: StatusCode, message: &str, kind: &str) -> Response {
    (status, Json(chat::error(message, kind))).into_response()
}

fn plan_for_an_unknown_endpoint() -> String {
    let step = json!({ "endpoint": "no-such-alias", "wave": 1, "delay_s": 0, "reason": "told to be wrong" });
    json!({ "assessment": "told to be wrong", "steps": [step], "hints": [], "review_after_s": 120 }).to_string()
}

fn seconds_since_1970() -> u64 {
    wall_now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
