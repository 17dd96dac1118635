//! Deadlines: the caller's, from `grpc-timeout`, or the server's own for a unary call without one.
//!
//! Transport code further out would answer CANCELLED at the caller's deadline, so this layer answers a few milliseconds
//! earlier, with DEADLINE_EXCEEDED. A stream has no deadline but the one that its caller gives.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Streams, ending::EndingBody};
use crate::status;

/// How much earlier than asked the answer goes out, but never more than a quarter of the time given.
const EARLY: Duration = Duration::from_millis(5);
/// gRPC allows eight digits.
const TIMEOUT_DIGITS: usize = 8;

#[derive(Debug, Clone)]
pub(super) struct Deadline {
    /// For a unary call without a deadline.
    default: Duration,
    streams: Arc<Streams>,
}

impl Deadline {
    pub(super) fn new(default: Duration, streams: Arc<Streams>) -> Self {
        Self { default, streams }
    }

    fn of<B>(&self, request: &Request<B>) -> Option<Instant> {
        let asked = grpc_timeout(request.headers()).map(|asked| asked - EARLY.min(asked / 4));
        let is_stream = self.streams.has(request.uri().path());
        let given = asked.or_else(|| (!is_stream).then_some(self.default))?;
        Instant::now().checked_add(given)
    }
}

/// The caller's timeout; `None` when there is none, and when it cannot be read, as everywhere in gRPC.
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=TIMEOUT_DIGITS).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 60 * 60)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

impl<S> Layer<S> for Deadline {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Limited {
            inner,
            deadline: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Limited<S> {
    inner: S,
    deadline: Deadline,
}

impl<S, B> Service<Request<B>> for Limited<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let deadline = self.deadline.of(&request);
        let response = self.inner.call(request);
        match deadline {
            None => Box::pin(response),
            Some(deadline) => Box::pin(until(deadline, response)),
        }
    }
}

/// The response, or DEADLINE_EXCEEDED in its place or, once it has begun, at its end.
async fn until<E>(
    deadline: Instant,
    response: impl Future<Output = Result<Response<Body>, E>>,
) -> Result<Response<Body>, E> {
    let Ok(response) = timeout_at(deadline, response).await else {
        return Ok(status::deadline_exceeded().into_http());
    };
    let end = async move {
        sleep_until(deadline).await;
        status::deadline_exceeded()
    };
    Ok(response?.map(|body| EndingBody::wrap(body, end)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(text: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", HeaderValue::from_static(text));
        grpc_timeout(&headers)
    }

    #[test]
    fn timeouts_are_read_in_every_unit() {
        let rows = [
            ("1H", Duration::from_secs(3_600)),
            ("2M", Duration::from_secs(120)),
            ("3S", Duration::from_secs(3)),
            ("4m", Duration::from_millis(4)),
            ("5u", Duration::from_micros(5)),
            ("99999999n", Duration::from_nanos(99_999_999)),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
    }

    #[test]
    fn what_is_no_timeout_is_ignored() {
        for text in ["", "S", "1", "1x", "-1S", "+1S", "1.5S", "999999999S"] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(grpc_timeout(&HeaderMap::new()), None);
    }
}
