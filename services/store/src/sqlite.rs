//! SQLite in a file: WAL, one writer, a few readers, migrated at start, served by one process at a time.
//!
//! SeaORM serves the control plane and all reads; rusqlite serves claims and ends of runs, of which there may be many a
//! second. For those read [`session`] (its transactions; `checkpoints` beside them), [`cells`] (its rows) and `schedules` (both
//! together), then [`queue`] and `plain`.

pub mod cells;
mod checkpoints;
mod plain;
pub mod queue;
mod schedules;
pub mod session;

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use baton_domain::time::Clock;
use baton_migrations::{SchemaState, migrate_up, schema_state};
use sea_orm::{
    DatabaseConnection, SqlxSqliteConnector,
    sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    start::{StartError, require_current},
    store::{DbClock, SqlStore},
    wakes::Wakes,
};

/// How long a writer from outside this process, such as a backup, may keep the database locked.
const BUSY: Duration = Duration::from_secs(5);
/// How long a transaction waits for the writer before the store counts as unavailable.
const ACQUIRE: Duration = Duration::from_secs(10);
const READERS: u32 = 4;
/// Pages that a connection keeps in memory, in KiB: what the queue and the newest of the history need. SQLite's own 2 MiB
/// would have it read them again and again.
const CACHE_KIB: u32 = 32 * 1024;
/// Pages in the log after which they are moved into the file. A busy queue writes the same pages again and again; with SQLite's
/// own thousand each of its commits would have them moved. The log takes 32 MiB then, and what is committed meanwhile.
const CHECKPOINT: u32 = 8_192;

/// Opens the file, creating and migrating it as needed, and holds it against other serving processes.
pub async fn connect(path: &Path, clock: Arc<dyn Clock>) -> Result<SqlStore, StartError> {
    let serving = lock(path)?;
    let writer = pool(options(path).create_if_missing(true), 1).await?;
    match state(&writer).await? {
        SchemaState::Behind(_) => migrate(&writer).await?,
        other => require_current(other)?,
    }
    let reader = pool(options(path).read_only(true), READERS).await?;
    Ok(SqlStore {
        writer,
        reader,
        clock: DbClock::Injected(clock),
        wakes: Wakes::default(),
        settings: None,
        _serving: Some(serving),
    })
}

/// Opens the file for reading only, beside whoever serves from it.
pub async fn connect_reader(path: &Path, clock: Arc<dyn Clock>) -> Result<SqlStore, StartError> {
    let reader = pool(options(path).read_only(true), 1).await?;
    require_current(state(&reader).await?)?;
    Ok(beside(reader, clock))
}

/// Opens the file beside whoever serves from it; SQLite lets one of them write at a time. A file that is new or behind is
/// migrated, which nobody may be served from meanwhile. `make` it where there is none.
pub async fn connect_beside(path: &Path, clock: Arc<dyn Clock>, make: bool) -> Result<SqlStore, StartError> {
    let writer = pool(options(path).create_if_missing(make), 1).await?;
    match state(&writer).await? {
        SchemaState::Behind(_) => {
            let _serving = lock(path)?;
            migrate(&writer).await?;
        }
        other => require_current(other)?,
    }
    Ok(beside(writer, clock))
}

fn beside(db: DatabaseConnection, clock: Arc<dyn Clock>) -> SqlStore {
    SqlStore {
        writer: db.clone(),
        reader: db,
        clock: DbClock::Injected(clock),
        wakes: Wakes::default(),
        settings: None,
        _serving: None,
    }
}

async fn state(db: &DatabaseConnection) -> Result<SchemaState, StartError> {
    let state = schema_state(db).await;
    state.map_err(|error| StartError::Unreachable(error.to_string()))
}

async fn migrate(db: &DatabaseConnection) -> Result<(), StartError> {
    let done = migrate_up(db).await;
    done.map_err(|error| StartError::Migration(error.to_string()))
}

/// Takes the lock file beside the database. The lock goes with the process, the file may stay.
fn lock(path: &Path) -> Result<File, StartError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let unreachable = |error: std::io::Error| StartError::Unreachable(format!("{}: {error}", path.display()));
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(PathBuf::from(name))
        .map_err(unreachable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked {
            path: path.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(unreachable(error)),
    }
}

/// Every accepted write is on disk when it is answered.
fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        // What the hot path has not had moved by then, a commit of the control plane does.
        .pragma("wal_autocheckpoint", (2 * CHECKPOINT).to_string())
}

async fn pool(options: SqliteConnectOptions, connections: u32) -> Result<DatabaseConnection, StartError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .idle_timeout(None)
        .max_lifetime(None)
        // The database is in this process.
        .test_before_acquire(false)
        .connect_with(options)
        .await
        .map_err(|error| StartError::Unreachable(error.to_string()))?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}
