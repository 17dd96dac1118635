//! The local HTTP server that plays the shop: every endpoint of the scenario is a path of it.
//!
//! The runner sets the phase; the sink answers as the scenario file says and keeps a log of what it received, which is
//! the independent record that ListRuns is compared with. Tests may make endpoints fail.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};

use crate::{clock::wall_now, local_server::LocalServer, scenario::Phase};

/// The header that carries the id of the run.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Endpoint name, from the path.
    pub endpoint: String,
    /// Time of arrival.
    pub at: SystemTime,
    /// The run's id; absent when the header was.
    pub run_id: Option<String>,
    /// The W3C trace context that came with it.
    pub traceparent: Option<String>,
}

/// How an endpoint is made to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// It answers with this status instead.
    Status(u16),
    /// It answers as it should, but only after this long.
    Delay(Duration),
}

/// The running sink; it stops when dropped.
#[derive(Debug)]
pub struct Sink {
    server: LocalServer,
    shop: Arc<Mutex<Shop>>,
}

#[derive(Debug, Default)]
struct Shop {
    responses: BTreeMap<String, Value>,
    misbehaving: BTreeMap<String, Misbehaviour>,
    received: Vec<Received>,
}

impl Sink {
    /// Listens on a free loopback port, in this phase.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(phase: &Phase) -> io::Result<Self> {
        let shop = Arc::new(Mutex::new(Shop {
            responses: phase.responses.clone(),
            ..Shop::default()
        }));
        let routes = Router::new()
            .route("/{endpoint}", post(answer))
            .with_state(Arc::clone(&shop));
        let server = LocalServer::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), routes).await?;
        Ok(Self { server, shop })
    }

    /// Where this endpoint is called.
    pub fn url_of(&self, endpoint: &str) -> String {
        format!("http://{}/{endpoint}", self.server.address())
    }

    /// Answers as in this phase from now on.
    pub fn enter(&self, phase: &Phase) {
        lock(&self.shop).responses.clone_from(&phase.responses);
    }

    /// Makes an endpoint misbehave, or behave again.
    pub fn set_misbehaviour(&self, endpoint: &str, misbehaviour: Option<Misbehaviour>) {
        let mut shop = lock(&self.shop);
        match misbehaviour {
            Some(misbehaviour) => shop.misbehaving.insert(endpoint.to_owned(), misbehaviour),
            None => shop.misbehaving.remove(endpoint),
        };
    }

    /// Everything received so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shop).received.clone()
    }
}

impl Shop {
    fn receive(&mut self, endpoint: String, headers: &HeaderMap) {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
                .map(str::to_owned)
        };
        self.received.push(Received {
            endpoint,
            at: wall_now(),
            run_id: text(IDEMPOTENCY_KEY),
            traceparent: text("traceparent"),
        });
    }
}

/// The state is whole after every statement, so a panic elsewhere does not spoil it.
fn lock(shop: &Mutex<Shop>) -> MutexGuard<'_, Shop> {
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(shop): State<Arc<Mutex<Shop>>>, Path(endpoint): Path<String>, headers: HeaderMap) -> Response {
    let (response, misbehaviour) = {
        let mut shop = lock(&shop);
        shop.receive(endpoint.clone(), &headers);
        (
            shop.responses.get(&endpoint).cloned(),
            shop.misbehaving.get(&endpoint).copied(),
        )
    };
    match misbehaviour {
        Some(Misbehaviour::Status(status)) => return refusal(status),
        Some(Misbehaviour::Delay(delay)) => tokio::time::sleep(delay).await,
        None => {}
    }
    match response {
        Some(response) => Json(response).into_response(),
        None => refusal(StatusCode::NOT_FOUND.as_u16()),
    }
}

fn refusal(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(json!({ "error": status.as_str() }))).into_response()
}
