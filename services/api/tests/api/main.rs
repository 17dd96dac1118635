//! The API as callers see it: the production stack over in-process pipes, on an in-memory store.

mod bad_input;
mod by_path;
mod calls;
mod connections;
mod credentials;
mod endpoint_verbs;
mod endpoints;
mod explain;
mod fuzz;
mod harness;
mod hints;
mod isolation;
mod jobs;
mod many_watches;
mod modes;
mod pages;
mod plans;
mod runs;
mod sales;
mod serving;
mod shop;
mod store;
mod submit_runs;
mod summaries;
mod watch;
mod watch_runs;
