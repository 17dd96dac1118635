//! The planner process: reads its flags, wires the library to the scheduler and the model, and stops on a signal.
//!
//! Exit code 2 means mistakes in the configuration, told one per line; 1 that something broke while running.

use std::{process::ExitCode, sync::Arc, time::Duration};

use baton_domain::ids::Chance as _;
use baton_planner::{
    metrics::Metrics,
    model::openai::OpenAiModel,
    rpc::Scheduler,
    settings::{RunArgs, Settings},
    work::Planner,
};
use baton_runtime::{clock::SystemChance, grpc_trace::GrpcClientTrace, lifecycle::Lifecycle, telemetry};
use clap::{Parser, Subcommand};
use tower::Layer as _;

/// What running asks get to put on record that they were given up.
const STOP_GRACE: Duration = Duration::from_secs(5);
const EXIT_FAILURE: u8 = 1;
const EXIT_CONFIG: u8 = 2;

/// Asks a language model what a job scheduler should run, in which order, and submits the answer.
#[derive(Debug, Parser)]
#[command(name = "baton-planner", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Watches the scheduler's planning contexts and plans until it is stopped.
    Run(RunArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    // Before anything that builds an HTTP client. An error only means that a provider is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    match Cli::parse().command {
        Command::Run(args) => run(&args).await,
    }
}

async fn run(args: &RunArgs) -> ExitCode {
    let default_name = format!("planner-{:016x}", SystemChance.bits() >> 64);
    let settings = match Settings::judge(args, |name| std::env::var(name).ok(), &default_name) {
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
    let outcome = plan(settings).await;
    if let Err(error) = &outcome {
        tracing::error!(error = format!("{error:#}"), "the planner failed");
    }
    telemetry.shutdown().await;
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(EXIT_FAILURE)
    }
}

async fn plan(settings: Settings) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::with_signals()?;
    let chance = Arc::new(SystemChance);
    let url = settings.scheduler.url().to_owned();
    // Which calls are repeated, and for how long, is up to the planner.
    let connection = settings.scheduler.attempts(1).lazily()?;
    let planner = Planner {
        scheduler: Scheduler::new(GrpcClientTrace.layer(connection.transport()), chance.clone()),
        model: Arc::new(OpenAiModel::new(settings.model)?),
        chance,
        metrics: Metrics::default(),
        settings: settings.work,
    };
    tracing::info!(
        name = planner.settings.ask.planner,
        scheduler = url,
        model = planner.model.name(),
        "planning"
    );
    lifecycle.spawn("planner", planner.run(lifecycle.soft_stop()));
    lifecycle.run_until_stopped(STOP_GRACE).await
}
