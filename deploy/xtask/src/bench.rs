//! `cargo xtask bench`: builds every binary as it is released, starts a cluster with PostgreSQL's own durability, and has
//! `baton-bench` measure on it.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::postgres::{Binaries, Cluster, Use};
use crate::processes::Processes;
use crate::workspace::Workspace;

/// Passes `args` on: names of benches, `--json`, `--quick` and so on.
pub fn run(workspace: &Workspace, processes: &Processes, args: &[OsString]) -> Result<()> {
    // Before the build: whoever lacks PostgreSQL should not wait for it to be told.
    let binaries = Binaries::find_or_install(processes)?;
    eprintln!("building the binaries as they are released; the first time takes many minutes");
    processes.run(workspace.build_released().arg("--quiet"))?;
    let cluster = Cluster::start(&binaries, processes, Use::Measuring)?;
    eprintln!("PostgreSQL: a throw-away cluster, {cluster}");
    let mut command = Command::new(workspace.released("baton-bench")?);
    processes.run(command.args(args).args(cluster.measuring()))
}
