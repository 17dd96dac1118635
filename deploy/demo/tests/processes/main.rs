//! The real binaries as processes: started, killed, restarted, and put in front of models that misbehave.
//!
//! `cargo xtask test` builds the binaries first. Waiting is always for something to become visible through the API or in
//! the sink, with a limit.

mod access;
mod answers;
mod configuration;
mod durability;
mod hostile;
mod models;
mod planner;
mod planners;
mod postgres;
mod reaction;
mod replay;
mod stage;
mod traces;
mod watching;
