//! The stores of Baton: SQLite in a file of its own, or PostgreSQL shared by several schedulers.
//!
//! How to read it: [`open()`] is what the scheduler calls; [`store`] has the port [`baton_domain::ports::Store`] over
//! SeaORM, `tx` one unit of work, `repo` its methods by topic, `mapping` and `entity` the rows. Claims and ends of runs, of
//! which there may be thousands a second, have a way of their own on each database: `hot`, `finishing` and `tables` have what
//! both ways share, [`sqlite`] and [`postgres`] what is of one, on rusqlite and tokio-postgres. No rule of scheduling lives
//! here.

mod entity;
mod error;
mod finishing;
mod hot;
mod mapping;
pub mod open;
pub mod postgres;
mod repo;
pub mod sqlite;
mod start;
pub mod store;
mod tables;
mod tx;
mod wakes;

pub use open::{Missing, Opened, Options, open, open_beside, open_reader};
pub use start::StartError;
pub use store::{DbClock, SqlStore};
