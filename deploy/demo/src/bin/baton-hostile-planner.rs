//! `baton-hostile-planner`: a planner that means harm, for tests and benches of what a scheduler bears.

use std::path::PathBuf;

use anyhow::Context as _;
use baton_demo::hostile::Attack;
use baton_proto::client::Connect;
use clap::Parser;

/// Sends a scheduler plans of chance, within and beyond every bound, as fast as it is let.
///
/// For tests: it does to the jobs in its reach whatever they allow. Prints one JSON object at its end: how many answers of
/// which call had which code.
#[derive(Debug, Parser)]
#[command(name = "baton-hostile-planner", version)]
struct Options {
    /// The scheduler's address.
    #[arg(long, value_name = "URL")]
    scheduler: String,
    /// A file with a planner's API token.
    #[arg(long, value_name = "PATH")]
    token_file: Option<PathBuf>,
    /// Answers to hand in.
    #[arg(long, value_name = "COUNT")]
    plans: usize,
    /// Connections, each of which waits for one answer before its next call.
    #[arg(long, default_value = "6", value_name = "COUNT")]
    connections: usize,
    /// What chance begins with.
    #[arg(long, default_value = "1", value_name = "NUMBER")]
    seed: u64,
    /// Endpoints of others, which it names now and then.
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    foreign: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut scheduler = Connect::to(options.scheduler);
    if let Some(path) = &options.token_file {
        let token = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        scheduler = scheduler.token(token.trim().into());
    }
    let attack = Attack {
        scheduler,
        plans: options.plans,
        connections: options.connections,
        seed: options.seed,
        foreign: options.foreign,
    };
    println!("{}", serde_json::to_string(&attack.run().await?)?);
    Ok(())
}
