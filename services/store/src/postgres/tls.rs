//! TLS for tokio-postgres, as the URL's `sslmode` asks.
//!
//! `require` and the modes above it verify the server's certificate against the system's roots, or against
//! `sslrootcert`; below it the connection is plain. SeaORM's connections follow sqlx's reading of the same URL.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use crate::start::StartError;

const CONNECT: Duration = Duration::from_secs(5);
/// After so long without a word the server is asked whether it is still there: a listener has nothing to say itself.
const SILENCE: Duration = Duration::from_secs(5);

/// How to reach the server: what tokio-postgres reads of the URL, and the TLS beside it.
#[derive(Clone)]
pub struct Target {
    pub config: tokio_postgres::Config,
    pub tls: MakeRustlsConnect,
}

impl Target {
    /// Reads a URL with the parameters that both drivers know.
    pub fn parse(url: &str) -> Result<Self, StartError> {
        let mut url = Url::parse(url).map_err(|error| StartError::Url(error.to_string()))?;
        let (mut verified, mut roots, mut kept) = (false, None, Vec::new());
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "sslmode" | "ssl-mode" => verified = matches!(value.as_ref(), "require" | "verify-ca" | "verify-full"),
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => roots = Some(value.into_owned()),
                _ => kept.push((name.into_owned(), value.into_owned())),
            }
        }
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
        let mut config: tokio_postgres::Config = url
            .as_str()
            .parse()
            .map_err(|error: tokio_postgres::Error| StartError::Url(error.to_string()))?;
        config.ssl_mode(if verified { SslMode::Require } else { SslMode::Disable });
        config
            .application_name(super::APPLICATION)
            .connect_timeout(CONNECT)
            .keepalives_idle(SILENCE)
            .keepalives_interval(SILENCE / 3)
            .keepalives_retries(3)
            .tcp_user_timeout(SILENCE * 2);
        Ok(Self {
            config,
            tls: MakeRustlsConnect::new(client(verified, roots.as_deref())?),
        })
    }
}

/// Settings that the server keeps for the whole session, as a connection's `options` carry them.
pub(crate) fn options_of(settings: &[(&str, &str)]) -> String {
    let settings: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("-c {name}={value}"))
        .collect();
    settings.join(" ")
}

fn client(verified: bool, roots: Option<&str>) -> Result<ClientConfig, StartError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| StartError::Tls(error.to_string()))?;
    let store = if verified {
        trusted(roots)?
    } else {
        RootCertStore::empty()
    };
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

fn trusted(roots: Option<&str>) -> Result<RootCertStore, StartError> {
    let mut store = RootCertStore::empty();
    let Some(path) = roots else {
        let (added, _) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return if added > 0 {
            Ok(store)
        } else {
            Err(StartError::Tls("the system has no root certificates".to_owned()))
        };
    };
    let tls = |error: &dyn std::fmt::Display| StartError::Tls(format!("{path}: {error}"));
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| tls(&error))? {
        let certificate = certificate.map_err(|error| tls(&error))?;
        store.add(certificate).map_err(|error| tls(&error))?;
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::{SslMode, StartError, Target};

    #[test]
    fn tls_is_used_when_the_url_asks() {
        let table = [
            ("postgres://u@h/d", SslMode::Disable),
            ("postgres://u@h/d?sslmode=disable", SslMode::Disable),
            ("postgres://u@h/d?sslmode=prefer&application_name=x", SslMode::Disable),
        ];
        for (url, mode) in table {
            let target = Target::parse(url).expect("the URL is one");
            assert_eq!(target.config.get_ssl_mode(), mode, "{url}");
        }
        let missing = Target::parse("postgres://u@h/d?sslmode=verify-full&sslrootcert=/no/such.pem");
        assert!(matches!(missing, Err(StartError::Tls(message)) if message.starts_with("/no/such.pem")));
        assert!(matches!(
            Target::parse("postgres://u@h:port/d"),
            Err(StartError::Url(_))
        ));
    }
}
