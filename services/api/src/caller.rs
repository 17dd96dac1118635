//! Who calls, and what they may: the only place that decides it.
//!
//! [`Guard`] is asked by the layer in [`crate::layers`] before anything of a message is looked at; it puts a [`Caller`]
//! into the extensions of the request. Handlers take it from there, and never from a body. [`access`] says which call
//! needs which scope, `authority` whom a credential stands for, `certificates` what client certificates are mapped to.

pub(crate) mod access;
mod authority;
mod certificates;
mod guard;
mod known;

pub use certificates::CertificateNames;
pub(crate) use guard::{Guard, Presented};

use std::sync::Arc;

use baton_domain::{
    credential::{Grant, Reach, Scope},
    error::Error,
    ids::{JobId, PlanId, UserId},
    services::{Asker, Services},
};
use tonic::Status;

use crate::status;
use access::Access;

/// Whether callers must prove who they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Authentication {
    /// Everybody is the user `local` and may do everything: on loopback addresses only.
    #[default]
    None,
    /// An API token, or a client certificate with one of these names.
    Required { certificates: CertificateNames },
}

/// Who is behind a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub grant: Arc<Grant>,
    /// Which credential, for records: `token:ID`, `certificate:NAME` or `nobody`.
    pub credential: Arc<str>,
    /// Path of the RPC.
    pub method: Arc<str>,
    /// Whose RPC it is.
    pub access: Access,
}

impl Caller {
    /// The one user whose data this is about; only planners may have several, and they are asked by job or plan.
    pub fn user(&self) -> Result<UserId, Status> {
        self.grant.reach().sole().cloned().ok_or_else(status::no_single_user)
    }

    pub fn reach(&self) -> &Reach {
        self.grant.reach()
    }

    /// True for what only planners do, and for all that a planner's credential is used for.
    pub fn acts_as_planner(&self) -> bool {
        self.access == Access::Planner || self.is_planners()
    }

    /// Whose job it is, if this caller reaches it.
    pub async fn owner_of_job(&self, services: &Services, id: JobId) -> Result<UserId, Error> {
        match self.person() {
            Some(user) => Ok(user),
            None => services.owner_of_job(&self.asker(), id).await,
        }
    }

    /// Whose plan it is, if this caller reaches it.
    pub async fn owner_of_plan(&self, services: &Services, id: PlanId) -> Result<UserId, Error> {
        match self.person() {
            Some(user) => Ok(user),
            None => services.owner_of_plan(&self.asker(), id).await,
        }
    }

    /// The user, unless the credential is a planner's: then attempts beyond its users are kept.
    fn person(&self) -> Option<UserId> {
        self.grant.reach().sole().filter(|_| !self.is_planners()).cloned()
    }

    fn is_planners(&self) -> bool {
        self.grant.scopes().iter().all(|scope| *scope == Scope::Planner)
    }

    fn asker(&self) -> Asker<'_> {
        Asker {
            credential: &self.credential,
            method: &self.method,
            reach: self.grant.reach(),
        }
    }
}

/// Takes the caller and the message out of a request.
pub(crate) fn open<T>(request: tonic::Request<T>) -> Result<(Caller, T), Status> {
    let caller = request.extensions().get::<Caller>();
    let caller = caller.cloned().ok_or_else(status::unauthenticated)?;
    Ok((caller, request.into_inner()))
}
