//! The change feed of runs, as watches read it.

use crate::{
    error::Error,
    ports::{ChangeCursor, ChangeQuery, Changes, Feed},
};

use super::Services;

impl Services {
    /// The place beyond everything that is final by now.
    pub async fn change_head(&self) -> Result<ChangeCursor, Error> {
        Ok(self.store.read().await?.change_head().await?)
    }

    /// A stretch of the feed.
    pub async fn read_changes(&self, query: &ChangeQuery) -> Result<Changes, Error> {
        let refused = |reason, message: &str| Error::Precondition {
            reason,
            message: message.to_owned(),
        };
        match self.store.read().await?.read_changes(query).await? {
            Feed::Changes(changes) => Ok(changes),
            Feed::Dropped => Err(refused("CURSOR_EXPIRED", "changes after the cursor are no longer kept")),
            Feed::Ahead => Err(refused(
                "CURSOR_AHEAD",
                "the cursor is ahead of everything in this database",
            )),
        }
    }
}
