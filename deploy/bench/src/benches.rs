//! The benches: where each is done. Which there are is said in `baton-bench-options`.

mod execute;
mod fair;
pub mod growth;
mod herd;
mod hostile;
mod idle;
mod lateness;
mod pinned;
mod planner;
mod real;
mod sqlite;
mod submit;
mod watch;

use anyhow::Result;
pub use baton_bench_options::Bench;

use crate::{figure::Figure, stage::Stage};

/// Measures one.
pub async fn run(bench: Bench, stage: &Stage) -> Result<Vec<Figure>> {
    match bench {
        Bench::SubmitUnary => submit::unary(stage).await,
        Bench::SubmitStream => submit::streamed(stage).await,
        Bench::Execute => execute::execute(stage).await,
        Bench::Reschedule => execute::reschedule(stage).await,
        Bench::Http => real::http(stage).await,
        Bench::Lateness => lateness::run(stage).await,
        Bench::Herd => herd::run(stage).await,
        Bench::Fair => fair::run(stage).await,
        Bench::Hostile => hostile::postgres(stage).await,
        Bench::HostileSqlite => hostile::sqlite(stage).await,
        Bench::Watch => watch::run(stage).await,
        Bench::Planner => planner::run(stage).await,
        Bench::Pinned => pinned::run(stage).await,
        Bench::Growth => growth::run(stage).await,
        Bench::SqliteExecute => sqlite::execute(stage).await,
        Bench::SqliteHttp => sqlite::http(stage).await,
        Bench::Idle => idle::run(stage).await,
    }
}
