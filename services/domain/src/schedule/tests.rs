//! The schedule aggregate: transitions one by one, then whole lives under random and hostile input. Times are seconds
//! after ten o'clock.

mod account;
mod edits;
mod guardrails;
mod hostile;
mod passed;
mod retries;
mod starvation;
mod traps;
mod world;
