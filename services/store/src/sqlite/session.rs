//! The second connection of the process that serves from a file: transactions of the hot path, one after the other
//! on a thread of its own, all statements of each without a way through another task.
//!
//! It writes in turn with the store's own writer: whoever has that connection has the turn. Each of the two reads its pages
//! anew after the other has written.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender},
    },
};

use baton_domain::{
    error::StoreError,
    ports::{StoreResult, Topic},
    time::{Clock, Timestamp, truncate},
};
use rusqlite::{Connection, Transaction, TransactionBehavior, config::DbConfig};
use sea_orm::sqlx::SqlitePool;
use tokio::{runtime::Handle, sync::oneshot};

use super::{BUSY, CACHE_KIB, CHECKPOINT, checkpoints::Checkpoints};
use crate::{
    error::{acquire_error, rusqlite_error},
    start::StartError,
    store::{DbClock, SqlStore},
    tx::unexpected,
    wakes::Wakes,
};

/// Statements that are kept ready: more than the hot path has.
const STATEMENTS: usize = 64;

thread_local! {
    /// Pages in the log as of the last commit of this thread.
    static LOGGED: Cell<u32> = const { Cell::new(0) };
}

/// What is to be done with the connection.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// What the hot path needs of a store.
#[derive(Clone)]
pub struct Hot {
    turn: SqlitePool,
    checkpoints: Checkpoints,
    /// To the connection's thread, which ends with the last of these.
    jobs: Sender<Job>,
    clock: Arc<dyn Clock>,
    wakes: Wakes,
}

impl Hot {
    /// Connects once more to the file that `store` serves from. To be called within a runtime.
    pub fn open(path: &Path, store: &SqlStore) -> Result<Self, StartError> {
        let DbClock::Injected(clock) = &store.clock else {
            return Err(unexpected("SQLite has no clock").into());
        };
        let connection = connect(path).map_err(|error| StartError::Unreachable(error.to_string()))?;
        let turn = store.writer.get_sqlite_connection_pool();
        let runtime = Handle::current();
        let checkpoints = Checkpoints::start(path, turn.clone(), runtime.clone())?;
        let (jobs, sent) = std::sync::mpsc::channel();
        // A thread of its own: those for what may block are shared with look-ups of names, which may hang.
        std::thread::Builder::new()
            .name("baton-sqlite".to_owned())
            .spawn(move || serve(connection, &sent, &runtime))
            .map_err(|error| StartError::Unreachable(error.to_string()))?;
        Ok(Self {
            turn: turn.clone(),
            checkpoints,
            jobs,
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
        let (clock, checkpoints) = (Arc::clone(&self.clock), self.checkpoints.clone());
        let job = move |connection: &mut Connection| {
            let done = transact(connection, TransactionBehavior::Immediate, clock.as_ref(), work);
            // Not once the turn is another's: that may be a checkpoint, after which the log is short.
            if LOGGED.get() >= CHECKPOINT {
                checkpoints.ask();
            }
            drop(turn);
            done
        };
        self.done(job).await
    }

    /// Runs `work` on what has been committed. Takes no turn: nobody who writes elsewhere is waited for.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, Timestamp) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let clock = Arc::clone(&self.clock);
        let job = move |connection: &mut Connection| {
            transact(connection, TransactionBehavior::Deferred, clock.as_ref(), work)
        };
        self.done(job).await
    }

    async fn done<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            // Nobody may wait for it any more.
            let _ = answer.send(job(connection));
        });
        self.jobs.send(job).map_err(|_| away())?;
        answered.await.map_err(|_| away())?
    }

    pub(crate) fn wake(&self, topic: Topic) {
        self.wakes.wake(topic);
    }
}

/// Does one job after the other; one that panics leaves no trace.
fn serve(mut connection: Connection, jobs: &Receiver<Job>, runtime: &Handle) {
    // What a turn was goes back to its pool by a task.
    let _runtime = runtime.enter();
    while let Ok(job) = jobs.recv() {
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            tracing::error!("a transaction on SQLite has panicked");
        }
    }
}

fn transact<T>(
    connection: &mut Connection,
    behavior: TransactionBehavior,
    clock: &dyn Clock,
    work: impl FnOnce(&Transaction<'_>, Timestamp) -> StoreResult<T>,
) -> StoreResult<T> {
    let begun = Transaction::new(connection, behavior);
    let tx = begun.map_err(|error| rusqlite_error(&error))?;
    let done = work(&tx, truncate(clock.now()))?;
    tx.commit().map_err(|error| rusqlite_error(&error))?;
    Ok(done)
}

fn away() -> StoreError {
    unexpected("the connection to SQLite gave no answer")
}

/// With the same settings as the store's own connections, but for checkpoints.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.wal_hook(Some(|_, pages| {
        LOGGED.set(u32::try_from(pages).unwrap_or_default());
        Ok(())
    }));
    // Plans that look at no value stay as they are when another is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}
