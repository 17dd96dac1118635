//! The HTTP exchange below async-openai: one attempt, a bounded body, and errors that keep status and Retry-After.
//!
//! async-openai alone retries 429 and 5xx out of sight, reads bodies of any length, and loses the status of an error whose
//! body is not JSON. This service stands in for its own; only `openai.rs` uses it.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use async_openai::middleware::HttpRequestFactory;
use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use reqwest::Response;
use tower::{BoxError, Service};

use super::{ErrorKind, ModelError};

/// What is read of a response. An answer at the bounds of a plan is some tens of kilobytes.
const MAX_RESPONSE_BYTES: usize = 1024 * 1024;
/// What is kept of an error's body.
const MAX_ERROR_CHARS: usize = 2_000;

/// Sends each request once.
#[derive(Debug, Clone)]
pub(super) struct SingleAttempt {
    client: reqwest::Client,
}

impl SingleAttempt {
    pub(super) fn new(client: reqwest::Client) -> Self {
        Self { client }
    }
}

impl Service<HttpRequestFactory> for SingleAttempt {
    type Response = Response;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let client = self.client.clone();
        Box::pin(async move {
            let request = factory.build().await?;
            Ok(exchange(&client, request).await?)
        })
    }
}

/// The whole response, body included, of a request that was answered with 2xx.
async fn exchange(client: &reqwest::Client, request: reqwest::Request) -> Result<Response, ModelError> {
    let response = client.execute(request).await.map_err(|error| network_error(&error))?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = read_capped(response).await?;
    if !status.is_success() {
        return Err(status_error(status, &headers, &body));
    }
    let mut whole = http::Response::new(body);
    *whole.status_mut() = status;
    Ok(Response::from(whole))
}

async fn read_capped(mut response: Response) -> Result<Vec<u8>, ModelError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| network_error(&error))? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let message = format!("the model server's response is longer than {MAX_RESPONSE_BYTES} bytes");
            return Err(ModelError::new(ErrorKind::TooLong, message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn network_error(error: &reqwest::Error) -> ModelError {
    let kind = if error.is_timeout() && !error.is_connect() {
        ErrorKind::Timeout
    } else {
        ErrorKind::Unreachable
    };
    ModelError::new(
        kind,
        format!("the model server cannot be reached: {}", with_causes(error)),
    )
}

/// reqwest's own message leaves out what happened; its sources say it.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn status_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ModelError {
    let kind = kind_of(status);
    let raw: String = String::from_utf8_lossy(body).chars().take(MAX_ERROR_CHARS).collect();
    let message = match kind {
        ErrorKind::Unauthorized => format!("the model server refused the API key with HTTP status {status}"),
        _ => format!("the model server answered HTTP status {status}: {}", summary(&raw)),
    };
    ModelError {
        retry_after: retry_after(headers),
        raw,
        ..ModelError::new(kind, message)
    }
}

fn kind_of(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 => ErrorKind::Unauthorized,
        429 => ErrorKind::RateLimited,
        500.. => ErrorKind::ServerError,
        _ => ErrorKind::BadRequest,
    }
}

/// The `error.message` of an OpenAI error body, or the start of whatever it is.
fn summary(body: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Value>(body).ok();
    let message = parsed
        .as_ref()
        .and_then(|body| body.pointer("/error/message")?.as_str());
    message.unwrap_or(body).chars().take(300).collect()
}

/// Retry-After in seconds. The form with a date needs a clock that agrees with the server's, so it is left aside.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
