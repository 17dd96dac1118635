//! The second connection of the process that serves from a file: transactions of the hot path, each on a thread that may
//! block, all of its statements without a way through another task.
//!
//! It writes in turn with the store's own writer: whoever has that connection has the turn.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use baton_domain::{
    ports::{StoreResult, Topic},
    time::{Clock, Timestamp, truncate},
};
use rusqlite::{Connection, Transaction, TransactionBehavior, config::DbConfig};
use sea_orm::sqlx::SqlitePool;

use super::{BUSY, CACHE_KIB, CHECKPOINT};
use crate::{
    error::{acquire_error, rusqlite_error},
    start::StartError,
    store::{DbClock, SqlStore},
    tx::unexpected,
    wakes::Wakes,
};

/// Statements that are kept ready: more than the hot path has.
const STATEMENTS: usize = 64;

/// What the hot path needs of a store.
#[derive(Clone)]
pub struct Hot {
    turn: SqlitePool,
    connection: Arc<Mutex<Connection>>,
    clock: Arc<dyn Clock>,
    wakes: Wakes,
}

impl Hot {
    /// Connects once more to the file that `store` serves from.
    pub fn open(path: &Path, store: &SqlStore) -> Result<Self, StartError> {
        let DbClock::Injected(clock) = &store.clock else {
            return Err(unexpected("SQLite has no clock").into());
        };
        let connection = connect(path).map_err(|error| StartError::Unreachable(error.to_string()))?;
        Ok(Self {
            turn: store.writer.get_sqlite_connection_pool().clone(),
            connection: Arc::new(Mutex::new(connection)),
            clock: Arc::clone(clock),
            wakes: store.wakes.clone(),
        })
    }

    /// Runs `work` in a transaction at its time, and commits what it did. An error leaves no trace. Whoever no longer waits
    /// for the end does not keep it from coming.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let turn = self.turn.acquire().await.map_err(acquire_error)?;
        let Self { connection, clock, .. } = self.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let begun = Transaction::new(&mut connection, TransactionBehavior::Immediate);
            let tx = begun.map_err(|error| rusqlite_error(&error))?;
            let done = work(&tx, truncate(clock.now()))?;
            tx.commit().map_err(|error| rusqlite_error(&error))?;
            drop(turn);
            Ok(done)
        });
        written.await.map_err(|error| unexpected(error.to_string()))?
    }

    pub(crate) fn wake(&self, topic: Topic) {
        self.wakes.wake(topic);
    }
}

/// With the same settings as the store's own connections.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT)?;
    // Plans that look at no value stay as they are when another is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
