//! Who calls. The only place that decides it: authentication replaces [`IdentifyCaller`] and nothing else.
//!
//! The layer puts a [`Caller`] into the extensions of each request; handlers take it from there, and never from a body.

use std::task::{Context, Poll};

use baton_domain::ids::UserId;
use http::Request;
use tonic::Status;
use tower::{Layer, Service};

use crate::status;

/// Who is behind a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub user: UserId,
}

impl Caller {
    /// Everybody, as long as nobody authenticates and the server listens on loopback only.
    fn local() -> Self {
        Self {
            user: UserId("local".to_owned()),
        }
    }
}

/// Takes the caller and the message out of a request.
pub(crate) fn open<T>(request: tonic::Request<T>) -> Result<(UserId, T), Status> {
    let caller = request
        .extensions()
        .get::<Caller>()
        .ok_or_else(status::unauthenticated)?;
    let user = caller.user.clone();
    Ok((user, request.into_inner()))
}

/// Identifies the caller of each request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdentifyCaller;

impl<S> Layer<S> for IdentifyCaller {
    type Service = Identified<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Identified { inner }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Identified<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Identified<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(Caller::local());
        self.inner.call(request)
    }
}
