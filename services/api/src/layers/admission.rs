//! Takes as many calls as the server can bear, and turns the others away at once instead of letting them wait.
//!
//! A call has its slot until the last byte of its response. Streams have slots of their own, so that open watches never
//! keep calls out. Health and reflection are always answered: a busy server is not a dead one.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::Streams;
use crate::status;

/// Paths that are answered however busy the server is.
const ALWAYS: &str = "/grpc.";

#[derive(Debug, Clone)]
pub(super) struct Admission {
    calls: Arc<Semaphore>,
    open_streams: Arc<Semaphore>,
    streams: Arc<Streams>,
}

impl Admission {
    pub(super) fn new(max_calls: usize, max_streams: usize, streams: Arc<Streams>) -> Self {
        Self {
            calls: Arc::new(Semaphore::new(max_calls)),
            open_streams: Arc::new(Semaphore::new(max_streams)),
            streams,
        }
    }

    /// A slot, if one is free.
    fn slot(&self, path: &str) -> Option<OwnedSemaphorePermit> {
        let slots = if self.streams.has(path) {
            &self.open_streams
        } else {
            &self.calls
        };
        Arc::clone(slots).try_acquire_owned().ok()
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Admitted {
            inner,
            admission: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Admitted<S> {
    inner: S,
    admission: Admission,
}

impl<S, B> Service<Request<B>> for Admitted<S>
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
        let path = request.uri().path();
        if path.starts_with(ALWAYS) {
            return Box::pin(self.inner.call(request));
        }
        let Some(slot) = self.admission.slot(path) else {
            return Box::pin(async { Ok(status::overloaded().into_http()) });
        };
        let response = self.inner.call(request);
        Box::pin(async move { Ok(response.await?.map(|body| Body::new(SlotBody { body, _slot: slot }))) })
    }
}

/// A response body that gives its call's slot back when it is dropped.
struct SlotBody {
    body: Body,
    _slot: OwnedSemaphorePermit,
}

impl HttpBody for SlotBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
