//! Completes statuses that gRPC's own machinery answers before a handler runs: an unknown method, a message that is too
//! large or cannot be decoded. They get the code that says whose fault it is, and an `ErrorInfo` like all others.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::status;

/// Health and reflection answer as their own specifications say.
const UNTOUCHED: &str = "/grpc.";

#[derive(Debug, Clone, Copy)]
pub(super) struct CompleteDetails;

impl<S> Layer<S> for CompleteDetails {
    type Service = Completed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Completed { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Completed<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Completed<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let untouched = request.uri().path().starts_with(UNTOUCHED);
        let response = self.inner.call(request);
        if untouched {
            return Box::pin(response);
        }
        Box::pin(async move { Ok(complete(response.await?)) })
    }
}

/// Such a status stands in the headers of a response without a body.
fn complete(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        Some(made) if made.code() != Code::Ok && made.details().is_empty() => status::of_transport(&made).into_http(),
        Some(_) | None => response,
    }
}
