//! The demo runner: real scheduler and planner processes, a sink that plays the shop, a model, and a clock.
//!
//! Called by the `baton-demo` binary. It knows the scheduler by gRPC only. Read [`run`] first; its private `play`
//! is the story from the first process to the last expectation. Whatever happens, the processes are stopped at the end.

mod console;
mod model;
mod options;
mod processes;
mod replay;
mod report;
mod setup;
mod timeline;

use std::{future::Future, time::Duration};

use anyhow::Context as _;
use tempfile::TempDir;

pub use options::Options;
pub use report::Report;

use crate::{client::Client, clock::minutes, scenario::Scenario, sink::Sink};
use console::Console;
use model::Model;
use processes::Processes;

/// How a demonstration ended.
#[derive(Debug)]
pub enum Ended {
    /// The sale was replayed and judged.
    Judged(Report),
    /// A signal came first; everything was stopped.
    Interrupted,
}

/// Runs one demonstration and leaves nothing running. Logs and database are kept, and named, unless all went well or
/// `interrupted` came first.
///
/// # Errors
/// When something could not be started, set up or asked. Missed expectations are no error.
pub async fn run(options: &Options, interrupted: impl Future<Output = ()>) -> anyhow::Result<Ended> {
    let scenario = options.scenario()?;
    options.scheduler_bin()?;
    options.planner_bin()?;
    let console = Console::new(options.json);
    let directory = tempfile::Builder::new()
        .prefix("baton-demo-")
        .tempdir()
        .context("temporary directory")?;
    let mut processes = Processes::default();
    let ended = tokio::select! {
        played = play(&scenario, options, &directory, &mut processes, &console) => played.map(Ended::Judged),
        () = interrupted => Ok(Ended::Interrupted),
    };
    processes.stop().await;
    let keep = match &ended {
        Ok(Ended::Judged(report)) => !report.ok,
        Ok(Ended::Interrupted) => false,
        Err(_) => true,
    };
    if keep {
        keep_for_inspection(directory, &console);
    }
    ended
}

fn keep_for_inspection(directory: TempDir, console: &Console) {
    console.line(&format!(
        "\nLogs and database are kept in {}",
        directory.keep().display()
    ));
}

async fn play(
    scenario: &Scenario,
    options: &Options,
    directory: &TempDir,
    processes: &mut Processes,
    console: &Console,
) -> anyhow::Result<Report> {
    let first_phase = scenario.phases.first().context("the scenario has no phase")?;
    let sink = Sink::start(first_phase).await.context("start the sink")?;
    let model = Model::start(options).await?;
    console.line(&banner(scenario, options, &model));

    let address = processes.start_scheduler(options, directory.path()).await?;
    processes.start_planner(options, &address, &model, directory.path())?;
    let scheduler = Client::connect(&address).await?;
    let stage = setup::set_up(scenario, &scheduler, &sink, options.speed).await?;

    let mut watched = replay::replay(&stage, processes, console).await?;
    let account = stage.scheduler.settle(&stage.job_id).await?;
    watched.timeline.show_new(&account.runs, console)?;
    let report = report::judge(&stage, &account, watched)?;
    report.show(scenario, console);
    Ok(report)
}

fn banner(scenario: &Scenario, options: &Options, model: &Model) -> String {
    let wall = Duration::from_secs_f64(scenario.length_s() / options.speed);
    format!(
        "Baton demo: {}\n{}\n\nModel:  {}\nTime:   {} minutes of sale in {:.0} seconds (speed {})\n",
        scenario.name,
        scenario.summary,
        model.label(),
        minutes(scenario.length_s()),
        wall.as_secs_f64(),
        options.speed
    )
}
