//! `cargo xtask bench`: builds every binary as it is released, starts a cluster with PostgreSQL's own durability, and has
//! `baton-bench` measure on it.

use std::process::Command;

use anyhow::Result;
use baton_bench_options::Wanted;

use crate::postgres::{Binaries, Cluster, Use};
use crate::processes::Processes;
use crate::workspace::Workspace;

/// Measures what is asked for.
pub fn run(workspace: &Workspace, processes: &Processes, wanted: &Wanted) -> Result<()> {
    // Before the build: whoever mistypes a name or lacks PostgreSQL should not wait for it to be told.
    wanted.judge()?;
    let binaries = Binaries::find_or_install(processes)?;
    eprintln!("building the binaries as they are released; the first time takes many minutes");
    processes.run(workspace.build_released().arg("--quiet"))?;
    let cluster = Cluster::start(&binaries, processes, Use::Measuring)?;
    eprintln!("PostgreSQL: a throw-away cluster, {cluster}");
    let mut command = Command::new(workspace.released("baton-bench")?);
    processes.run(command.args(wanted.words()).args(cluster.measuring()))
}
