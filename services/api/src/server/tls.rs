//! TLS of the server: its certificate, and whose client certificates it takes.
//!
//! rustls on ring, through tonic; only TLS 1.2 and 1.3 exist there.

use std::{fmt, time::Duration};

use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate with its key, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's own first, then those that lead to its root.
    pub certificates: Vec<u8>,
    pub key: Vec<u8>,
    /// Present when clients may show certificates.
    pub clients: Option<ClientCa>,
}

/// Who signs the certificates of clients.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCa {
    /// In PEM.
    pub certificates: Vec<u8>,
    /// Connections without a certificate are refused.
    pub required: bool,
}

impl fmt::Debug for Tls {
    /// Shows no key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clients = self.clients.as_ref().map(|clients| clients.required);
        f.debug_struct("Tls")
            .field("clients_required", &clients)
            .finish_non_exhaustive()
    }
}

impl Tls {
    pub(super) fn to_config(&self) -> ServerTlsConfig {
        let config = ServerTlsConfig::new()
            .identity(Identity::from_pem(&self.certificates, &self.key))
            .timeout(HANDSHAKE);
        match &self.clients {
            None => config,
            Some(clients) => config
                .client_ca_root(Certificate::from_pem(&clients.certificates))
                .client_auth_optional(!clients.required),
        }
    }
}
