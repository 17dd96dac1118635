//! The outbound HTTP call: one request, one deadline, one outcome.
//!
//! Implements the domain's port [`Dispatcher`](baton_domain::call::Dispatcher). The scheduler binary creates one
//! [`HttpDispatcher`] and hands it to the engine; nothing else knows this crate. It decides how a call is made and whom
//! it may reach, never when, how often, or what its outcome means.
//!
//! How to read it:
//! 1. [`policy`]: which addresses may be called. Pure.
//! 2. `resolver`: name resolution that keeps only those.
//! 3. `request`: from the stored request to the one that is sent. Pure.
//! 4. [`signing`]: how receivers tell that it is ours. Pure.
//! 5. `exchange`: sending it and reading the capped response.
//! 6. `failure`, `retry_after`, `trace`: what is made of errors, of `Retry-After`, and of the current span.
//! 7. [`dispatcher`]: the port, and the deadline over all of it.

pub mod dispatcher;
mod exchange;
mod failure;
pub mod policy;
mod request;
mod resolver;
mod retry_after;
pub mod signing;
mod trace;

pub use self::{
    dispatcher::{Error, HttpDispatcher},
    policy::EgressPolicy,
    signing::Signer,
};
