//! The scheduler process: reads its flags, opens the database, wires engine and API together, and stops on a signal.
//!
//! Exit code 2 means mistakes in the configuration, told one per line; 1 that something could not start or broke while
//! running. Wiring only, but for the audit, which nobody else may depend on.

mod audit;
mod reading;
mod retention;
mod serve;
mod settings;
mod tokens;
mod why;

use std::process::ExitCode;

use baton_runtime::telemetry;
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;

use reading::{AuditArgs, WhyArgs, run_audit, run_why};
use settings::{ServeArgs, Settings};
use tokens::{TokenCommand, run_token};

/// Rows are made by one thread and dropped by another, many and small.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const EXIT_FAILURE: u8 = 1;
const EXIT_CONFIG: u8 = 2;

/// A job scheduler whose order of execution a language model may decide, within bounds that it cannot break.
#[derive(Debug, Parser)]
#[command(name = "baton-scheduler", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the gRPC API and runs what is due until it is stopped.
    Serve(Box<ServeArgs>),
    /// Checks that every cadence time that came due is accounted for; exit code 1 when something is found.
    Audit(AuditArgs),
    /// Says what became of one time of one endpoint.
    Why(WhyArgs),
    /// Makes, lists and revokes the credentials of callers.
    #[command(subcommand)]
    Token(TokenCommand),
}

#[tokio::main]
async fn main() -> ExitCode {
    // Before anything that builds an HTTP client. An error only means that a provider is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    match Cli::parse().command {
        Command::Serve(args) => serve(&args).await,
        Command::Audit(args) => run_audit(&args).await,
        Command::Why(args) => run_why(&args).await,
        Command::Token(command) => run_token(&command).await,
    }
}

async fn serve(args: &ServeArgs) -> ExitCode {
    let settings = match Settings::judge(args) {
        Ok(settings) => settings,
        Err(mistakes) => {
            eprintln!("{mistakes}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let telemetry = match telemetry::init(&settings.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("telemetry: {error:#}");
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let outcome = serve::serve(settings).await;
    if let Err(error) = &outcome {
        eprintln!("baton-scheduler: {error:#}");
    }
    telemetry.shutdown().await;
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILURE)
    }
}
