//! Fixtures that other crates reuse: in-memory repositories with the semantics of the SQL ones, a clock that tests set,
//! repeatable chance, and the contract suite that every store must pass.

mod clock;
pub mod contract;
mod memory;
mod wakes;

pub use clock::{SeededChance, TestClock};
pub use memory::{Mark, MemoryStore};
pub use wakes::Wakes;
