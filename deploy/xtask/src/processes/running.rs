//! One child at work: the leader of its process group. Made by `Processes` only.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal};

use super::{GRACE, Processes, shown, signal_groups};

/// A child that is told to end, and then made to, when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    group: Pid,
    processes: Processes,
}

impl Running {
    /// Children read nothing: stdin is empty.
    pub(super) fn spawn(command: &mut Command, processes: Processes) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        let group = Pid::from_child(&child);
        Ok(Self {
            child,
            group,
            processes,
        })
    }

    pub(super) fn group(&self) -> Pid {
        self.group
    }

    /// What the child writes; once, and only if it was started with a pipe.
    pub fn take_stdout(&mut self) -> Result<ChildStdout> {
        self.child.stdout.take().context("stdout is not a pipe, or was taken")
    }

    /// Waits for the leader; whatever it left behind in its group ends with it.
    pub fn wait(mut self) -> Result<ExitStatus> {
        self.child.wait().context("cannot wait for a child")
    }

    /// As `wait`, with all that stdout and stderr gave.
    pub(super) fn wait_with_output(mut self) -> Result<Output> {
        let stderr = self.child.stderr.take();
        let errors = thread::spawn(move || stderr.map_or(Ok(Vec::new()), read_errors));
        let mut stdout = Vec::new();
        self.take_stdout()?.read_to_end(&mut stdout)?;
        let stderr = errors
            .join()
            .map_err(|_| anyhow!("the thread that read stderr panicked"))??;
        Ok(Output {
            status: self.wait()?,
            stdout,
            stderr,
        })
    }

    /// Sends SIGTERM and waits for the end; an error, and SIGKILL, when that takes longer than the grace period.
    pub fn terminate(mut self) -> Result<ExitStatus> {
        signal_groups(&[self.group], Signal::TERM);
        let ended = self.ended_within(GRACE)?;
        ended.with_context(|| format!("still running {} s after SIGTERM", GRACE.as_secs()))
    }

    fn ended_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            signal_groups(&[self.group], Signal::TERM);
            let _killed_below_if_not = self.ended_within(GRACE);
        }
        signal_groups(&[self.group], Signal::KILL);
        let _reaped = self.child.wait();
        self.processes.forget(self.group);
    }
}

fn read_errors(mut stderr: ChildStderr) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    stderr.read_to_end(&mut text)?;
    Ok(text)
}
