//! PostgreSQL, shared by any number of schedulers: their clock, their notifications, and a claim of its own.
//!
//! SeaORM serves the control plane and all reads; tokio-postgres serves what only it does well. A transaction never
//! spans both. Read [`tls`] and [`pool`] for how the second driver connects, [`listen`] for wakes from other processes;
//! for the hot path [`session`] (its transactions), [`columns`] (its rows) and `schedules` (both together), then [`queue`]
//! with `look`, [`claim`], [`floor`], `halves`, `apart` and `finish`, and [`submit`]; [`partitions`] for the history.

mod apart;
pub mod claim;
pub mod columns;
pub mod coming;
mod finish;
pub mod floor;
mod halves;
pub mod listen;
mod look;
mod moving;
mod pace;
pub mod partitions;
pub mod plain;
pub mod pool;
pub mod queue;
mod schedules;
mod seldom;
pub mod session;
pub mod submit;
pub mod tls;

use std::time::Duration;

use baton_migrations::schema_state;
use sea_orm::{
    DatabaseConnection, SqlxPostgresConnector,
    sqlx::postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    postgres::session::Sessions,
    start::{StartError, require_current},
    store::{DbClock, SqlStore},
    wakes::Wakes,
};

/// How long a transaction waits for a connection before the store counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(5);

/// What connections are called in the server's views.
pub(crate) const APPLICATION: &str = "baton-scheduler";

/// Kept by the server, so that a lost client or a stuck one holds nothing for long. A scheduler that is stopped in the
/// middle of a transaction would otherwise keep others from the very runs whose leases it has lost.
pub(crate) const TIMEOUTS: [(&str, &str); 3] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "2s"),
];

/// Connects and refuses a schema that is not this program's.
pub async fn connect(url: &str, clock: DbClock, connections: u32, sessions: Sessions) -> Result<SqlStore, StartError> {
    let db = pool_of(url, connections, sessions).await?;
    let state = schema_state(&db)
        .await
        .map_err(|error| StartError::Unreachable(error.to_string()))?;
    require_current(state)?;
    Ok(SqlStore {
        writer: db.clone(),
        reader: db,
        clock,
        wakes: Wakes::default(),
        settings: (sessions == Sessions::Pooled).then_some(&TIMEOUTS),
        _serving: None,
    })
}

async fn pool_of(url: &str, connections: u32, sessions: Sessions) -> Result<DatabaseConnection, StartError> {
    let options: PgConnectOptions = url
        .parse()
        .map_err(|error: sea_orm::sqlx::Error| StartError::Url(error.to_string()))?;
    let options = options.application_name(APPLICATION);
    // A pooler refuses connections that come with settings; its transactions are told them one by one.
    let options = match sessions {
        Sessions::Own => options.options(TIMEOUTS),
        Sessions::Pooled => options,
    };
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .connect_with(options)
        .await
        .map_err(|error| StartError::Unreachable(error.to_string()))?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}
