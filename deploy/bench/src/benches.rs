//! The benches: which there are, what each does, and where it is done.

mod execute;
mod fair;
mod herd;
mod hostile;
mod idle;
mod lateness;
mod real;
mod sqlite;
mod submit;

use anyhow::Result;

use crate::{figure::Figure, options::Asked, stage::Stage};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bench {
    SubmitUnary,
    Execute,
    Reschedule,
    Http,
    Lateness,
    Herd,
    Fair,
    Hostile,
    HostileSqlite,
    SqliteExecute,
    SqliteHttp,
    Idle,
}

impl Bench {
    /// In the order of `all`.
    pub const ALL: &'static [Self] = &[
        Self::SubmitUnary,
        Self::Execute,
        Self::Reschedule,
        Self::Http,
        Self::Lateness,
        Self::Herd,
        Self::Fair,
        Self::Hostile,
        Self::HostileSqlite,
        Self::SqliteExecute,
        Self::SqliteHttp,
        Self::Idle,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::SubmitUnary => "submit-unary",
            Self::Execute => "execute",
            Self::Reschedule => "reschedule",
            Self::Http => "http",
            Self::Lateness => "lateness",
            Self::Herd => "herd",
            Self::Fair => "fair",
            Self::Hostile => "hostile",
            Self::HostileSqlite => "hostile-sqlite",
            Self::SqliteExecute => "sqlite-execute",
            Self::SqliteHttp => "sqlite-http",
            Self::Idle => "idle",
        }
    }

    /// One line for whoever watches.
    pub fn describe(self) -> &'static str {
        match self {
            Self::SubmitUnary => "64 callers of SubmitRun over gRPC, each answer after its commit",
            Self::Execute => "submitted runs that are due, claim to finish, a dispatcher that does nothing",
            Self::Reschedule => "cadence runs that are due, claim to finish, the next one planned, the same dispatcher",
            Self::Http => "submitted runs that are due, each called over HTTP in another process",
            Self::Lateness => "runs planned evenly over time: how long after its planned time each call arrives",
            Self::Herd => "ten thousand endpoints due at one instant, over HTTP",
            Self::Fair => "nine users' lateness while a tenth has nine tenths of the due work",
            Self::Hostile => "how late cadence runs come beside a planner that sends ten thousand plans of chance",
            Self::HostileSqlite => "as `hostile`, on a SQLite file",
            Self::SqliteExecute => "as `execute`, on a SQLite file",
            Self::SqliteHttp => "as `http`, on a SQLite file; and `http` beside it",
            Self::Idle => "memory, CPU, queries and start of a scheduler with much scheduled and nothing due",
        }
    }

    /// Why it is not run, if so.
    pub fn left_out(self, _asked: &Asked) -> Option<&'static str> {
        None
    }

    pub async fn run(self, stage: &Stage) -> Result<Vec<Figure>> {
        match self {
            Self::SubmitUnary => submit::unary(stage).await,
            Self::Execute => execute::execute(stage).await,
            Self::Reschedule => execute::reschedule(stage).await,
            Self::Http => real::http(stage).await,
            Self::Lateness => lateness::run(stage).await,
            Self::Herd => herd::run(stage).await,
            Self::Fair => fair::run(stage).await,
            Self::Hostile => hostile::postgres(stage).await,
            Self::HostileSqlite => hostile::sqlite(stage).await,
            Self::SqliteExecute => sqlite::execute(stage).await,
            Self::SqliteHttp => sqlite::http(stage).await,
            Self::Idle => idle::run(stage).await,
        }
    }
}
