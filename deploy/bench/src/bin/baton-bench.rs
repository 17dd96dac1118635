//! The benches' process: one line a figure as soon as it is known. Exit codes: 0 every bar held, 1 one did not, 2 it could
//! not be measured.

use std::process::ExitCode;

use baton_bench::{benches, figure::Figure, options::Options, server::Server, stage::Stage};
use baton_runtime::telemetry::{self, LogFormat, TelemetryConfig};
use clap::Parser as _;
use mimalloc::MiMalloc;

/// The same as the scheduler's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    // As schedulers have it by default: what users get is what is measured.
    let telemetry = telemetry::init(&TelemetryConfig {
        service_name: "baton-bench",
        service_version: env!("CARGO_PKG_VERSION"),
        log_format: LogFormat::Text,
        log_filter: "info,sea_orm_migration=warn,tokio_postgres=warn".to_owned(),
        otlp_endpoint: None,
    });
    rustls::crypto::ring::default_provider().install_default().ok();
    let outcome = run(&options).await;
    if let Ok(telemetry) = telemetry {
        telemetry.shutdown().await;
    }
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// True when every bar held.
async fn run(options: &Options) -> anyhow::Result<bool> {
    let asked = options.wanted.judge()?;
    let stage = Stage::new(Server::of(options).await?, asked)?;
    let mut all = Vec::new();
    for bench in &stage.asked.benches {
        eprintln!("{}: {}", bench.name(), bench.describe());
        for figure in benches::run(*bench, &stage).await? {
            tell(&figure, options.wanted.json);
            all.push(figure);
        }
    }
    let below: Vec<&str> = all
        .iter()
        .filter(|figure| !figure.passes())
        .map(|figure| &*figure.bench)
        .collect();
    for bench in &stage.asked.benches {
        if let Some(left_out) = stage.asked.left_out(*bench) {
            eprintln!("{}: left out: {left_out}", bench.name());
        }
    }
    for bench in &stage.asked.apart {
        eprintln!("{}: left out: all of it; it has to be asked for by name", bench.name());
    }
    eprintln!("{} figures; below the bar: {}", all.len(), below.join(", "));
    Ok(below.is_empty())
}

fn tell(figure: &Figure, json: bool) {
    if json {
        println!("{}", figure.json());
        eprintln!("{figure}");
    } else {
        println!("{figure}");
        println!("{}", figure.json());
    }
}
