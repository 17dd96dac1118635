//! A server of ours that tells on stdout where it listens, for checks from outside.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::processes::{Processes, Running};

/// What a server prints before its address once it serves.
const LISTENING: &str = "listening on ";

/// How long a debug build may take from start to serving on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// A server that is stopped when this is dropped.
pub struct ListeningProcess {
    running: Running,
    address: String,
}

impl ListeningProcess {
    /// Starts the server; answers once it serves.
    pub fn start(processes: &Processes, command: &mut Command) -> Result<Self> {
        let mut running = processes.spawn(command.stdout(Stdio::piped()))?;
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

/// Goes on reading in the background: a full pipe would stop the server.
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
        .context("the server did not print `listening on ADDRESS`")
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
    fn a_server_that_ends_early_is_noticed_at_once() {
        let output: &[u8] = b"some notice\n";
        assert!(address_printed_on(output).is_err());
    }
}
