//! The domain's port over reqwest, and the deadline over everything a call does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use baton_domain::{
    call::{CallError, CallOutcome, Dispatcher, HttpCall},
    limits,
};
use reqwest::{Client, redirect, retry};
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use crate::{
    exchange, failure, policy::EgressPolicy, request, request::InvalidRequest, resolver, resolver::GuardedResolver,
    signing::Signer, trace,
};

/// Idle connections are closed after this: servers commonly keep them for 60 s, and closing first avoids sending into
/// their closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Idle connections kept for one host: as many as an engine has calls in the air by default. With fewer, calls that end
/// together would close what the next ones open again.
const POOL_IDLE_PER_HOST: usize = limits::CALLS_DEFAULT;

/// Why a dispatcher cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process has to install rustls's provider first.
    #[error("no TLS provider is installed")]
    NoTlsProvider,
    /// The HTTP client cannot be set up, for instance without root certificates.
    #[error("cannot set up the HTTP client")]
    Client(#[source] reqwest::Error),
}

/// Calls endpoints over HTTP/1.1. Clones share their connections.
///
/// Follows no redirect, uses no proxy and no cookie, retries nothing and decodes nothing.
#[derive(Debug, Clone)]
pub struct HttpDispatcher {
    client: Client,
    policy: Arc<EgressPolicy>,
    signer: Option<Signer>,
}

impl HttpDispatcher {
    /// A dispatcher that reaches what `policy` permits.
    ///
    /// # Errors
    /// When no TLS provider is installed in this process, or the client cannot be set up.
    pub fn new(policy: EgressPolicy) -> Result<Self, Error> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(Error::NoTlsProvider);
        }
        let policy = Arc::new(policy);
        let client = Client::builder()
            .dns_resolver(GuardedResolver::new(Arc::clone(&policy)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .retry(retry::never())
            .http1_only()
            // Another crate of the process may have switched these on for all of reqwest.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .tcp_nodelay(true)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_PER_HOST)
            .build()
            .map_err(Error::Client)?;
        Ok(Self {
            client,
            policy,
            signer: None,
        })
    }

    /// Signs every call from now on: one that cannot be signed is not made.
    #[must_use]
    pub fn with_signer(self, signer: Signer) -> Self {
        Self {
            signer: Some(signer),
            ..self
        }
    }

    async fn attempt(&self, call: &HttpCall, outcome: &mut CallOutcome) -> Result<(), CallError> {
        let mut request = request::build(call)?;
        if let Some(host) = request.url().host() {
            resolver::check_literal(&self.policy, &host)?;
        }
        if let Some(signer) = &self.signer {
            let signed = signer.sign(call.run_id, &mut request);
            signed.map_err(|_| InvalidRequest::Header("webhook-signature".to_owned()))?;
        }
        trace::link(&Span::current(), &mut request);
        exchange::exchange(&self.client, request, call.max_response_bytes, outcome).await
    }

    async fn attempt_in_time(&self, call: &HttpCall) -> CallOutcome {
        let begun = Instant::now();
        let mut outcome = CallOutcome::default();
        let ended = timeout(call.timeout, self.attempt(call, &mut outcome)).await;
        outcome.duration = begun.elapsed();
        outcome.error = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(failure::timed_out(call.timeout, outcome.status_code.is_some())),
        };
        outcome
    }
}

#[async_trait]
impl Dispatcher for HttpDispatcher {
    async fn call(&self, call: HttpCall) -> CallOutcome {
        let span = trace::open_span(&call);
        let outcome = self.attempt_in_time(&call).instrument(span.clone()).await;
        trace::record_outcome(&span, &outcome);
        outcome
    }
}
