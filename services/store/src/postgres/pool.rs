//! The pool of tokio-postgres connections for the hot path.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};

use super::tls::Target;
use crate::start::StartError;

/// How long to wait for a connection, be it a free one or a new one.
const WAIT: Duration = Duration::from_secs(5);

/// Connections are made as they are needed.
pub fn open(target: &Target, connections: usize) -> Result<Pool, StartError> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(target.config.clone(), target.tls.clone(), recycling);
    Pool::builder(manager)
        .max_size(connections)
        .timeouts(Timeouts::wait_millis(
            u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX),
        ))
        .create_timeout(Some(WAIT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StartError::Unreachable(error.to_string()))
}
