//! What a use case can answer instead of a result.
//!
//! Every variant carries what a caller needs to act; the API maps it to a gRPC status in one place. Not-found is an
//! `Option` at the ports and becomes an error only here.

use std::time::Duration;

/// One thing wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `endpoint.retry.max_attempts`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

/// Collects every violation of a request before any is reported.
#[derive(Debug, Default)]
pub struct Violations(Vec<Violation>);

impl Violations {
    pub fn push(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.0.push(Violation {
            field: field.into(),
            description: description.into(),
        });
    }

    /// Adds a violation unless `holds`.
    pub fn check(&mut self, holds: bool, field: &str, description: impl Into<String>) {
        if !holds {
            self.push(field, description);
        }
    }

    /// Adds violations that were found elsewhere.
    pub fn extend(&mut self, found: impl IntoIterator<Item = Violation>) {
        self.0.extend(found);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Err` with all violations when there are any.
    pub fn into_result(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.0))
        }
    }

    pub fn into_vec(self) -> Vec<Violation> {
        self.0
    }
}

/// What could not be found, or belongs to somebody else: the answer is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    Job,
    Endpoint,
    Run,
    FlashSale,
    Plan,
    Token,
}

impl Resource {
    /// Lower-case name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Endpoint => "endpoint",
            Self::Run => "run",
            Self::FlashSale => "flash sale",
            Self::Plan => "plan",
            Self::Token => "token",
        }
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request breaks the stated bounds; nothing was written.
    #[error("the request has {} violation(s)", .0.len())]
    Invalid(Vec<Violation>),
    #[error("{} not found", .0.name())]
    NotFound(Resource),
    /// The resource is in a state that does not allow this.
    #[error("{message}")]
    Precondition { reason: &'static str, message: String },
    /// Somebody else was first; read again and decide anew. `details` has the current values by name.
    #[error("{message}")]
    Aborted {
        reason: &'static str,
        message: String,
        details: Vec<(&'static str, String)>,
    },
    /// A budget is used up.
    #[error("{message}")]
    Exhausted {
        reason: &'static str,
        message: String,
        retry_after: Duration,
    },
    /// A request id came again with another body.
    #[error("request_id was used before with a different request")]
    RequestIdReused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// A single violation.
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation {
            field: field.into(),
            description: description.into(),
        }])
    }
}

/// What a store can fail with. Messages are for operators, not for callers.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is shutting down or timed out: trying again later makes sense.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// A concurrent transaction won (deadlock, serialization, uniqueness): trying again now makes sense.
    #[error("database conflict: {0}")]
    Conflict(String),
    /// Stored data that cannot be read back, or an error that should not happen.
    #[error("database error: {0}")]
    Broken(String),
}
