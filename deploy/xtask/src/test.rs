//! `cargo xtask test`: builds every binary, starts a throw-away PostgreSQL cluster, runs every test, stops the cluster.
//!
//! The cluster goes away whatever happens: on success, failure, panic and signals by `Drop`, on SIGKILL by its warden.
//! Also a step of `cargo xtask ci`.

use std::ffi::{OsStr, OsString};
use std::process::ExitStatus;

use anyhow::{Result, bail, ensure};

use crate::postgres::{Binaries, Cluster, Use};
use crate::processes::Processes;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// Names the server that tests create their own databases on; set by us, or by the caller to use a server of their own.
const DATABASE_URL: &str = "BATON_TEST_DATABASE_URL";

/// Runs the tests that `args` select, all without any.
pub fn run(workspace: &Workspace, processes: &Processes, args: &[OsString]) -> Result<()> {
    let given_server = std::env::var_os(DATABASE_URL).filter(|url| !url.is_empty());
    // Before the build: whoever lacks PostgreSQL should not wait for it to be told.
    let binaries = match &given_server {
        Some(_) => None,
        None => Some(Binaries::find_or_install(processes)?),
    };
    // Process tests start the real binaries and find them beside themselves.
    processes.run(&mut workspace.build_binaries())?;

    let cluster = binaries
        .map(|binaries| Cluster::start(&binaries, processes, Use::Tests))
        .transpose()?;
    let mut command = workspace.cargo(cargo_arguments(args));
    match &cluster {
        Some(cluster) => {
            println!("PostgreSQL: a throw-away cluster, {cluster}");
            command.env(DATABASE_URL, cluster.url());
        }
        None => println!("PostgreSQL: the server in {DATABASE_URL}"),
    }
    let mut tally = Tally::default();
    let status = processes.tee(&mut command, |piece| tally.observe(piece))?;
    drop(cluster);

    ensure!(processes.interrupted_by().is_none(), "stopped before the last test");
    println!("\n{tally}");
    judge(status, &tally, args)
}

/// The whole workspace unless `args` name packages: with `--workspace`, cargo would ignore those.
fn cargo_arguments(args: &[OsString]) -> Vec<OsString> {
    let mut all: Vec<OsString> = vec!["test".into(), "--no-fail-fast".into()];
    if !names_packages(args) {
        all.push("--workspace".into());
    }
    all.extend_from_slice(args);
    all
}

fn names_packages(args: &[OsString]) -> bool {
    let for_cargo = args
        .iter()
        .take_while(|argument| *argument != "--")
        .map(OsString::as_os_str);
    for_cargo.filter_map(OsStr::to_str).any(|argument| {
        matches!(argument, "-p" | "--package") || argument.starts_with("--package=") || is_short_package(argument)
    })
}

fn is_short_package(argument: &str) -> bool {
    argument.starts_with("-p") && !argument.starts_with("--")
}

fn judge(status: ExitStatus, tally: &Tally, args: &[OsString]) -> Result<()> {
    ensure!(tally.failed == 0, "tests failed");
    if !status.success() {
        bail!("cargo test ended with {status} although no test failed: something did not build, or a test binary died");
    }
    ensure!(tally.passed > 0 || !args.is_empty(), "not a single test ran");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_whole_workspace_unless_packages_are_named() {
        assert_eq!(cargo_arguments(&[]), words("test --no-fail-fast --workspace"));
        assert_eq!(
            cargo_arguments(&words("due -- -p")),
            words("test --no-fail-fast --workspace due -- -p")
        );
        for named in [
            "-p baton-store",
            "-pbaton-store",
            "--package baton-store",
            "--package=baton-store",
        ] {
            assert_eq!(
                cargo_arguments(&words(named)),
                words(&format!("test --no-fail-fast {named}"))
            );
        }
    }

    #[test]
    fn only_success_with_tests_is_success() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let tally = |passed: u64, failed: u64| {
            let mut tally = Tally::default();
            tally.observe(format!("test result: ok. {passed} passed; {failed} failed; 0 ignored\n").as_bytes());
            tally
        };
        assert!(judge(exit(0), &tally(3, 0), &[]).is_ok());
        assert!(judge(exit(101), &tally(3, 1), &[]).is_err());
        assert!(
            judge(exit(101), &tally(3, 0), &[]).is_err(),
            "a test binary that died prints no result line"
        );
        assert!(judge(exit(0), &tally(0, 0), &[]).is_err());
        assert!(
            judge(exit(0), &tally(0, 0), &words("no_such_test")).is_ok(),
            "a filter may match nothing"
        );
    }
}
