//! The outbound HTTP call as the engine sees it: what to send, and what came of it.
//!
//! The port `Dispatcher` is implemented by `baton-dispatch` and by test doubles. What an outcome means for a run (retry,
//! success, failure) is decided here, not in the adapter.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::ids::RunId;

/// One HTTP request, sent as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Upper-case method name: GET, HEAD, POST, PUT, PATCH or DELETE.
    pub method: String,
    /// http or https URL without user information.
    pub url: String,
    /// Name and value, in order.
    pub headers: Vec<(String, String)>,
    /// `None` sends no body.
    pub body: Option<Vec<u8>>,
}

impl HttpRequest {
    /// The host that is called, by name or address, in lower case and without a port; empty where the URL is none.
    pub fn host(&self) -> String {
        let url = url::Url::parse(&self.url).ok();
        url.and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// What the engine asks the dispatcher to do.
#[derive(Debug, Clone)]
pub struct HttpCall {
    /// Sent as `Idempotency-Key`, the same for every attempt.
    pub run_id: RunId,
    /// From 1.
    pub attempt: u32,
    /// Shared with the claim it came from.
    pub request: Arc<HttpRequest>,
    /// Over name resolution, connecting, sending and reading the last byte of the response.
    pub timeout: Duration,
    /// Bytes of the response body that are kept.
    pub max_response_bytes: usize,
}

/// Why a call gave no HTTP status, or was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallErrorKind {
    /// The deadline passed, be it before the headers or within the body.
    Timeout,
    /// No connection: resolution failed, refused, TLS, reset.
    Connect,
    /// Every resolved address lies in a range that may not be called.
    EgressDenied,
    /// The stored request cannot be sent.
    InvalidRequest,
    /// The peer broke off or did not speak HTTP.
    Protocol,
}

/// Why a call failed below HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    pub kind: CallErrorKind,
    /// One sentence for people.
    pub message: String,
}

/// What came of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOutcome {
    /// By a monotonic clock.
    pub duration: Duration,
    /// Present as soon as response headers arrived.
    pub status_code: Option<u16>,
    /// Present when the call did not complete.
    pub error: Option<CallError>,
    /// What was kept of the body.
    pub response: Vec<u8>,
    /// True when the body was longer than what was kept.
    pub truncated: bool,
    /// From a `Retry-After` header in seconds or as a date.
    pub retry_after: Option<Duration>,
}

impl CallOutcome {
    /// Success is a complete response with a 2xx status.
    pub fn is_success(&self) -> bool {
        self.error.is_none() && self.status_code.is_some_and(|code| (200..300).contains(&code))
    }

    /// Connect errors, timeouts, 408, 425, 429 and 5xx may be tried again.
    pub fn is_retryable(&self) -> bool {
        if let Some(error) = &self.error {
            return match error.kind {
                CallErrorKind::Timeout | CallErrorKind::Connect | CallErrorKind::Protocol => true,
                CallErrorKind::EgressDenied | CallErrorKind::InvalidRequest => false,
            };
        }
        self.status_code
            .is_some_and(|code| matches!(code, 408 | 425 | 429 | 500..=599))
    }

    /// Why the call counts as failed, for people; empty for a success.
    pub fn error_text(&self) -> String {
        match (&self.error, self.status_code) {
            (Some(error), _) => error.message.clone(),
            (None, Some(code)) if !self.is_success() => format!("HTTP status {code}"),
            _ => String::new(),
        }
    }
}

/// Makes outbound HTTP calls. Never returns an error: what went wrong is part of the outcome.
#[async_trait]
pub trait Dispatcher: Send + Sync {
    async fn call(&self, call: HttpCall) -> CallOutcome;
}
