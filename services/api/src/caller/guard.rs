//! Decides about one call before its message is read: who it is, and whether the scope suffices.
//!
//! Asked by the layer `identify`, once at the start of a call and now and then while a stream is open.

use std::sync::Arc;

use baton_domain::{
    credential::{Denial, TokenText},
    services::Services,
};
use http::{
    Extensions, HeaderMap,
    header::{AUTHORIZATION, HeaderValue},
};
use opentelemetry::{KeyValue, metrics::Counter};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{
    Authentication, Caller,
    access::{Access, AccessTable},
    authority::Authority,
    certificates,
    known::RELIED_UPON,
};
use crate::status;

const BEARER: &str = "bearer ";

/// What a request carries to prove who sent it.
#[derive(Debug, Clone)]
pub(crate) enum Presented {
    Nothing,
    /// An `authorization` that cannot be a token of ours. It is never overlooked in favour of a certificate.
    Unreadable,
    Token(TokenText),
    /// The names of the connection's certificate.
    Certificate(Vec<String>),
}

impl Presented {
    pub fn of(headers: &HeaderMap, extensions: &Extensions) -> Self {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        match (sent.next(), sent.next()) {
            (Some(only), None) => token(only).map_or(Self::Unreadable, Self::Token),
            (Some(_), Some(_)) => Self::Unreadable,
            (None, _) => certificates::names(extensions).map_or(Self::Nothing, Self::Certificate),
        }
    }
}

/// The token of `Bearer TOKEN`; the word in any case, as in HTTP.
fn token(header: &HeaderValue) -> Option<TokenText> {
    let text = header.to_str().ok()?;
    let (scheme, token) = text.split_at_checked(BEARER.len())?;
    scheme
        .eq_ignore_ascii_case(BEARER)
        .then(|| TokenText::read(token))
        .flatten()
}

/// Lets callers in.
#[derive(Clone)]
pub(crate) struct Guard {
    inner: Arc<Inner>,
}

struct Inner {
    services: Services,
    authority: Authority,
    access: AccessTable,
    refused: Counter<u64>,
}

impl Guard {
    pub fn new(services: Services, authentication: Authentication) -> Self {
        let refused = opentelemetry::global::meter("baton-api")
            .u64_counter("baton.auth.refused")
            .with_description("Calls refused because of their credential or its scope, by reason")
            .build();
        Self {
            inner: Arc::new(Inner {
                services,
                authority: Authority::new(authentication),
                access: AccessTable::new(),
                refused,
            }),
        }
    }

    /// The caller; `None` where everybody may call.
    ///
    /// # Errors
    /// UNAUTHENTICATED, PERMISSION_DENIED, or what the store answers.
    pub async fn admit(&self, path: &str, presented: &Presented) -> Result<Option<Caller>, Status> {
        let access = self.inner.access.of(path);
        if access == Access::Open {
            return Ok(None);
        }
        let identity = self.inner.authority.identify(&self.inner.services, presented).await;
        let identity = identity.inspect_err(|refusal| self.count(refusal))?;
        if self.inner.authority.is_strict() && !access.allows(&identity.grant) {
            return Err(self.deny(path, &identity.credential, access).await);
        }
        Ok(Some(Caller {
            grant: identity.grant,
            credential: identity.credential,
            method: path.into(),
            access,
        }))
    }

    /// Ends when the credential is not accepted any more, with the status that says so. While the store is away nothing
    /// is known, and the stream stays.
    pub async fn until_refused(self, presented: Presented) -> Status {
        if !self.inner.authority.is_strict() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(RELIED_UPON).await;
            let identified = self.inner.authority.identify(&self.inner.services, &presented).await;
            match identified {
                Err(refusal) if refusal.code() == Code::Unauthenticated => {
                    self.count(&refusal);
                    return refusal;
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Tells, counts and keeps it; the answer does not depend on that.
    async fn deny(&self, path: &str, credential: &str, access: Access) -> Status {
        let refusal = status::scope_missing(access.scopes());
        self.count(&refusal);
        tracing::warn!(
            credential,
            method = path,
            "denied: the credential's scope does not suffice"
        );
        let denial = Denial {
            credential: credential.to_owned(),
            method: path.to_owned(),
            reason: reason(&refusal),
        };
        if let Err(error) = self.inner.services.record_denial(&denial).await {
            tracing::warn!(%error, credential, method = path, "a denial could not be kept");
        }
        refusal
    }

    fn count(&self, refusal: &Status) {
        let attributes = [KeyValue::new("reason", reason(refusal))];
        self.inner.refused.add(1, &attributes);
    }
}

fn reason(refusal: &Status) -> String {
    let details = refusal.get_details_error_info();
    details.map_or_else(|| "UNKNOWN".to_owned(), |info| info.reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(values: &[&[u8]]) -> Presented {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).expect("a header value"));
        }
        Presented::of(&headers, &Extensions::new())
    }

    #[test]
    fn only_one_readable_bearer_token_counts() {
        let token = format!("baton_01234567_{:064x}", 5);
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let found = presented(&[format!("{scheme} {token}").as_bytes()]);
            assert!(matches!(found, Presented::Token(text) if text.expose() == token));
        }
        assert!(matches!(presented(&[]), Presented::Nothing));
        let good = format!("Bearer {token}");
        let unreadable: [&[&[u8]]; 6] = [
            &[b""],
            &[b"Bearer"],
            &[b"Basic YTpi"],
            &[b"Bearer \xff\xfe"],
            &[token.as_bytes()],
            &[good.as_bytes(), good.as_bytes()],
        ];
        for values in unreadable {
            assert!(matches!(presented(values), Presented::Unreadable), "{values:?}");
        }
    }
}
