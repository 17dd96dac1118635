//! The real scheduler on a temporary SQLite file, for checks from outside.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::processes::{Processes, Running};
use crate::workspace::Workspace;

/// What the scheduler prints before its address once it serves.
const LISTENING: &str = "listening on ";

/// How long a debug build may take from start to serving on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A scheduler that is stopped when this is dropped.
pub struct SchedulerProcess {
    running: Running,
    address: String,
}

impl SchedulerProcess {
    /// Starts `baton-scheduler serve` in `directory`, where it creates its default database; answers once it serves.
    pub fn start(workspace: &Workspace, processes: &Processes, directory: &Path) -> Result<Self> {
        let mut command = Command::new(workspace.binary("baton-scheduler")?);
        command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .current_dir(directory)
            .stdout(Stdio::piped());
        forget_configuration(&mut command);
        let mut running = processes.spawn(&mut command)?;
        let address = address_printed_on(running.take_stdout()?)?;
        Ok(Self { running, address })
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// SIGTERM, and its answer.
    pub fn terminate(self) -> Result<ExitStatus> {
        self.running.terminate()
    }
}

/// The caller's own settings must not reach a check.
fn forget_configuration(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_setting = |name: &str| name == "DATABASE_URL" || name.starts_with("BATON_") || name.starts_with("OTEL_");
        if name.to_str().is_some_and(is_setting) {
            command.env_remove(name);
        }
    }
}

/// Goes on reading in the background: a full pipe would stop the scheduler.
fn address_printed_on(stdout: impl Read + Send + 'static) -> Result<String> {
    let (found, address) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix(LISTENING) {
                let _nobody_waits_any_more = found.send(address.trim().to_owned());
            }
        }
    });
    address
        .recv_timeout(START_LIMIT)
        .context("the scheduler did not print `listening on ADDRESS`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_from_its_line() {
        let output: &[u8] = b"some notice\nlistening on 127.0.0.1:40123\nmore\n";
        assert_eq!(address_printed_on(output).expect("printed"), "127.0.0.1:40123");
    }

    #[test]
    fn a_scheduler_that_ends_early_is_noticed_at_once() {
        let output: &[u8] = b"some notice\n";
        assert!(address_printed_on(output).is_err());
    }
}
