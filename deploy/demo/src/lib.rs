//! The demonstration: a shop's flash sale, compressed in time, with the real scheduler and the real planner.
//!
//! Read in this order: [`scenario`] (what will happen), [`sink`] (the shop that is called), [`scripted`] (the stand-in
//! for a language model), [`runner`] (starts everything and replays the sale), [`expectations`] (what must have
//! happened). [`hostile`] is a planner that means harm, for tests and benches. Nothing here is part of the product: the
//! scheduler and the planner are separate processes, reached over gRPC.

pub mod client;
pub mod clock;
pub mod definitions;
pub mod expectations;
pub mod hostile;
mod local_server;
pub mod runner;
pub mod scenario;
pub mod scripted;
pub mod sink;
