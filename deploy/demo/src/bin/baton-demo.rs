//! `baton-demo`: the command around [`baton_demo::runner`]. Exit codes: 0 every expectation met, 1 one missed, 2 it could
//! not be run, 130 interrupted.

use std::process::ExitCode;

use baton_demo::runner::{self, Ended, Options};
use clap::Parser as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

const MISSED: u8 = 1;
const FAILED: u8 = 2;
const INTERRUPTED: u8 = 130;

#[tokio::main]
async fn main() -> ExitCode {
    match demonstrate(&Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

async fn demonstrate(options: &Options) -> anyhow::Result<ExitCode> {
    match runner::run(options, interrupted()?).await? {
        Ended::Judged(report) => {
            if options.json {
                println!("{}", report.json());
            }
            Ok(if report.ok {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(MISSED)
            })
        }
        Ended::Interrupted => {
            eprintln!("interrupted; nothing is left running");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// Resolves at the first signal that asks for an end. The handlers are in place when this returns.
fn interrupted() -> anyhow::Result<impl Future<Output = ()>> {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [mut interrupt, mut terminate, mut hangup]: [Signal; 3] =
        [signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?];
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
