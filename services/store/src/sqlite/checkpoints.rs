//! Moves the log of the file into the file, on a thread and a connection of its own, so that no commit has to wait for it.
//!
//! What has been moved is written over by later commits once a checkpoint has caught up with the last of them. Beside writers
//! that never rest it does not: so the little that a first one leaves is moved while nobody may write.

use std::{
    path::Path,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

use rusqlite::Connection;
use sea_orm::sqlx::SqlitePool;
use tokio::runtime::Handle;

use super::session::connect;
use crate::start::StartError;

/// Asks for checkpoints. The thread ends with the last of these.
#[derive(Clone)]
pub(super) struct Checkpoints(SyncSender<()>);

impl Checkpoints {
    /// `turn` is that of all who write to the file.
    pub fn start(path: &Path, turn: SqlitePool, runtime: Handle) -> Result<Self, StartError> {
        let unreachable = |error: &dyn std::error::Error| StartError::Unreachable(error.to_string());
        let connection = connect(path).map_err(|error| unreachable(&error))?;
        let (ask, asked) = sync_channel(1);
        std::thread::Builder::new()
            .name("baton-sqlite-ck".to_owned())
            .spawn(move || serve(&connection, &asked, &turn, &runtime))
            .map_err(|error| unreachable(&error))?;
        Ok(Self(ask))
    }

    /// One that is asked for already is enough.
    pub fn ask(&self) {
        if let Err(TrySendError::Disconnected(())) = self.0.try_send(()) {
            tracing::error!("nobody moves SQLite's log into its file");
        }
    }
}

fn serve(connection: &Connection, asked: &Receiver<()>, turn: &SqlitePool, runtime: &Handle) {
    // What a turn was goes back to its pool by a task.
    let _runtime = runtime.enter();
    while asked.recv().is_ok() {
        checkpoint(connection);
        // Where it is not to be had, whoever writes is told so.
        if let Ok(_turn) = runtime.block_on(turn.acquire()) {
            checkpoint(connection);
            // What was asked for meanwhile is done.
            asked.try_iter().for_each(drop);
        }
    }
}

/// Moves what no reader keeps.
fn checkpoint(connection: &Connection) {
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
        tracing::warn!(%error, "SQLite's log could not be moved into its file");
    }
}
