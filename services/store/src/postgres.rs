//! PostgreSQL, shared by any number of schedulers: their clock, their notifications, and a claim of its own.
//!
//! SeaORM serves the control plane and all reads; tokio-postgres serves what only it does well. A transaction never
//! spans both. Read [`tls`] and [`pool`] for how the second driver connects, [`listen`] for wakes from other processes,
//! [`claim`] and [`queue`] for the hot path, [`partitions`] for the history.

pub mod claim;
pub mod listen;
pub mod partitions;
pub mod pool;
pub mod queue;
pub mod tls;

use std::time::Duration;

use baton_migrations::schema_state;
use sea_orm::{
    DatabaseConnection, SqlxPostgresConnector,
    sqlx::postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    start::{StartError, require_current},
    store::{DbClock, SqlStore},
    wakes::Wakes,
};

/// How long a transaction waits for a connection before the store counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Kept by the server, so that a lost client or a stuck one holds nothing for long.
pub(crate) const SESSION: [(&str, &str); 4] = [
    ("application_name", "baton-scheduler"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
];

/// Connects and refuses a schema that is not this program's.
pub async fn connect(url: &str, clock: DbClock, connections: u32) -> Result<SqlStore, StartError> {
    let db = pool_of(url, connections).await?;
    let state = schema_state(&db)
        .await
        .map_err(|error| StartError::Unreachable(error.to_string()))?;
    require_current(state)?;
    Ok(SqlStore {
        writer: db.clone(),
        reader: db,
        clock,
        wakes: Wakes::default(),
        _serving: None,
    })
}

async fn pool_of(url: &str, connections: u32) -> Result<DatabaseConnection, StartError> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|error: sea_orm::sqlx::Error| StartError::Url(error.to_string()))?;
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .connect_with(options.options(SESSION))
        .await
        .map_err(|error| StartError::Unreachable(error.to_string()))?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}
