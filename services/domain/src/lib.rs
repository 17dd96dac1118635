//! The domain of Baton: what a job, an endpoint, a run, a hint, a sale and a plan are, and what may happen to them.
//!
//! It knows no runtime, no gRPC, no SQL and no HTTP client; time, ids and chance are handed in.
//!
//! How to read it: [`endpoint`], [`hint`] and [`run`] are the things; [`governor`] is the pure function that decides an
//! endpoint's next run; [`schedule`] is the aggregate through which every change of an endpoint goes; [`ports`] is what
//! a store must offer; [`services`] has the use cases, each one transaction over the ports. [`plan`] and [`sale`] are
//! what a planner sees and leaves behind; [`credential`] is who may do what. [`limits`] has every bound and default in one place.

pub mod call;
pub mod credential;
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
