//! Waits between tries while the database is away: what every open watch does.

use std::time::Duration;

use baton_domain::error::{Error, StoreError};
use tokio::time::sleep;

const FIRST: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_secs(5);

/// Doubles with each wait.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.0 = FIRST;
    }

    pub(crate) async fn wait(&mut self, error: &Error, what: &str) {
        tracing::debug!(%error, wait = ?self.0, "{what} cannot be read, trying again");
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(LAST);
    }
}

/// True for what ends by itself.
pub(crate) fn is_passing(error: &Error) -> bool {
    match error {
        Error::Store(StoreError::Unavailable(_) | StoreError::Conflict(_)) => true,
        Error::Store(StoreError::Broken(_))
        | Error::Invalid(_)
        | Error::NotFound(_)
        | Error::Precondition { .. }
        | Error::Aborted { .. }
        | Error::Exhausted { .. }
        | Error::RequestIdReused => false,
    }
}
