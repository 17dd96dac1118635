//! `cargo xtask faults`: builds every binary, starts a cluster to break, and has `baton-faults` break it.
//!
//! The short ones are a step of `cargo xtask ci`.

use std::process::Command;

use anyhow::Result;

use crate::postgres::{Binaries, Cluster, Use};
use crate::processes::Processes;
use crate::workspace::Workspace;

/// Injects the faults of these names: `all`, `quick` or single ones.
pub fn run(workspace: &Workspace, processes: &Processes, names: &[String], json: bool) -> Result<()> {
    let binaries = Binaries::find_or_install(processes)?;
    processes.run(workspace.build_binaries().arg("--quiet"))?;
    let cluster = Cluster::start(&binaries, processes, Use::Tests)?;
    eprintln!("PostgreSQL: a throw-away cluster, {cluster}");
    let mut command = Command::new(workspace.binary("baton-faults")?);
    command.args(names).args(cluster.control());
    if json {
        command.arg("--json");
    }
    processes.run(&mut command)
}

/// The step of `cargo xtask ci`.
pub fn quick(workspace: &Workspace, processes: &Processes) -> Result<()> {
    run(workspace, processes, &["quick".to_owned()], false)
}
