//! Whom client certificates stand for: names of certificates, mapped by the operator.
//!
//! A certificate's names are the DNS names and URIs of its subject alternative name, as RFC 9525 has it; the common name
//! is not looked at. That the certificate is good was checked in the handshake.

use std::{collections::BTreeMap, sync::Arc};

use baton_domain::credential::Grant;
use http::Extensions;
use rustls_pki_types::CertificateDer;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use webpki::EndEntityCert;

/// What the bearer of a certificate with one of these names may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateNames(BTreeMap<String, Arc<Grant>>);

impl CertificateNames {
    pub fn new(names: impl IntoIterator<Item = (String, Grant)>) -> Self {
        Self(names.into_iter().map(|(name, grant)| (name, Arc::new(grant))).collect())
    }

    /// The first of these names that is mapped, with what it is mapped to.
    pub(crate) fn find<'a>(&self, names: &'a [String]) -> Option<(&'a str, Arc<Grant>)> {
        names
            .iter()
            .find_map(|name| Some((name.as_str(), Arc::clone(self.0.get(name)?))))
    }
}

/// The names of the certificate that the client of this connection has shown; `None` when it has shown none.
pub(crate) fn names(extensions: &Extensions) -> Option<Vec<String>> {
    let connection = extensions.get::<TlsConnectInfo<TcpConnectInfo>>()?;
    let certificates = connection.peer_certs()?;
    certificates.first().map(names_of)
}

/// None of a certificate that cannot be read: it stands for nobody then.
fn names_of(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let names = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    names.map(str::to_owned).collect()
}
