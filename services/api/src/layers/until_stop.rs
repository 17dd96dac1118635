//! Ends open streams when the server stops: a connection does not close before its last stream has ended.
//!
//! Unary calls are left to finish by themselves.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Streams, ending::EndingBody};
use crate::status;

#[derive(Debug, Clone)]
pub(super) struct UntilStop {
    stop: CancellationToken,
    streams: Arc<Streams>,
}

impl UntilStop {
    pub(super) fn new(stop: CancellationToken, streams: Arc<Streams>) -> Self {
        Self { stop, streams }
    }
}

impl<S> Layer<S> for UntilStop {
    type Service = Stoppable<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Stoppable {
            inner,
            settings: self.clone(),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Stoppable<S> {
    inner: S,
    settings: UntilStop,
}

impl<S, B> Service<Request<B>> for Stoppable<S>
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
        let is_stream = self.settings.streams.has(request.uri().path());
        let response = self.inner.call(request);
        if !is_stream {
            return Box::pin(response);
        }
        let stop = self.settings.stop.clone();
        Box::pin(async move {
            let end = async move {
                stop.cancelled_owned().await;
                status::stopping()
            };
            Ok(response.await?.map(|body| EndingBody::wrap(body, end)))
        })
    }
}
