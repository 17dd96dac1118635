//! One scheduler process: started, killed, stopped, continued, drained.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// Longest wait for a start or an end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary of this name beside our own.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("we know our own path")?;
    let path = own.with_file_name(name);
    ensure!(
        path.is_file(),
        "{} is missing: `cargo xtask faults` builds it",
        path.display()
    );
    Ok(path)
}

/// A command that hears nothing of the caller's own settings.
pub fn command(name: &str, folder: &Path) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    for (name, _) in std::env::vars() {
        if name == "DATABASE_URL" || name.starts_with("BATON_") || name.starts_with("OTEL_") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    Ok(command)
}

/// How each scheduler of a fault is started.
#[derive(Debug, Clone)]
pub struct Setup {
    pub folder: PathBuf,
    pub database_url: String,
    pub lease: Duration,
    pub extra: Vec<String>,
}

/// A serving scheduler; killed when dropped.
pub struct Scheduler {
    child: Child,
    pub address: String,
    /// Open, so that the process may always write there.
    _stdout: BufReader<ChildStdout>,
}

impl Scheduler {
    /// Returns once it accepts connections. `address` is that of an earlier one that it takes the place of.
    pub async fn start(setup: &Setup, address: Option<&str>) -> Result<Self> {
        let address = match address {
            Some(address) => address.to_owned(),
            None => free_address()?,
        };
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(setup.folder.join("schedulers.log"))?;
        let mut command = command("baton-scheduler", &setup.folder)?;
        command
            .args(["serve", "--listen", &address, "--database-url", &setup.database_url])
            .args(["--egress-allow", "127.0.0.0/8", "--grace", "10s"])
            .arg(format!("--lease={}ms", setup.lease.as_millis()))
            .args(&setup.extra)
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().context("baton-scheduler does not start")?;
        let mut stdout = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut line = String::new();
        timeout(PATIENCE, stdout.read_line(&mut line))
            .await
            .context("the scheduler does not serve")??;
        ensure!(
            line.starts_with("listening on"),
            "the scheduler ended; see {}",
            setup.folder.display()
        );
        Ok(Self {
            child,
            address,
            _stdout: stdout,
        })
    }

    /// SIGKILL, and the end of the process.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().context("the scheduler has ended")?;
        let pid = Pid::from_raw(i32::try_from(id)?).context("a process id is not zero")?;
        Ok(kill_process(pid, signal)?)
    }

    /// SIGTERM: what is in the air may land.
    pub async fn drain(mut self) -> Result<()> {
        self.signal(Signal::TERM)?;
        timeout(PATIENCE, self.child.wait())
            .await
            .context("the scheduler does not end")??;
        Ok(())
    }
}

fn free_address() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.to_string())
}
