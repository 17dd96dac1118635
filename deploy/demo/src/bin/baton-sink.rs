//! `baton-sink`: a web server for checks from outside to call. It answers every request with 200 and what it received.

use std::net::SocketAddr;

use anyhow::Context as _;
use axum::{
    Json, Router,
    body::Bytes,
    http::{HeaderMap, Method, Uri},
};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A local web server that answers every request with 200 and a JSON object of what it received.
///
/// Prints "listening on ADDRESS" on stdout once it answers.
#[derive(Debug, Parser)]
#[command(name = "baton-sink", version)]
struct Options {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind(options.listen).await.context("listen")?;
    println!("listening on {}", listener.local_addr()?);
    let routes = Router::new().fallback(answer);
    tokio::select! {
        ended = axum::serve(listener, routes).into_future() => Ok(ended?),
        signal = tokio::signal::ctrl_c() => Ok(signal?),
    }
}

async fn answer(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Json<Value> {
    let run = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    Json(json!({
        "method": method.as_str(),
        "path": uri.path(),
        "run": run,
        "body": String::from_utf8_lossy(&body),
    }))
}
