//! The planner process: reads its flags, wires the library to the scheduler and the model, and stops on a signal.
//!
//! Exit code 2 means mistakes in the configuration or in scenario files, told one per line; 1 that something broke while
//! running, or that a model to be scored gave no answer at all.

use std::{process::ExitCode, sync::Arc, time::Duration};

use baton_domain::ids::Chance as _;
use baton_planner::{
    eval::{self, options::EvalArgs},
    metrics::Metrics,
    model::{Model, openai::OpenAiModel},
    replay::{self, options::ReplayArgs},
    rpc::Scheduler,
    settings::{RunArgs, Settings},
    work::Planner,
};
use baton_proto::v1::GetPlanRequest;
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
    /// Scores the order quality of answers on scenario files. Without --model only scripted ones are scored.
    ///
    /// Exit code 0: scored, whatever the scores; 1: the model gave no answer at all; 2: mistakes in flags or files.
    Eval(EvalArgs),
    /// Checks the answer on record of a plan again, and with --ask asks a model again with the very same prompt.
    ///
    /// The prompt is rebuilt within --max-prompt-chars: as the planner had it that asked. Exit code 0: the verdict is identical, or there is nothing to compare; 1: it is different, the plan could not be
    /// read, or it was to be asked again and could not; 2: mistakes in flags.
    Replay(ReplayArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    // Before anything that builds an HTTP client. An error only means that a provider is installed already.
    rustls::crypto::ring::default_provider().install_default().ok();
    match Cli::parse().command {
        Command::Run(args) => run(&args).await,
        Command::Eval(args) => evaluate(&args).await,
        Command::Replay(args) => replay(&args).await,
    }
}

async fn evaluate(args: &EvalArgs) -> ExitCode {
    let options = eval::options::Options::judge(args, |name| std::env::var(name).ok());
    let cases = eval::case::load(&args.paths);
    let (options, cases) = match (options, cases) {
        (Ok(options), Ok(cases)) => (options, cases),
        (options, cases) => {
            options.err().iter().for_each(|mistakes| eprintln!("{mistakes}"));
            cases.err().iter().flatten().for_each(|mistake| eprintln!("{mistake}"));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let model = match options.model.map(OpenAiModel::new).transpose() {
        Ok(model) => model.map(|model| Arc::new(model) as Arc<dyn Model>),
        Err(error) => {
            eprintln!("model: {error}");
            return ExitCode::from(EXIT_FAILURE);
        }
    };
    let evaluation = eval::evaluate(&cases, model, &options.rules).await;
    if args.json {
        println!("{}", serde_json::json!(evaluation));
    } else {
        print!("{}", eval::report::text(&evaluation));
    }
    if evaluation.is_model_silent() {
        eprintln!("the model gave no answer at all");
        return ExitCode::from(EXIT_FAILURE);
    }
    ExitCode::SUCCESS
}

async fn replay(args: &ReplayArgs) -> ExitCode {
    match replay::options::Options::judge(args, |name| std::env::var(name).ok()) {
        Ok(options) => told(replay_with(options, args).await),
        Err(mistakes) => {
            eprintln!("{mistakes}");
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

/// Whether the record stands.
async fn replay_with(options: replay::options::Options, args: &ReplayArgs) -> anyhow::Result<bool> {
    let scheduler = Scheduler::new(
        options.scheduler.attempts(1).lazily()?.transport(),
        Arc::new(SystemChance),
    );
    let plan = scheduler
        .get(GetPlanRequest {
            id: args.plan_id.clone(),
        })
        .await;
    let plan = plan.map_err(|status| anyhow::anyhow!("{}: {}", status.code(), status.message()))?;
    let recorded_model = plan.call.as_ref().map_or("", |call| &call.model);
    let again = options.again.map(|again| again.config(recorded_model));
    let model = again.map(OpenAiModel::new).transpose()?;
    let rules = replay::Rules {
        request_timeout: options.request_timeout,
        max_prompt_chars: options.max_prompt_chars,
    };
    let found = replay::replay(&plan, model.as_ref().map(|model| model as &dyn Model), rules).await;
    if args.json {
        println!("{}", serde_json::json!(found));
    } else {
        print!("{}", found.text());
    }
    Ok(!found.is_failed(args.ask))
}

fn told(outcome: anyhow::Result<bool>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FAILURE),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(EXIT_FAILURE)
        }
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
