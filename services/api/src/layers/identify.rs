//! Lets known callers in, before their message is read, and ends their streams when their credential ends.
//!
//! What is decided is up to [`crate::caller`]; here it is put around a call.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use super::{Streams, ending::EndingBody};
use crate::caller::{Guard, Presented};

#[derive(Clone)]
pub(super) struct IdentifyCaller {
    guard: Guard,
    streams: Arc<Streams>,
}

impl IdentifyCaller {
    pub(super) fn new(guard: Guard, streams: Arc<Streams>) -> Self {
        Self { guard, streams }
    }
}

impl<S> Layer<S> for IdentifyCaller {
    type Service = Identified<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Identified {
            inner,
            settings: self.clone(),
        }
    }
}

#[derive(Clone)]
pub(super) struct Identified<S> {
    inner: S,
    settings: IdentifyCaller,
}

impl<S, B> Service<Request<B>> for Identified<S>
where
    S: Service<Request<B>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready makes the call; its clone is readied for the next.
        let unready = self.inner.clone();
        let inner = mem::replace(&mut self.inner, unready);
        Box::pin(identified(inner, self.settings.clone(), request))
    }
}

async fn identified<S, B>(
    mut inner: S,
    settings: IdentifyCaller,
    mut request: Request<B>,
) -> Result<Response<Body>, S::Error>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    let IdentifyCaller { guard, streams } = settings;
    let presented = Presented::of(request.headers(), request.extensions());
    let is_stream = streams.has(request.uri().path());
    let caller = match guard.admit(request.uri().path(), &presented).await {
        Ok(caller) => caller,
        Err(refusal) => return Ok(refusal.into_http()),
    };
    let Some(caller) = caller else {
        return inner.call(request).await;
    };
    request.extensions_mut().insert(caller);
    if !is_stream {
        return inner.call(request).await;
    }
    let mut end = Box::pin(guard.until_refused(presented));
    // A stream of requests is answered when it has ended; it is cut off in the same way.
    tokio::select! {
        response = inner.call(request) => Ok(response?.map(|body| EndingBody::wrap(body, end))),
        refusal = &mut end => Ok(refusal.into_http()),
    }
}
