//! A throw-away PostgreSQL cluster, for `test`, `faults` and `bench`.
//!
//! `find` looks for the server's programs, `install` gets the distribution's package, `account` says who runs them
//! (PostgreSQL refuses root), `cluster` is the running server and `warden` what stops it.

mod account;
mod cluster;
mod find;
mod install;
mod warden;

pub use cluster::{Cluster, Use};
pub use find::Binaries;
