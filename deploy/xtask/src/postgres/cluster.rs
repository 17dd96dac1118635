//! The running server: created in a temporary directory, reachable on a free loopback port, gone with this value.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::account::Account;
use super::find::Binaries;
use super::warden::Warden;
use crate::processes::Processes;

const DEFAULT_PORT: u16 = 5432;
const SUPERUSER: &str = "postgres";

/// A free port may be taken by someone else before the server binds it.
const START_ATTEMPTS: usize = 5;
const PORT_TAKEN: &str = "Address already in use";

/// The whole pg_hba.conf: whoever reaches the loopback port or the socket's directory is let in, nobody else.
const ACCESS: &str = "local all all trust\nhost all all 127.0.0.1/32 trust\n";

/// Part of every postgresql.conf, beside the address and what the use of the cluster adds.
const SETTINGS: &str = "\
max_connections = 300
timezone = UTC
log_timezone = UTC
listen_addresses = '127.0.0.1'
";

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Durability is off, since the data is thrown away; everything that a client can see (isolation, locking,
    /// `synchronous_commit`) is as in production.
    Tests,
    /// As PostgreSQL is by default, with its durability; only the buffers are larger.
    Measuring,
}

impl Use {
    fn settings(self) -> &'static str {
        match self {
            Self::Tests => "fsync = off\nfull_page_writes = off\nshared_buffers = 128MB\nmax_wal_size = 2GB\n",
            Self::Measuring => "shared_buffers = 512MB\n",
        }
    }
}

/// A PostgreSQL server that lives as long as this value.
#[derive(Debug)]
pub struct Cluster {
    port: u16,
    version: String,
    pg_ctl: PathBuf,
    account: Account,
    /// Also held for its Drop.
    warden: Warden,
}

impl Cluster {
    /// Creates and starts a cluster; answers once it accepts connections.
    pub fn start(binaries: &Binaries, processes: &Processes, purpose: Use) -> Result<Self> {
        let account = Account::choose(processes)?;
        let directory = create_directory(account)?;
        let data = directory.join("data");
        let warden = Warden::post(shell(account), &binaries.program("pg_ctl"), &data, directory)?;
        let site = Site {
            binaries,
            account,
            processes,
            directory: warden.directory(),
            purpose,
        };
        let version = site.call("postgres", &["--version"])?;
        site.initialise()?;
        let port = site.start_server()?;
        Ok(Self {
            port,
            version: version.trim().to_owned(),
            pg_ctl: binaries.program("pg_ctl"),
            account,
            warden,
        })
    }

    /// The arguments that let `baton-faults` stop and start this server.
    pub fn control(&self) -> Vec<OsString> {
        let data = self.warden.directory().join("data");
        let mut arguments: Vec<OsString> = vec!["--server".into(), self.url().into()];
        arguments.extend(["--pg-ctl".into(), self.pg_ctl.clone().into_os_string()]);
        arguments.extend(["--pg-data".into(), data.into_os_string()]);
        if let Account::Other { user, group } = self.account {
            arguments.extend(["--pg-account".into(), format!("{user}:{group}").into()]);
        }
        arguments
    }

    /// The arguments that let `baton-bench` measure this server.
    pub fn measuring(&self) -> Vec<OsString> {
        let data = self.warden.directory().join("data");
        let programs = self.pg_ctl.parent().unwrap_or(Path::new("/"));
        vec![
            "--server".into(),
            self.url().into(),
            "--pg-data".into(),
            data.into(),
            "--programs".into(),
            programs.into(),
        ]
    }

    /// Of the superuser, who may create databases, to the database that is always there.
    pub fn url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", self.port)
    }
}

/// For the announcement.
impl fmt::Display for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}", self.version, self.url())
    }
}

fn create_directory(account: Account) -> Result<PathBuf> {
    let directory = tempfile::Builder::new()
        .prefix("baton-postgres-")
        .tempdir_in(account.temporary_directory())
        .context("cannot create a temporary directory")?;
    account.take_over(directory.path())?;
    Ok(directory.keep())
}

fn shell(account: Account) -> Command {
    account.command(Path::new("sh"))
}

/// What every call of a server program needs to know.
struct Site<'a> {
    binaries: &'a Binaries,
    account: Account,
    processes: &'a Processes,
    directory: &'a Path,
    purpose: Use,
}

impl Site<'_> {
    fn initialise(&self) -> Result<()> {
        let data = self.data();
        self.call(
            "initdb",
            &[
                "--pgdata",
                &data,
                "--username",
                SUPERUSER,
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
            ],
        )?;
        fs::write(format!("{data}/pg_hba.conf"), ACCESS).context("cannot write pg_hba.conf")
    }

    fn start_server(&self) -> Result<u16> {
        for _ in 0..START_ATTEMPTS {
            let port = free_port()?;
            self.configure(port)?;
            if self.start_on_its_port()? {
                return Ok(port);
            }
        }
        bail!("no free port in {START_ATTEMPTS} attempts")
    }

    fn configure(&self, port: u16) -> Result<()> {
        let socket = self.directory.display().to_string().replace('\'', "''");
        let own = self.purpose.settings();
        let settings = format!("{SETTINGS}{own}port = {port}\nunix_socket_directories = '{socket}'\n");
        fs::write(format!("{}/postgresql.conf", self.data()), settings).context("cannot write postgresql.conf")
    }

    /// False when someone else has taken the port.
    fn start_on_its_port(&self) -> Result<bool> {
        let log = self.directory.join("log").display().to_string();
        let started = self.call(
            "pg_ctl",
            &[
                "start",
                "--wait",
                "--timeout",
                "60",
                "--pgdata",
                &self.data(),
                "--log",
                &log,
            ],
        );
        let Err(error) = started else { return Ok(true) };
        let reason = fs::read_to_string(&log).unwrap_or_default();
        if reason.contains(PORT_TAKEN) {
            fs::remove_file(&log).context("cannot remove the log of the failed start")?;
            return Ok(false);
        }
        Err(error.context(format!("PostgreSQL did not start; its log:\n{reason}")))
    }

    /// Runs a server program to its end; answers with its stdout. Messages are in English whatever the caller's locale.
    fn call(&self, program: &str, args: &[&str]) -> Result<String> {
        let mut command = self.account.command(&self.binaries.program(program));
        let output = self
            .processes
            .output(command.args(args).env("LC_ALL", "C").current_dir(self.directory))?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "{program} ended with {}: {}",
            output.status,
            stderr.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn data(&self) -> String {
        self.directory.join("data").display().to_string()
    }
}

/// A loopback port that nobody listens on, and never PostgreSQL's own.
fn free_port() -> Result<u16> {
    let bound: Vec<TcpListener> = (0..2)
        .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
        .collect::<std::io::Result<_>>()
        .context("cannot bind a loopback port")?;
    let ports = bound
        .iter()
        .filter_map(|listener| listener.local_addr().ok())
        .map(|address| address.port());
    ports
        .into_iter()
        .find(|port| *port != DEFAULT_PORT)
        .context("no free loopback port")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn a_free_port_can_be_bound() {
        let port = free_port().expect("some port is free");
        assert_ne!(port, DEFAULT_PORT);
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("nobody holds it");
    }

    #[test]
    fn what_is_measured_is_durable() {
        for switch in ["fsync", "full_page_writes", "synchronous_commit"] {
            assert!(
                !Use::Measuring.settings().contains(switch) && !SETTINGS.contains(switch),
                "{switch}"
            );
        }
    }

    #[test]
    fn only_loopback_is_let_in() {
        let hosts = ACCESS.lines().filter(|line| line.starts_with("host"));
        assert_eq!(hosts.collect::<Vec<_>>(), ["host all all 127.0.0.1/32 trust"]);
        assert!(SETTINGS.contains("listen_addresses = '127.0.0.1'"));
    }

    /// The real thing. With a server of the caller's own and no programs on this machine there is nothing to start.
    #[test]
    fn a_cluster_answers_while_it_lives_and_leaves_nothing_behind() {
        let found = Binaries::find();
        if found.is_none() && std::env::var_os("BATON_TEST_DATABASE_URL").is_some() {
            return eprintln!(
                "not run: PostgreSQL's programs are not on this machine, and the tests use another server"
            );
        }
        let binaries = found.expect("PostgreSQL's server programs are installed (`cargo xtask test` sees to it)");
        let cluster = Cluster::start(&binaries, &Processes::default(), Use::Tests).expect("it starts");
        let (port, directory) = (cluster.port, cluster.warden.directory().to_path_buf());
        assert!(
            directory.join(format!(".s.PGSQL.{port}")).exists(),
            "the socket is in the temporary directory"
        );
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the port answers");

        drop(cluster);

        assert!(!directory.exists());
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect_err("the server is gone");
    }
}
