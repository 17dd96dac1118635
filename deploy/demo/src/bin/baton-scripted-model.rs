//! `baton-scripted-model`: the scripted model as a process of its own. It is not a language model.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::Context as _;
use baton_demo::scripted::{
    AnswerFault, Faults, MODEL_NAME, ScriptedModel,
    rules::{self, RuleFile},
};
use clap::Parser;

/// A local server that speaks OpenAI chat completions and answers by a rule file. It is NOT a language model.
///
/// It stands in for one in demonstrations and tests of baton-planner: it reads the situation from the last user message
/// and applies rules to it. It keeps nothing between calls. Token counts in its answers are estimates (characters / 4).
/// Prints "listening on ADDRESS" on stdout once it answers; the base URL is http://ADDRESS/v1.
#[derive(Debug, Parser)]
#[command(name = "baton-scripted-model", version)]
struct Options {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The rule file; the built-in rules for flash sales if not given.
    #[arg(long, value_name = "PATH")]
    rules: Option<PathBuf>,
    /// Wait this long before every answer.
    #[arg(long, default_value = "0s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    latency: Duration,
    /// Answer wrongly: prose instead of JSON, an endpoint that does not exist, or only after a minute.
    #[arg(long, value_enum)]
    answer: Option<AnswerFault>,
    /// Answer every request with this HTTP error status.
    #[arg(long, value_parser = clap::value_parser!(u16).range(400..=599))]
    status: Option<u16>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let faults = Faults {
        latency: options.latency,
        answer: options.answer,
        status: options.status,
    };
    let model = ScriptedModel::start(options.listen, read_rules(&options)?, faults)
        .await
        .context("listen")?;
    eprintln!("{MODEL_NAME}: answers come from a rule file");
    println!("listening on {}", model.address());
    tokio::select! {
        ended = model.ended() => Ok(ended?),
        signal = tokio::signal::ctrl_c() => Ok(signal?),
    }
}

fn read_rules(options: &Options) -> anyhow::Result<RuleFile> {
    let Some(path) = &options.rules else {
        return RuleFile::parse(rules::FLASH_SALE).context("built-in rules");
    };
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    RuleFile::parse(&text).with_context(|| path.display().to_string())
}
