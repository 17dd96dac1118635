//! `cargo xtask bench`: builds every binary as it is released, starts a cluster with PostgreSQL's own durability, and has
//! `baton-bench` measure on it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use baton_bench_options::Wanted;

use crate::postgres::{Binaries, Cluster, Use};
use crate::processes::Processes;
use crate::workspace::Workspace;

/// Measures what is asked for, in a process of `under` if that is not empty.
pub fn run(workspace: &Workspace, processes: &Processes, wanted: &Wanted, under: &str) -> Result<()> {
    // Before the build: whoever mistypes a name or lacks PostgreSQL should not wait for it to be told.
    wanted.judge()?;
    let binaries = Binaries::find_or_install(processes)?;
    eprintln!("building the binaries as they are released; the first time takes many minutes");
    processes.run(workspace.build_released().arg("--quiet"))?;
    let cluster = Cluster::start(&binaries, processes, Use::Measuring)?;
    eprintln!("PostgreSQL: a throw-away cluster, {cluster}");
    let mut command = command(under, workspace.released("baton-bench")?);
    processes.run(command.args(wanted.words()).args(cluster.measuring()))
}

fn command(under: &str, program: PathBuf) -> Command {
    let mut words = under.split_whitespace().map(OsString::from).chain([program.into()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_started_by_itself_or_under_another() {
        let line = |under: &str| format!("{:?}", command(under, "/x/baton-bench".into()));
        assert_eq!(line(""), r#""/x/baton-bench""#);
        assert_eq!(
            line("valgrind  --tool=none"),
            r#""valgrind" "--tool=none" "/x/baton-bench""#
        );
    }
}
