//! The pool of tokio-postgres connections for the hot path.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};

use super::{
    TIMEOUTS,
    session::{PINNED, Sessions},
    tls::{Target, options_of},
};
use crate::start::StartError;

/// How long to wait for a connection, be it a free one or a new one.
const WAIT: Duration = Duration::from_secs(5);

/// Connections are made as they are needed. Those of its own carry the settings of the hot path.
pub fn open(target: &Target, connections: usize, sessions: Sessions) -> Result<Pool, StartError> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let mut config = target.config.clone();
    if sessions == Sessions::Own {
        config.options(options_of(&[TIMEOUTS.as_slice(), &PINNED].concat()));
    }
    let manager = Manager::from_config(config, target.tls.clone(), recycling);
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
