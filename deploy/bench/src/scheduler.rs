//! The processes that a bench starts: a scheduler as everybody runs it, and the sink that it calls.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tonic::transport::{Channel, Endpoint as Address};

use crate::sink::Seen;

/// Longest wait for a start or an end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command for the binary of this name beside our own, or beside that of our test. It hears nothing of the caller's own
/// settings.
pub fn command(name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    for (name, _) in std::env::vars() {
        if name == "DATABASE_URL" || name == "RUST_LOG" || name.starts_with("BATON_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("we know our own path")?;
    let beside = own.with_file_name(name);
    // A test binary stands one folder below.
    let above = own.parent().and_then(Path::parent).map(|folder| folder.join(name));
    [Some(beside), above]
        .into_iter()
        .flatten()
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is missing: `cargo xtask bench` builds it"))
}

/// A process that says where it listens; killed when dropped.
pub struct Listening {
    child: Child,
    pub address: String,
    stdout: BufReader<ChildStdout>,
}

impl Listening {
    /// Returns once it accepts connections.
    pub async fn start(mut command: Command, log: &Path) -> Result<Self> {
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut line = String::new();
        let read = timeout(PATIENCE, stdout.read_line(&mut line)).await;
        read.context("a process that should serve does not")??;
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let told = || std::fs::read_to_string(log).unwrap_or_default();
        Ok(Self {
            child,
            address: address.with_context(|| format!("a process ended at its start:\n{}", told()))?,
            stdout,
        })
    }

    /// Asks a sink what it has seen since it was last asked.
    pub async fn seen(&mut self) -> Result<Seen> {
        let stdin = self.child.stdin.as_mut().context("a sink hears questions")?;
        stdin.write_all(b"tell\n").await?;
        let mut line = String::new();
        timeout(PATIENCE, self.stdout.read_line(&mut line))
            .await
            .context("the sink does not answer")??;
        serde_json::from_str(&line).with_context(|| format!("the sink says: {line}"))
    }

    pub fn id(&self) -> Result<u32> {
        self.child.id().context("the process has ended")
    }

    /// SIGTERM: what is in the air may land.
    pub async fn stop(mut self) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.id()?)?).context("a process id is not zero")?;
        kill_process(pid, Signal::TERM)?;
        let ended = timeout(PATIENCE, self.child.wait()).await;
        ensure!(
            ended.context("a process does not end")??.success(),
            "a process did not end well"
        );
        Ok(())
    }
}

/// A scheduler at its defaults, but for what it may call.
pub async fn scheduler(folder: &Path, database_url: &str) -> Result<Listening> {
    scheduler_with(folder, database_url, &[]).await
}

/// The same with more flags.
pub async fn scheduler_with(folder: &Path, database_url: &str, flags: &[&str]) -> Result<Listening> {
    let mut command = command("baton-scheduler", folder)?;
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--database-url", database_url])
        .args(["--egress-allow", "127.0.0.0/8"])
        .args(flags);
    Listening::start(command, &folder.join("scheduler.log")).await
}

/// The HTTP server that runs call.
pub async fn sink(folder: &Path) -> Result<Listening> {
    let mut command = command("baton-bench-sink", folder)?;
    command.stdin(Stdio::piped());
    Listening::start(command, &folder.join("sink.log")).await
}

/// A connection to a scheduler.
pub async fn channel(address: &str) -> Result<Channel> {
    let address = Address::from_shared(format!("http://{address}"))?;
    Ok(address.timeout(PATIENCE).connect().await?)
}
