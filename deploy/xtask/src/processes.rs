//! Child processes that never outlive this one, whatever ends it.
//!
//! Each child leads a process group of its own, so that Ctrl-C reaches this process alone; it is then passed on to every
//! group, and the command at work unwinds through its `Drop`s. A group that has not ended after a grace period, or when
//! a second signal arrives, is killed. Every command starts its children here, except the demo, which replaces xtask.

mod running;

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use running::Running;

/// How long a child may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(20);

/// The children at work, and the signal that told us to stop.
#[derive(Debug, Default)]
struct State {
    groups: Vec<Pid>,
    interrupted_by: Option<u8>,
}

/// Starts children and passes signals on to them.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    state: Arc<Mutex<State>>,
}

impl Processes {
    /// Takes over SIGINT, SIGTERM and SIGHUP for the rest of this process's life.
    pub fn start() -> Result<Self> {
        let processes = Self::default();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
        let listener = processes.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || signals.forever().for_each(|signal| listener.interrupt(signal)))
            .context("cannot start the signal thread")?;
        Ok(processes)
    }

    /// The number of the signal that told us to stop, if one has.
    pub fn interrupted_by(&self) -> Option<u8> {
        self.state().interrupted_by
    }

    /// Runs to the end with our own stdout and stderr; an exit code other than zero is an error.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let status = self.status(command)?;
        ensure!(status.success(), "{} ended with {status}", shown(command));
        Ok(())
    }

    /// Runs to the end with our own stdout and stderr.
    pub fn status(&self, command: &mut Command) -> Result<ExitStatus> {
        self.spawn(command)?.wait()
    }

    /// Runs to the end and gives back what was written, whatever the exit code.
    pub fn output(&self, command: &mut Command) -> Result<Output> {
        self.spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?
            .wait_with_output()
    }

    /// Runs to the end; each piece of its stdout goes to ours as it comes and then to `observe`.
    pub fn tee(&self, command: &mut Command, mut observe: impl FnMut(&[u8])) -> Result<ExitStatus> {
        let mut running = self.spawn(command.stdout(Stdio::piped()))?;
        let mut stdout = BufReader::new(running.take_stdout()?);
        let group = running.group();
        // The leader's end must end the reading too, even where a stray grandchild still holds the pipe.
        let waiter = thread::spawn(move || running.wait());
        let copied = copy(&mut stdout, &mut observe);
        if copied.is_err() {
            signal_groups(&[group], Signal::TERM);
        }
        let status = waiter
            .join()
            .map_err(|_| anyhow!("the thread that waited for {} panicked", shown(command)))?;
        copied.context("cannot write to stdout")?;
        status
    }

    /// Starts a child that is ended when the answer is dropped. Refused once we were told to stop.
    pub fn spawn(&self, command: &mut Command) -> Result<Running> {
        let mut state = self.state();
        ensure!(state.interrupted_by.is_none(), "told to stop");
        let running = Running::spawn(command, self.clone())?;
        state.groups.push(running.group());
        Ok(running)
    }

    fn interrupt(&self, signal: i32) {
        let mut state = self.state();
        let Some(passed_on) = Signal::from_named_raw(signal) else {
            return;
        };
        if state.interrupted_by.is_some() {
            signal_groups(&state.groups, Signal::KILL);
            return;
        }
        state.interrupted_by = u8::try_from(signal).ok();
        signal_groups(&state.groups, passed_on);
        let escalation = self.clone();
        thread::spawn(move || {
            thread::sleep(GRACE);
            signal_groups(&escalation.state().groups, Signal::KILL);
        });
    }

    fn forget(&self, group: Pid) {
        self.state().groups.retain(|known| *known != group);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A group that is gone already is what we want, so failures do not matter.
fn signal_groups(groups: &[Pid], signal: Signal) {
    for group in groups {
        let _gone_already = rustix::process::kill_process_group(*group, signal);
    }
}

fn copy(from: &mut impl BufRead, observe: &mut impl FnMut(&[u8])) -> io::Result<()> {
    let mut to = io::stdout().lock();
    loop {
        let piece = from.fill_buf()?;
        if piece.is_empty() {
            return Ok(());
        }
        to.write_all(piece)?;
        to.flush()?;
        observe(piece);
        let length = piece.len();
        from.consume(length);
    }
}

/// The command line for messages: the program's name and its arguments.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    command.get_args().fold(format!("`{name}"), |line, argument| {
        format!("{line} {}", argument.to_string_lossy())
    }) + "`"
}

#[cfg(test)]
mod tests;
