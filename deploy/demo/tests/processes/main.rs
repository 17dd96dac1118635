//! The real binaries as processes: started, killed, restarted, and put in front of models that misbehave.
//!
//! `cargo xtask test` builds the binaries first. Waiting is always for something to become visible through the API or in
//! the sink, with a limit.

mod access;
mod configuration;
mod durability;
mod models;
mod planner;
mod postgres;
mod replay;
mod stage;
mod traces;
mod watching;
