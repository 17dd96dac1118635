//! Why a store does not open: told to an operator, who then knows what to do.

use baton_domain::error::StoreError;
use baton_migrations::SchemaState;

/// Why a store does not open.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the database URL must begin with sqlite: or postgres://, and name a file or a database: {0}")]
    Url(String),
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// Only on SQLite: one process serves from a file.
    #[error("{path} is being served by another process (it holds the lock on {path}.lock)")]
    Locked { path: String },
    #[error("the database is behind this program: run `baton-migrations up` (pending: {})", .0.join(", "))]
    Behind(Vec<String>),
    #[error("the database has migrations that this program does not know ({}): it belongs to another version", .0.join(", "))]
    UnknownMigrations(Vec<String>),
    #[error("the database has tables of these names that are not Baton's")]
    OtherSchema,
    #[error("the migrations failed: {0}")]
    Migration(String),
    #[error("TLS to the database cannot be set up: {0}")]
    Tls(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fails unless the schema is this program's.
pub fn require_current(state: SchemaState) -> Result<(), StartError> {
    match state {
        SchemaState::Current => Ok(()),
        SchemaState::Behind(pending) => Err(StartError::Behind(pending)),
        SchemaState::Unknown(steps) => Err(StartError::UnknownMigrations(steps)),
        SchemaState::Foreign => Err(StartError::OtherSchema),
    }
}
