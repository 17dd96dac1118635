//! The domain of Baton: what a job, an endpoint, a run, a hint, a sale and a plan are, and what may happen to them.
pub mod call;
pub mod cron;
pub mod endpoint;
pub mod error;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod governor;
pub mod hint;
pub mod ids;
pub mod job;
pub mod limits;
pub mod plan;
pub mod ports;
pub mod run;
pub mod sale;
pub mod schedule;
pub mod services;
pub mod time;
