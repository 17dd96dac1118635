//! A ready connection to a scheduler: credential, TLS, deadlines, and repeats where they are safe (feature `client`).
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use baton_proto::{client::Connect, v1};
//!
//! let baton = Connect::to("https://baton.internal:50051")
//!     .token("baton_0123abcd_…".into())
//!     .ca(std::fs::read("ca.pem")?)
//!     .lazily()?;
//! let mut jobs = baton.jobs();
//! let request = v1::CreateJobRequest {
//!     name: "shop".to_owned(),
//!     request_id: "shop-2026".to_owned(), // makes a repeat safe
//!     ..Default::default()
//! };
//! println!("{}", jobs.create_job(request).await?.into_inner().id);
//! # Ok(())
//! # }
//! ```
//!
//! How to read it: [`Connect`] collects what is known of the other side, [`Connection`] gives clients, `transport` is what
//! happens around each call, `repeat` says which calls may be made again, `trace` carries the trace (feature `trace`).

mod repeat;
#[cfg(feature = "trace")]
mod trace;
mod transport;

use std::{fmt, sync::Arc, time::Duration};

use http::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

pub use transport::Transport;

use crate::v1::{
    flash_sales_service_client::FlashSalesServiceClient, jobs_service_client::JobsServiceClient,
    plans_service_client::PlansServiceClient, runs_service_client::RunsServiceClient,
};
use transport::Policy;

/// A planning context of 500 endpoints with their last runs needs more than tonic's 4 MiB.
const MESSAGE_BYTES: usize = 64 * 1_024 * 1_024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the scheduler's address cannot be used: {0}")]
    Address(#[source] tonic::transport::Error),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// It is not repeated here.
    #[error("the token has characters that no header can carry")]
    Token,
}

/// What is known of a scheduler before it is connected to.
#[derive(Clone)]
pub struct Connect {
    url: String,
    token: Option<SecretString>,
    ca: Option<Vec<u8>>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
    deadline: Duration,
    attempts: u32,
    jitter: Arc<dyn Fn() -> f64 + Send + Sync>,
}

impl fmt::Debug for Connect {
    /// Shows no token and no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Connect {
    /// `http://HOST:PORT`, or `https://HOST:PORT` for TLS.
    pub fn to(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: None,
            ca: None,
            certificate: None,
            deadline: Duration::from_secs(30),
            attempts: 5,
            jitter: Arc::new(random_fraction),
        }
    }

    /// The address, as given.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// The API token to send with each call.
    #[must_use]
    pub fn token(self, token: SecretString) -> Self {
        Self {
            token: Some(token),
            ..self
        }
    }

    /// Trusts servers whose certificate one of these (PEM) has signed, in place of those that the system trusts.
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            ca: Some(pem.into()),
            ..self
        }
    }

    /// A client certificate with its key, both in PEM, for mutual TLS.
    #[must_use]
    pub fn client_certificate(self, pem: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificate: Some((pem.into(), key.into())),
            ..self
        }
    }

    /// How long a unary call without a deadline of its own may take, repeats included; 30 s unless told.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// How often a call that is safe to repeat is made at most while the scheduler is unavailable; 5 unless told, 1 turns
    /// repeats off.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts, ..self }
    }

    /// Where the randomness of pauses comes from: numbers from 0 up to 1. For tests.
    #[must_use]
    pub fn jitter(self, jitter: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        Self {
            jitter: Arc::new(jitter),
            ..self
        }
    }

    /// Whether the address, the token and the certificates can be used; connects to nothing.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn check(&self) -> Result<(), ConnectError> {
        self.token.as_ref().map(authorization).transpose()?;
        self.endpoint().map(drop)
    }

    /// Connects with the first call, and again after every loss.
    ///
    /// # Errors
    /// When the address, the token or the certificates cannot be used.
    pub fn lazily(self) -> Result<Connection, ConnectError> {
        let authorization = self.token.as_ref().map(authorization).transpose()?;
        let channel = self.endpoint()?.connect_lazy();
        let policy = Policy {
            authorization,
            deadline: self.deadline,
            attempts: self.attempts,
            jitter: self.jitter,
        };
        Ok(Connection {
            transport: Transport::new(channel, policy),
        })
    }

    /// Pings find a peer that is gone without a word.
    fn endpoint(&self) -> Result<Endpoint, ConnectError> {
        let endpoint = Endpoint::from_shared(self.url.clone())
            .map_err(ConnectError::Address)?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        if !self.url.starts_with("https:") {
            return Ok(endpoint);
        }
        endpoint.tls_config(self.tls()).map_err(ConnectError::Tls)
    }

    fn tls(&self) -> ClientTlsConfig {
        let tls = match &self.ca {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.certificate {
            Some((pem, key)) => tls.identity(Identity::from_pem(pem, key)),
            None => tls,
        }
    }
}

/// Clients of every service over one connection. Clones share it.
#[derive(Clone)]
pub struct Connection {
    transport: Transport,
}

impl Connection {
    pub fn jobs(&self) -> JobsServiceClient<Transport> {
        JobsServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES)
    }

    pub fn runs(&self) -> RunsServiceClient<Transport> {
        RunsServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES)
    }

    pub fn flash_sales(&self) -> FlashSalesServiceClient<Transport> {
        FlashSalesServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES)
    }

    pub fn plans(&self) -> PlansServiceClient<Transport> {
        PlansServiceClient::new(self.transport()).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// What the clients are built on, for other generated ones.
    pub fn transport(&self) -> Transport {
        self.transport.clone()
    }
}

fn authorization(token: &SecretString) -> Result<HeaderValue, ConnectError> {
    let text = format!("Bearer {}", token.expose_secret());
    let mut value = HeaderValue::try_from(text).map_err(|_| ConnectError::Token)?;
    // Debug output does not show it, and HPACK does not index it.
    value.set_sensitive(true);
    Ok(value)
}

#[expect(
    clippy::disallowed_methods,
    reason = "callers of a client library hand in no randomness; only the length of pauses depends on it"
)]
fn random_fraction() -> f64 {
    rand::random()
}
