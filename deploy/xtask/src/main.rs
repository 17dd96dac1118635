//! `cargo xtask`: every command of the project that is more than one cargo call. Run `cargo xtask --help`.
//!
//! How to read it: one file per command (`test`, `ci`, `demo`, `faults`, `bench`, `clients`, `cookbook`, `grpcurl_check`),
//! built on `processes` (children that never outlive us), `workspace` (where things are), `postgres` (a throw-away cluster)
//! and `tools` (pinned tools). It knows the other members by the names of their binaries only, and
//! what a bench can be asked for, so that it compiles in seconds.

mod bench;
mod ci;
mod cli;
mod clients;
mod cookbook;
mod demo;
mod faults;
mod grpcurl_check;
mod listening_process;
mod postgres;
mod processes;
mod scheduler;
mod tally;
mod test;
mod tools;
mod workspace;

use std::process::{ExitCode, Termination};

use crate::cli::Command;
use crate::processes::Processes;
use crate::workspace::Workspace;

fn main() -> ExitCode {
    match run(&cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::locate()?;
    match command {
        Command::Demo { args } => demo::replace_this_process(&workspace, args),
        Command::Test { args } => interruptible(|processes| test::run(&workspace, processes, args)),
        Command::Ci { only } => interruptible(|processes| ci::run(&workspace, processes, only.as_deref())),
        Command::Faults { names, json } => interruptible(|processes| faults::run(&workspace, processes, names, *json)),
        Command::Bench { wanted, under } => {
            interruptible(|processes| Ok(bench::run(&workspace, processes, wanted, under)))
        }
        Command::Clients => interruptible(|processes| clients::run(&workspace, processes)),
        Command::Cookbook => interruptible(|processes| cookbook::run(&workspace, processes)),
        Command::GrpcurlCheck => interruptible(|processes| grpcurl_check::run(&workspace, processes)),
    }
}

/// Runs a command whose children end with it. After a signal the exit code is the shell's: 128 + signal.
fn interruptible<T: Termination>(command: impl FnOnce(&Processes) -> anyhow::Result<T>) -> anyhow::Result<ExitCode> {
    let processes = Processes::start()?;
    let result = command(&processes);
    match processes.interrupted_by() {
        Some(signal) => {
            eprintln!("stopped by signal {signal}");
            Ok(ExitCode::from(128 + signal))
        }
        None => result.map(T::report),
    }
}
