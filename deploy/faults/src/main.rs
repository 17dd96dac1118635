//! `baton-faults`: real schedulers on a real PostgreSQL under load, while something goes wrong on purpose.
//!
//! Started by `cargo xtask faults`, which gives it a cluster of its own to break. How to read it: `stage` is what a fault
//! happens to (schedulers, database, sink, load), `faults` the faults, `evidence` and `audit` what is read afterwards,
//! `verdict` what it comes to. It knows Baton by its binaries, its API and its tables only. Exit codes: 0 all bars held, 1 one did not,
//! 2 it could not be run.

mod audit;
mod cluster;
mod database;
mod evidence;
mod faults;
mod load;
mod proxy;
mod scheduler;
mod sink;
mod stage;
mod verdict;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use crate::{cluster::Cluster, faults::Fault};

/// Real schedulers on a real PostgreSQL, while something goes wrong on purpose.
#[derive(Debug, Clone, Parser)]
#[command(name = "baton-faults", version)]
pub struct Options {
    /// The faults to inject, or `all`, or `quick` for the three short ones.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// One JSON line a fault on standard output, and nothing else there.
    #[arg(long)]
    json: bool,
    /// Of a superuser of the cluster, which is going to be stopped and started.
    #[arg(long, value_name = "URL")]
    server: String,
    /// The cluster's `pg_ctl`.
    #[arg(long, value_name = "PATH")]
    pg_ctl: PathBuf,
    /// The cluster's data directory.
    #[arg(long, value_name = "PATH")]
    pg_data: PathBuf,
    /// The account that the server runs under, if it is not ours.
    #[arg(long, value_name = "UID:GID")]
    pg_account: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: &Options) -> anyhow::Result<bool> {
    let cluster = Cluster::of(options)?;
    let mut held = true;
    for fault in Fault::select(&options.names)? {
        eprintln!("{}: {}", fault.name(), fault.describe());
        let verdict = fault.run(&cluster).await?;
        if options.json {
            println!("{}", verdict.json());
        } else {
            println!("{verdict}");
        }
        for miss in verdict.misses() {
            eprintln!("{}: {miss}", fault.name());
            held = false;
        }
    }
    Ok(held)
}
