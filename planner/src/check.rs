//! Whether an answer may be submitted: a pure function of the answer's text and the context that the model saw.
//!
//! Called by [`crate::ask`], later by replay and eval. It tells all violations at once, so that one repair round can mend
//! them. What the scheduler decides step by step (cooldown, pause, budget) is left to the scheduler.

mod convert;
mod frame;
mod rules;
mod violation;

pub use convert::Proposal;
pub use frame::{Bounds, Frame};
pub use violation::{Rejection, Verdict, Violation};

use crate::answer;

/// What the answer asks for, ready for SubmitPlan.
///
/// # Errors
/// Everything that is wrong with the answer.
pub fn check(text: &str, frame: &Frame<'_>) -> Result<Proposal, Rejection> {
    let answer = answer::read(text).map_err(Rejection::new)?;
    let violations = rules::violations(&answer, frame);
    if violations.is_empty() {
        Ok(convert::proposal(&answer, frame))
    } else {
        Err(Rejection::new(violations))
    }
}

#[cfg(test)]
mod tests;
