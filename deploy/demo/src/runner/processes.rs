//! The scheduler and planner processes, and their end.
//!
//! [`Processes::stop`] asks them to end, waits, and kills what is left. A panic or a dropped future kills them at once.

use std::{
    fs::File,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{Options, model::Model};

/// How long the scheduler may take until it serves.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a process may take to end when asked.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// What the scheduler's one line on stdout starts with.
const LISTENING: &str = "listening on ";

/// The processes that were started.
#[derive(Debug, Default)]
pub(super) struct Processes {
    scheduler: Option<Running>,
    planner: Option<Running>,
}

/// A process, killed when dropped. The open end of its stdout is kept so that it can always write there.
#[derive(Debug)]
struct Running {
    child: Child,
    _stdout: Option<Lines<BufReader<ChildStdout>>>,
}

impl Processes {
    /// Starts the scheduler on a fresh SQLite file and waits until it serves; gives its URL.
    pub(super) async fn start_scheduler(&mut self, options: &Options, directory: &Path) -> anyhow::Result<String> {
        let log = directory.join("scheduler.log");
        let mut command = Command::new(options.scheduler_bin()?);
        command.args(["serve", "--listen", "127.0.0.1:0", "--egress-allow", "127.0.0.0/8"]);
        command
            .arg("--database-url")
            .arg(format!("sqlite://{}/baton.db?mode=rwc", directory.display()));
        command.arg("--time-compression").arg(options.speed.to_string());
        command.stdout(Stdio::piped());
        let mut child = spawn(command, &log)?;
        let stdout = child.stdout.take().context("the scheduler's stdout")?;
        let mut lines = BufReader::new(stdout).lines();
        let address = timeout(START_TIMEOUT, listening_address(&mut lines)).await;
        self.scheduler = Some(Running {
            child,
            _stdout: Some(lines),
        });
        match address {
            Ok(Ok(address)) => Ok(format!("http://{address}")),
            Ok(Err(error)) => Err(error.context(last_words(&log))),
            Err(_) => bail!(
                "the scheduler did not serve within {START_TIMEOUT:?}. {}",
                last_words(&log)
            ),
        }
    }

    /// Starts the planner against the scheduler and the model.
    pub(super) fn start_planner(
        &mut self,
        options: &Options,
        scheduler: &str,
        model: &Model,
        directory: &Path,
    ) -> anyhow::Result<()> {
        let debounce = Duration::from_millis(250).div_f64(options.speed);
        let mut command = Command::new(options.planner_bin()?);
        command.args([
            "run",
            "--scheduler",
            scheduler,
            "--base-url",
            &model.base_url(),
            "--model",
            model.name(),
        ]);
        command.arg("--debounce").arg(milliseconds(debounce));
        command
            .arg("--request-timeout")
            .arg(milliseconds(options.request_timeout()));
        command.env("BATON_PLANNER_API_KEY", model.api_key());
        command.stdout(Stdio::null());
        let child = spawn(command, &directory.join("planner.log"))?;
        self.planner = Some(Running { child, _stdout: None });
        Ok(())
    }

    /// How the planner ended, once, if it has.
    pub(super) fn planner_ended(&mut self) -> Option<ExitStatus> {
        let status = self.planner.as_mut()?.child.try_wait().ok()??;
        self.planner = None;
        Some(status)
    }

    /// Ends the planner, then the scheduler.
    pub(super) async fn stop(&mut self) {
        for running in [self.planner.take(), self.scheduler.take()].into_iter().flatten() {
            running.stop().await;
        }
    }
}

impl Running {
    async fn stop(mut self) {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
        {
            kill_process(pid, Signal::TERM).ok();
        }
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            self.child.kill().await.ok();
        }
    }
}

fn spawn(mut command: Command, log: &Path) -> anyhow::Result<Child> {
    let file = File::create(log).with_context(|| log.display().to_string())?;
    command.stdin(Stdio::null()).stderr(file).kill_on_drop(true);
    let program = command.as_std().get_program().display().to_string();
    command.spawn().with_context(|| format!("start {program}"))
}

async fn listening_address(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<String> {
    while let Some(line) = lines.next_line().await.context("read the scheduler's stdout")? {
        if let Some(address) = line.strip_prefix(LISTENING) {
            return Ok(address.trim().to_owned());
        }
    }
    bail!("the scheduler ended before it served")
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(10)..].join("\n  ");
    format!("The end of {}:\n  {tail}", log.display())
}

/// Whole milliseconds, at least one: the form that every duration parser reads.
fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis().max(1))
}

#[cfg(test)]
mod tests;
