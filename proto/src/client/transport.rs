//! What happens around each call: the credential and the trace go along, a unary call has a deadline, and one that is
//! safe to repeat is made again while the scheduler is unavailable.
//!
//! Under every client of [`super::Connection`]. Knows no message; streams are passed through.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{AUTHORIZATION, HeaderName},
    request::Parts,
};
use http_body_util::{BodyExt as _, Full};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, TimeoutExpired, body::Body, transport::Channel};
use tower::{Service, ServiceExt as _};

use super::repeat::Method;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// gRPC allows eight digits.
const LONGEST_MILLIS: u128 = 99_999_999;
/// Pauses grow from here to there.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// How calls are made.
pub(super) struct Policy {
    pub authorization: Option<HeaderValue>,
    pub deadline: Duration,
    pub attempts: u32,
    pub jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl Policy {
    fn dress(&self, headers: &mut HeaderMap) {
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        #[cfg(feature = "trace")]
        super::trace::inject(headers);
    }

    /// After this many failures (from 1): evenly between half and all of what has doubled so far.
    fn pause(&self, failures: u32) -> Duration {
        let ceiling = FIRST_PAUSE
            .saturating_mul(1 << failures.saturating_sub(1).min(16))
            .min(LAST_PAUSE);
        ceiling / 2 + (ceiling / 2).mul_f64((self.jitter)().clamp(0.0, 1.0))
    }
}

/// A channel with all of that.
#[derive(Clone)]
pub struct Transport {
    channel: Channel,
    policy: Arc<Policy>,
}

impl Transport {
    pub(super) fn new(channel: Channel, policy: Policy) -> Self {
        Self {
            channel,
            policy: Arc::new(policy),
        }
    }
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Status>> + Send>>;

    /// Always ready: a call waits for the connection as part of its own time.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // Here, in the caller's span, and not when the future is first polled.
        self.policy.dress(request.headers_mut());
        let (channel, policy) = (self.channel.clone(), Arc::clone(&self.policy));
        match Method::of(request.uri().path()) {
            Method::Stream => Box::pin(async move { channel.oneshot(request).await.map_err(status_of) }),
            method => Box::pin(unary(channel, policy, method, request)),
        }
    }
}

/// Makes a call until it is answered, may not be repeated, or its time is over.
async fn unary(
    channel: Channel,
    policy: Arc<Policy>,
    method: Method,
    request: Request<Body>,
) -> Result<Response<Body>, Status> {
    let (parts, body) = request.into_parts();
    let end = Instant::now() + asked_timeout(&parts.headers).unwrap_or(policy.deadline);
    let body = body.collect().await?.to_bytes();
    let attempts = if method.may_repeat(&body) { policy.attempts } else { 1 };
    let mut failures = 0;
    loop {
        let outcome = match timeout_at(end, attempt(&channel, again(&parts, &body, end))).await {
            Ok(outcome) => outcome,
            Err(_) => return Err(deadline_exceeded()),
        };
        failures += 1;
        let pause = policy.pause(failures);
        if !is_unavailable(&outcome) || failures >= attempts || Instant::now() + pause >= end {
            return outcome;
        }
        sleep(pause).await;
    }
}

/// The whole answer, so that its time is counted and its status known.
async fn attempt(channel: &Channel, request: Request<Body>) -> Result<Response<Body>, Status> {
    let response = channel.clone().oneshot(request).await.map_err(status_of)?;
    let (parts, body) = response.into_parts();
    let collected = body.collect().await?;
    let refused = collected.trailers().and_then(Status::from_header_map);
    match refused.filter(|status| status.code() == Code::Unavailable) {
        Some(status) => Err(status),
        None => Ok(Response::from_parts(parts, Body::new(collected))),
    }
}

fn again(parts: &Parts, body: &Bytes, end: Instant) -> Request<Body> {
    let body = Body::new(Full::new(body.clone()));
    let mut request = Request::from_parts(parts.clone(), body);
    let left = end.saturating_duration_since(Instant::now()).as_millis();
    let left = format!("{}m", left.clamp(1, LONGEST_MILLIS));
    if let Ok(left) = HeaderValue::try_from(left) {
        request.headers_mut().insert(GRPC_TIMEOUT, left);
    }
    request
}

fn is_unavailable(outcome: &Result<Response<Body>, Status>) -> bool {
    match outcome {
        // A broken connection is UNKNOWN in tonic.
        Err(status) => matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled),
        Ok(response) => {
            Status::from_header_map(response.headers()).is_some_and(|status| status.code() == Code::Unavailable)
        }
    }
}

/// The channel's own timer answers CANCELLED; it is set to the same deadline.
fn status_of(error: tonic::transport::Error) -> Status {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(found) = cause {
        if found.is::<TimeoutExpired>() {
            return deadline_exceeded();
        }
        cause = found.source();
    }
    Status::from_error(Box::new(error))
}

fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the scheduler did not answer in time")
}

/// The caller's own timeout, as tonic has written it.
fn asked_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
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
