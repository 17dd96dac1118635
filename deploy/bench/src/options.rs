//! The command line of `baton-bench`: what is asked for, and the cluster that it is measured on.

use std::path::PathBuf;

use clap::Parser;

pub use baton_bench_options::Asked;
use baton_bench_options::Wanted;

/// How fast Baton is, as ratios to the bare database measured in the same minute.
#[derive(Debug, Clone, Parser)]
#[command(name = "baton-bench", version)]
pub struct Options {
    #[command(flatten)]
    pub wanted: Wanted,
    /// Of a superuser of the cluster.
    #[arg(long, value_name = "URL")]
    pub server: String,
    /// Where the cluster's `psql` and `pgbench` are.
    #[arg(long, value_name = "PATH")]
    pub programs: PathBuf,
    /// The cluster's data directory; its log stands beside it.
    #[arg(long, value_name = "PATH")]
    pub pg_data: PathBuf,
}
