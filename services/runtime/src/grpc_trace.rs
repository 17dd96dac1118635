//! Carries a trace from a gRPC caller to a gRPC server, and tells how each call ended.
//!
//! The scheduler puts [`GrpcServerTrace`] outermost on its tonic server, the planner wraps its channel in
//! [`GrpcClientTrace`]. Both open one span per call that lasts until the last byte of the response. Neither knows any
//! service or message. Without an installed propagator (see [`crate::telemetry::init`]) no context is carried.

mod call;
mod context;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::{body::Body, transport::Channel};
use tower::{BoxError, Layer, Service};
use tracing::{Instrument as _, Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use self::call::{ObservedBody, ObservedCall};

/// Health and reflection: polled all day, and of no interest in a trace.
const UNTRACED: &str = "/grpc.";

/// Opens a span `rpc.server` for each call, as a child of the caller's span.
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcServerTrace;

impl<S> Layer<S> for GrpcServerTrace {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Traced {
            inner,
            side: Side::Server,
        }
    }
}

/// Opens a span `rpc.client` for each call, as a child of the current span, and sends its context along.
#[derive(Debug, Clone, Copy, Default)]
pub struct GrpcClientTrace;

impl<S> Layer<S> for GrpcClientTrace {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Traced {
            inner,
            side: Side::Client,
        }
    }
}

/// What a generated client is built on: `JobsServiceClient::new(GrpcClientTrace.layer(channel))`.
pub type TracedChannel = Traced<Channel>;

/// A gRPC service or channel whose calls have spans.
#[derive(Debug, Clone)]
pub struct Traced<S> {
    inner: S,
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Traced<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    ResBody: HttpBody<Data = Bytes> + Send + 'static,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let side = self.side;
        if request.uri().path().starts_with(UNTRACED) {
            let response = self.inner.call(request);
            return Box::pin(async move { Ok(response.await?.map(Body::new)) });
        }
        let span = match side {
            Side::Server => open_server_span(&request),
            Side::Client => open_client_span(&mut request),
        };
        let response = span.in_scope(|| self.inner.call(request));
        Box::pin(observe(side, span, response))
    }
}

fn open_server_span<B>(request: &Request<B>) -> Span {
    let (service, method) = names(request.uri().path());
    let span = tracing::info_span!(
        "rpc.server",
        otel.name = format!("{service}/{method}"),
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
    );
    // A span whose context was asked for takes no parent any more: this comes first.
    // It fails where no trace is recorded at all, which is no fault of this call.
    span.set_parent(context::extract(request.headers())).ok();
    span
}

fn open_client_span<B>(request: &mut Request<B>) -> Span {
    let (service, method) = names(request.uri().path());
    let span = tracing::info_span!(
        "rpc.client",
        otel.name = format!("{service}/{method}"),
        otel.kind = "client",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
    );
    context::inject(&span.context(), request.headers_mut());
    span
}

/// Service and method of a path such as `/baton.v1.JobsService/CreateJob`.
fn names(path: &str) -> (&str, &str) {
    let path = path.trim_start_matches('/');
    path.split_once('/').unwrap_or((path, ""))
}

async fn observe<R, E>(
    side: Side,
    span: Span,
    response: impl Future<Output = Result<Response<R>, E>>,
) -> Result<Response<Body>, E>
where
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let mut call = ObservedCall::new(side, span.clone());
    let response = match response.instrument(span).await {
        Ok(response) => response,
        Err(error) => {
            call.broke();
            return Err(error);
        }
    };
    // An error before the first message comes without trailers: its status is among the headers.
    call.note_status(response.headers());
    if response.body().is_end_stream() {
        call.broke();
    }
    Ok(response.map(|body| Body::new(ObservedBody::new(Body::new(body), call))))
}

#[cfg(test)]
mod tests;
