//! `cargo xtask`: every command of the project that is more than one cargo call. Run `cargo xtask --help`.
//!
//! How to read it: one file per command (`test`, `ci`, `demo`, `grpcurl_check`), built on `processes` (children that
//! never outlive us), `workspace` (where things are), `postgres` (a throw-away cluster) and `tools` (pinned tools).
//! It knows the other members by the names of their binaries only, so that it compiles in seconds.

mod ci;
mod cli;
mod demo;
mod grpcurl_check;
mod postgres;
mod processes;
mod scheduler_process;
mod tally;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;

use crate::cli::Command;
use crate::processes::Processes;
use crate::workspace::Workspace;

fn main() -> ExitCode {
    let command = cli::parse();
    let outcome = run(&command);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::locate()?;
    if let Command::Demo { args } = command {
        return Err(demo::replace_this_process(&workspace, args));
    }
    let processes = Processes::start()?;
    let result = match command {
        Command::Test { args } => test::run(&workspace, &processes, args),
        Command::Ci => ci::run(&workspace, &processes),
        Command::GrpcurlCheck => grpcurl_check::run(&workspace, &processes),
        Command::Demo { .. } => unreachable!("handled above"),
    };
    match processes.interrupted_by() {
        Some(signal) => {
            eprintln!("stopped by signal {signal}");
            Ok(ExitCode::from(128 + signal))
        }
        None => result.map(|()| ExitCode::SUCCESS),
    }
}
