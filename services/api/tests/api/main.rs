//! The API as callers see it: the production stack over in-process pipes, on an in-memory store.

mod calls;
mod credentials;
mod endpoint_verbs;
mod endpoints;
mod fuzz;
mod harness;
mod hints;
mod isolation;
mod jobs;
mod pages;
mod plans;
mod runs;
mod sales;
mod serving;
mod store;
mod watch;
