//! Doubles for the tests of this crate: contexts, a scheduler without a network, and models that say what they are told.

pub(crate) mod contexts;
pub(crate) mod models;
pub(crate) mod scheduler;

use baton_domain::ids::Chance;

/// Randomness that is always nought: every jittered pause is its shortest.
pub(crate) struct NoChance;

impl Chance for NoChance {
    fn bits(&self) -> u128 {
        0
    }
}
