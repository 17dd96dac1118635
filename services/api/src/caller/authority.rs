//! Whom a credential stands for: tokens by the store, certificates by the operator's map.

use std::sync::Arc;

use baton_domain::{
    credential::{Grant, Standing, Token, TokenText},
    ids::UserId,
    services::Services,
    time::elapsed,
};
use tonic::Status;

use super::{
    Authentication, Presented,
    known::{Identity, Known},
};
use crate::status;

/// Recognises credentials.
#[derive(Debug)]
pub(super) struct Authority {
    authentication: Authentication,
    nobody: Identity,
    known: Known,
}

impl Authority {
    pub fn new(authentication: Authentication) -> Self {
        Self {
            authentication,
            nobody: Identity {
                grant: Arc::new(Grant::unrestricted(UserId("local".to_owned()))),
                credential: "nobody".into(),
            },
            known: Known::default(),
        }
    }

    /// True when callers must prove who they are.
    pub fn is_strict(&self) -> bool {
        self.authentication != Authentication::None
    }

    /// Whom it stands for.
    ///
    /// # Errors
    /// UNAUTHENTICATED with the reason, or what the store answers.
    pub async fn identify(&self, services: &Services, presented: &Presented) -> Result<Identity, Status> {
        let certificates = match &self.authentication {
            Authentication::None => return Ok(self.nobody.clone()),
            Authentication::Required { certificates } => certificates,
        };
        match presented {
            Presented::Nothing => Err(status::unauthenticated()),
            Presented::Unreadable => Err(status::credential_invalid()),
            Presented::Token(text) => self.of_token(services, text).await,
            Presented::Certificate(names) => {
                let (name, grant) = certificates.find(names).ok_or_else(status::certificate_unknown)?;
                let credential = format!("certificate:{name}").into();
                Ok(Identity { grant, credential })
            }
        }
    }

    async fn of_token(&self, services: &Services, text: &TokenText) -> Result<Identity, Status> {
        if let Some(identity) = self.known.get(text) {
            return Ok(identity);
        }
        let (token, now) = services.find_token(text).await.map_err(status::of_error)?;
        let token = token.ok_or_else(status::credential_invalid)?;
        match token.standing(now) {
            Standing::Revoked => Err(status::credential_revoked()),
            Standing::Expired => Err(status::credential_expired()),
            Standing::Valid => {
                let left = token.expires_at.map(|end| elapsed(now, end));
                let identity = identity_of(token);
                self.known.keep(text, identity.clone(), left);
                Ok(identity)
            }
        }
    }
}

fn identity_of(token: Token) -> Identity {
    Identity {
        credential: format!("token:{}", token.id).into(),
        grant: Arc::new(token.grant),
    }
}
