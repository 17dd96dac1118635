//! `cargo demo`: builds every binary, then becomes `baton-demo`.
//!
//! Replacing this process leaves nothing in between: signals, exit code and terminal are the demo's own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use crate::workspace::Workspace;

/// A build that takes longer than this is announced.
const QUIET: Duration = Duration::from_secs(2);

/// Comes back only when the build fails or the demo cannot be started.
pub fn replace_this_process(workspace: &Workspace, args: &[OsString]) -> Result<ExitCode> {
    build(workspace)?;
    let error = Command::new(workspace.binary("baton-demo")?).args(args).exec();
    Err(anyhow!(error).context("cannot start baton-demo"))
}

/// On stderr, since stdout is the demo's: its last line may be read by a machine.
fn build(workspace: &Workspace) -> Result<()> {
    let (finished, waiting) = mpsc::channel::<()>();
    let notice = thread::spawn(move || {
        if waiting.recv_timeout(QUIET) == Err(RecvTimeoutError::Timeout) {
            eprintln!("building the binaries; the first time takes a few minutes");
        }
    });
    let status = workspace
        .build_binaries()
        .arg("--quiet")
        .status()
        .context("cannot run cargo build")?;
    drop(finished);
    notice.join().map_err(|_| anyhow!("the notice panicked"))?;
    ensure!(status.success(), "the build failed");
    Ok(())
}
