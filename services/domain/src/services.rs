//! Use cases: what callers of the API, engines and planners may do, each as one transaction over the ports.
//!
//! Called by `baton-api` (everything but the queue) and `baton-engine` (the queue). Handlers convert and call; the rules
//! are here and in the pure modules beneath. Locks are always taken in the order the ports prescribe.

mod asks;
mod changes;
mod contexts;
mod cooling;
mod endpoints;
mod explanations;
mod gathering;
mod hints;
mod jobs;
mod ledger;
mod modes;
mod outcomes;
mod plans;
mod queue;
mod retention;
mod runs;
mod sales;
mod settlement;
mod submissions;
mod tokens;
mod verdicts;

pub use asks::{check_failure, check_planner};
pub use contexts::{ContextEndpoint, ContextSale, PlanView, PlanningContext};
pub use endpoints::{EndpointDraft, OverlapKind};
pub use explanations::{Explanation, HintFate, HintRecord};
pub use hints::check_hint;
pub use plans::{Answer, Begun, check_answer, check_decision};
pub use queue::{Claim, ClaimedRun, Claims, NextDue, Queue, StoreQueue, renewed_below};
pub use runs::{Purpose, RunRequest, Summaries, check_planned_at};
pub use sales::SaleDraft;
pub use settlement::{Ends, Over, settle};
pub use submissions::{StoreSubmissions, Submission, Submissions};
pub use tokens::Asker;

use std::sync::Arc;

use uuid::Uuid;

use gathering::Gathering;

use crate::{
    error::{Error, Resource},
    ids::{Chance, UserId},
    limits::{self, PlanLimits},
    ports::{Page, RequestKey, Store, Tx},
    time::Timestamp,
};

/// The use cases over one store.
#[derive(Clone)]
pub struct Services {
    store: Arc<dyn Store>,
    chance: Arc<dyn Chance>,
    limits: PlanLimits,
    gathering: Arc<Gathering>,
}

/// One page of results.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    /// The id after which the next page starts; `None` on the last page.
    pub next: Option<Uuid>,
}

/// What makes a repeat of a create or submit recognisable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub method: &'static str,
    /// Empty when the caller sent none.
    pub request_id: String,
    /// SHA-256 of the request without its id, in hex.
    pub digest: String,
}

impl Services {
    pub fn new(store: Arc<dyn Store>, chance: Arc<dyn Chance>, limits: PlanLimits) -> Self {
        let submissions = StoreSubmissions::new(Arc::clone(&store), Arc::clone(&chance));
        Self {
            store,
            chance,
            limits,
            gathering: Arc::new(Gathering::new(Arc::new(submissions))),
        }
    }

    /// The same use cases, with manual runs going another way into the same store.
    #[must_use]
    pub fn with_submissions(self, submissions: Arc<dyn Submissions>) -> Self {
        Self {
            gathering: Arc::new(Gathering::new(submissions)),
            ..self
        }
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The time that decides what is due.
    pub async fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.store.read().await?.now())
    }

    /// What planners are held to.
    pub fn limits(&self) -> &PlanLimits {
        &self.limits
    }
}

/// Stores the request key for a new resource, or answers with the id of the one it stands for already.
async fn claim_request(
    tx: &mut dyn Tx,
    user: &UserId,
    idempotency: &Idempotency,
    resource_id: Uuid,
) -> Result<Option<Uuid>, Error> {
    let Some(key) = request_key(user, idempotency)? else {
        return Ok(None);
    };
    match tx.claim_request(&key, resource_id).await? {
        None => Ok(None),
        Some(stored) if stored.digest == key.digest => Ok(Some(stored.resource_id)),
        Some(_) => Err(Error::RequestIdReused),
    }
}

/// What a request that names an id is known by; `None` when it names none.
fn request_key(user: &UserId, idempotency: &Idempotency) -> Result<Option<RequestKey>, Error> {
    if idempotency.request_id.is_empty() {
        return Ok(None);
    }
    if idempotency.request_id.chars().count() > limits::REQUEST_ID_CHARS {
        let bound = format!("must have at most {} characters", limits::REQUEST_ID_CHARS);
        return Err(Error::invalid("request_id", bound));
    }
    Ok(Some(RequestKey {
        user_id: user.clone(),
        method: idempotency.method,
        request_id: idempotency.request_id.clone(),
        digest: idempotency.digest.clone(),
    }))
}

/// Fails unless the caller's etag, if any, is the current version.
fn check_etag(etag: Option<&str>, version: i64) -> Result<(), Error> {
    match etag {
        Some(etag) if etag != version.to_string() => Err(Error::Aborted {
            reason: "ETAG_MISMATCH",
            message: "the resource has changed since it was read".to_owned(),
            details: vec![("etag", version.to_string())],
        }),
        Some(_) | None => Ok(()),
    }
}

/// The answer when a guarded update hit no row: somebody else wrote in between.
fn lost_update() -> Error {
    Error::Aborted {
        reason: "CONCURRENT_WRITE",
        message: "the resource was written by somebody else at the same time".to_owned(),
        details: Vec::new(),
    }
}

fn found<T>(resource: Resource, value: Option<T>) -> Result<T, Error> {
    value.ok_or(Error::NotFound(resource))
}

/// Asks for one row more than the page, so that the last page is known as such.
fn peek(page: Page) -> Page {
    Page {
        limit: page.limit + 1,
        ..page
    }
}

/// Turns rows fetched with [`peek`] into a listing.
fn listing<T>(rows: Vec<T>, page: Page, id: impl Fn(&T) -> Uuid) -> Listing<T> {
    let mut items = rows;
    let more = items.len() > page.limit;
    items.truncate(page.limit);
    let next = if more { items.last().map(id) } else { None };
    Listing { items, next }
}
