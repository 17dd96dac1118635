//! What the scheduler's and the planner's process have in common, and nothing of what they do.
//!
//! How to read it, in the order of a process's life:
//! 1. [`config`]: the flags both binaries take, and how mistakes in them are told all at once.
//! 2. [`telemetry`]: logs, traces and metrics, from the first line to the last flush.
//! 3. [`lifecycle`]: named tasks, and how the process stops.
//! 4. [`grpc_trace`]: carries the trace from a gRPC caller to a gRPC server.
//! 5. [`clock`]: the one place that reads the system's clock and its randomness.
//!
//! Only the two binaries depend on this crate; it knows no store, no engine and no RPC.

pub mod clock;
pub mod config;
pub mod grpc_trace;
pub mod lifecycle;
pub mod telemetry;
