//! Turns a panic into INTERNAL, so that it costs one call and not the connection with all its others.
//!
//! The panic itself has been told by the process's panic hook; here it is tied to the call.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::ending::trailers;
use crate::status;

#[derive(Debug, Clone, Copy)]
pub(super) struct CatchPanic;

impl<S> Layer<S> for CatchPanic {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Guarded { inner }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Guarded<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path().to_owned();
        // Nothing of the call is looked at after a panic, so nothing half-done can be seen.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(response) => Box::pin(guard(path, response)),
            Err(panic) => {
                let answer = told(&path, panic.as_ref()).into_http();
                Box::pin(async { Ok(answer) })
            }
        }
    }
}

async fn guard<E>(
    path: String,
    response: impl Future<Output = Result<Response<Body>, E>>,
) -> Result<Response<Body>, E> {
    match AssertUnwindSafe(response).catch_unwind().await {
        Ok(response) => Ok(response?.map(|body| Body::new(GuardedBody { body: Some(body), path }))),
        Err(panic) => Ok(told(&path, panic.as_ref()).into_http()),
    }
}

fn told(path: &str, panic: &(dyn Any + Send)) -> Status {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(path, panic = text.unwrap_or("no message"), "a call panicked");
    status::internal()
}

/// A response body whose panic ends it with INTERNAL.
struct GuardedBody {
    /// Taken after a panic: it is not polled again.
    body: Option<Body>,
    path: String,
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else {
            return Poll::Ready(None);
        };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) {
            Ok(frame) => frame,
            Err(panic) => {
                this.body = None;
                Poll::Ready(Some(trailers(&told(&this.path, panic.as_ref()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
