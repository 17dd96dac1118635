//! `cargo xtask bench`: builds what is measured as it is released, starts a cluster with PostgreSQL's own durability, and has
//! `baton-bench` measure on it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use baton_bench_options::Wanted;

use crate::postgres::{Binaries, Cluster, Use};
use crate::processes::Processes;
use crate::workspace::Workspace;

/// The benches, and what they start.
const MEASURED: [&str; 6] = [
    "baton-bench",
    "baton-bench-sink",
    "baton-hostile-planner",
    "baton-migrations",
    "baton-planner",
    "baton-scheduler",
];

/// What `baton-bench` ends with, too, when it could not measure. 1 says that a bar was not held.
const NOT_MEASURED: u8 = 2;

/// Measures what is asked for, in a process of `under` if that is not empty. The exit code is that of `baton-bench`.
pub fn run(workspace: &Workspace, processes: &Processes, wanted: &Wanted, under: &str) -> ExitCode {
    measure(workspace, processes, wanted, under).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(NOT_MEASURED)
    })
}

fn measure(workspace: &Workspace, processes: &Processes, wanted: &Wanted, under: &str) -> Result<ExitCode> {
    // Before the build: whoever mistypes a name or lacks PostgreSQL should not wait for it to be told.
    wanted.judge()?;
    let binaries = Binaries::find_or_install(processes)?;
    eprintln!("building the binaries as they are released; the first time takes many minutes");
    processes.run(workspace.build_released(&MEASURED).arg("--quiet"))?;
    let cluster = Cluster::start(&binaries, processes, Use::Measuring)?;
    eprintln!("PostgreSQL: a throw-away cluster, {cluster}");
    let mut command = command(under, workspace.released("baton-bench")?);
    let status = processes.status(command.args(wanted.words()).args(cluster.measuring()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map(ExitCode::from)
        .with_context(|| format!("baton-bench ended with {status}"))
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
