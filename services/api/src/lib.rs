//! The gRPC server of the scheduler: what callers of `baton.v1` may send and what they are answered.
//!
//! The scheduler's binary builds one [`Server`] over the use cases and serves it; nothing else depends on this crate. It
//! knows the domain's use cases and the generated messages, and no store, engine or clock.
//!
//! How to read it:
//! 1. `handlers`: one file a service, each RPC as convert, call, convert.
//! 2. `convert`: messages to domain values and back; everything that is wrong with a request is collected there.
//! 3. [`status`]: the one place that turns an error into a gRPC status.
//! 4. `watch`: the stream of planning contexts; `feed`: changes of runs, and the streams that tell of them; `intake`:
//!    streams of runs into the queue.
//! 5. `caller`: who calls and what they may; `pace`: how much of the time planners may take.
//! 6. `layers`: what happens around every call, and [`server`]: how the layers stack and how serving starts and ends.

mod backoff;
mod caller;
mod convert;
mod feed;
mod handlers;
mod health;
mod intake;
mod layers;
mod pace;
mod reflection;
pub mod server;
pub mod status;
mod trace;
mod watch;

pub use caller::{Authentication, CertificateNames};
pub use feed::FeedOptions;
pub use server::{ClientCa, Options, ServeError, Server, Tls};
