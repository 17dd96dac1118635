//! The HTTP server that schedulers call: it answers 200 after a while and logs every call it received.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Result;
use axum::{Router, extract::State, http::HeaderMap, routing::post};
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// One call as it arrived.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub run_id: Uuid,
    pub at: DateTime<Utc>,
}

#[derive(Clone)]
struct Log {
    calls: Arc<Mutex<Vec<Call>>>,
    takes: Duration,
}

/// Serves until dropped.
pub struct Sink {
    address: SocketAddr,
    log: Log,
    _server: AbortOnDropHandle<std::io::Result<()>>,
}

impl Sink {
    /// Every call takes this long.
    pub async fn start(takes: Duration) -> Result<Self> {
        let log = Log {
            calls: Arc::default(),
            takes,
        };
        let routes = Router::new().route("/", post(receive)).with_state(log.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self {
            address: listener.local_addr()?,
            log,
            _server: AbortOnDropHandle::new(tokio::spawn(async move { axum::serve(listener, routes).await })),
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn calls(&self) -> Vec<Call> {
        lock(&self.log).clone()
    }
}

async fn receive(State(log): State<Log>, headers: HeaderMap) {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    if let Some(run_id) = key.and_then(|text| Uuid::parse_str(text).ok()) {
        let at = crate::evidence::wall_now();
        lock(&log).push(Call { run_id, at });
    }
    tokio::time::sleep(log.takes).await;
}

fn lock(log: &Log) -> MutexGuard<'_, Vec<Call>> {
    log.calls.lock().unwrap_or_else(PoisonError::into_inner)
}
