//! Retention: what has been kept long enough goes, in small steps that nobody has to wait for.

use std::time::Duration;

use crate::{
    error::Error,
    limits,
    ports::{Kept, Pruned},
    time::before,
};

use super::Services;

/// Rows of each table that one transaction removes.
const BATCH: usize = 500;

impl Services {
    /// Removes what is older than `retention`, one short transaction after the other, and returns how much it was. What
    /// stands in pieces goes piece by piece and is not counted.
    pub async fn retain(&self, retention: Duration) -> Result<Pruned, Error> {
        let now = self.now().await?;
        let kept = Kept {
            records_from: before(now, retention),
            request_keys_from: before(now, limits::REQUEST_KEYS_KEPT),
        };
        self.store.arrange_history(kept.records_from).await?;
        let mut pruned = Pruned::default();
        loop {
            let mut tx = self.store.begin().await?;
            let step = tx.prune(&kept, BATCH).await?;
            tx.commit().await?;
            if step.total() == 0 {
                return Ok(pruned);
            }
            pruned += step;
        }
    }
}
