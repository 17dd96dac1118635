//! The scheduler process: reads its flags, opens the database, wires engine and API together, and stops on a signal.
//!
//! Exit code 2 means mistakes in the configuration, told one per line; 1 that something could not start or broke while
//! running. Wiring only: `serve` is the whole of it.

mod retention;
mod serve;
mod settings;

use std::process::ExitCode;

use baton_runtime::telemetry;
use clap::{Parser, Subcommand};

use settings::{ServeArgs, Settings};

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
    Serve(ServeArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    // Before anything that builds an HTTP client. An error only means that a provider is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    match Cli::parse().command {
        Command::Serve(args) => serve(&args).await,
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
