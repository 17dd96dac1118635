//! The planner: watches planning contexts, asks a language model what should run in which order, and submits the answer.
//!
//! How to read it, in the order of one ask:
//! 1. [`watch`]: one stream from the scheduler keeps the latest planning context of every job.
//! 2. [`work`]: decides per job when the model is asked and when a plan's next wave is started.
//! 3. [`ask`]: one ask from BeginPlan to SubmitPlan or FailPlan.
//! 4. [`prompt`]: what the model is shown, as a pure function of the context.
//! 5. [`model`]: how it is asked, and every way in which that fails.
//! 6. [`answer`] and [`check`]: what it may say, and what is wrong with what it said.
//! 7. [`eval`]: how good its answers are, on scenario files.
//! 8. [`replay`]: what a recorded ask gives now.
//! 9. [`circuit`], [`backoff`], [`metrics`], [`settings`]: what keeps it calm, visible and configured.
//!
//! It reaches data by RPC only and keeps nothing that would be missed after a kill: every plan lives in the scheduler.

pub mod alias;
pub mod answer;
pub mod ask;
pub mod backoff;
pub mod check;
pub mod circuit;
pub mod eval;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod replay;
pub mod rpc;
pub mod scale;
pub mod settings;
pub mod watch;
pub mod work;

#[cfg(test)]
mod testing;
