//! `idle`: what a scheduler costs while much is scheduled and nothing is due, and how long it takes to serve.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use baton_domain::time::{Clock as _, after};
use baton_runtime::clock::SystemClock;
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};

use crate::{
    figure::Figure,
    population::{Population, open},
    scheduler::{Listening, channel, scheduler},
    server::Database,
    stage::Stage,
};

const USERS: usize = 100;
const ENDPOINTS: usize = 1_000_000;
/// The first is due after so long, the others each a little later.
const FIRST: Duration = Duration::from_secs(3_600);
const APART: Duration = Duration::from_millis(10);
const INTERVAL: Duration = Duration::from_secs(24 * 3_600);
/// From the start to the first look: what a start does is not idling.
const SETTLE: Duration = Duration::from_secs(5);
/// How the server's log begins what is about a statement.
const STATEMENTS: [&str; 2] = ["LOG:  execute ", "LOG:  statement: "];

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let (endpoints, lasts) = if stage.asked.quick {
        (ENDPOINTS / 10, Duration::from_secs(20))
    } else {
        (ENDPOINTS, Duration::from_secs(60))
    };
    let database = stage.database("idle").await?;
    let opened = open(&database.url).await?;
    let population = Population {
        interval: Some(INTERVAL),
        ..Population::dormant(USERS, endpoints)
    };
    let due = after(SystemClock.now(), FIRST);
    population.copy(&database, &opened.opened, due, APART).await?;
    drop(opened);
    database.execute("VACUUM ANALYZE").await?;
    let starts = starts(stage, &database).await?;
    let mut figures = minute(stage, &database, lasts).await?;
    figures.push(Figure::alone("idle-start", "ms", starts));
    database.drop_database().await?;
    Ok(figures)
}

/// Milliseconds from a start to SERVING.
async fn starts(stage: &Stage, database: &Database) -> Result<Vec<f64>> {
    let mut starts = Vec::new();
    for _ in 0..stage.asked.samples {
        let begun = Instant::now();
        let scheduler = scheduler(stage.folder(), &database.url).await?;
        let mut health = HealthClient::new(channel(&scheduler.address).await?);
        let request = HealthCheckRequest { service: String::new() };
        // It listens before it has looked at its store for the first time.
        let mut told = health.watch(request).await?.into_inner();
        while told
            .message()
            .await?
            .context("the health service ends its watch")?
            .status()
            != ServingStatus::Serving
        {}
        starts.push(begun.elapsed().as_secs_f64() * 1_000.0);
        scheduler.stop().await?;
    }
    Ok(starts)
}

/// One scheduler left alone. What a minute of it costs.
async fn minute(stage: &Stage, database: &Database, lasts: Duration) -> Result<Vec<Figure>> {
    let log_all = format!("ALTER DATABASE {} SET log_statement = 'all'", database.name());
    database.execute(&log_all).await?;
    let scheduler = scheduler(stage.folder(), &database.url).await?;
    tokio::time::sleep(SETTLE).await;
    let (statements, cpu) = (statements(database)?, cpu_seconds(&scheduler)?);
    tokio::time::sleep(lasts).await;
    let rss = resident_megabytes(&scheduler)?;
    let queries = self::statements(database)? - statements;
    let cpu = cpu_seconds(&scheduler)? - cpu;
    scheduler.stop().await?;
    let minutes = lasts.as_secs_f64() / 60.0;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let queries = queries as f64 / minutes;
    Ok(vec![
        Figure::alone("idle-rss", "MB", vec![rss]),
        Figure::alone("idle-cpu", "s/min", vec![cpu / minutes]),
        Figure::alone("idle-queries", "queries/min", vec![queries]),
    ])
}

/// Statements that the server has logged. Only this database logs any.
fn statements(database: &Database) -> Result<usize> {
    let log = database.server.log()?;
    Ok(log
        .lines()
        .filter(|line| STATEMENTS.iter().any(|begins| line.contains(begins)))
        .count())
}

fn resident_megabytes(process: &Listening) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()?));
    let status = status.context("a process's memory is read from /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kilobytes.context("/proc says nothing of VmRSS")? / 1_024.0)
}

/// User and system time.
fn cpu_seconds(process: &Listening) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.id()?))?;
    // The name, in parentheses, may hold anything; fields 14 and 15 of all are the 12th and 13th behind it.
    let behind = stat
        .rsplit_once(')')
        .context("/proc/PID/stat has a name in parentheses")?
        .1;
    let ticks = behind.split_whitespace().skip(11).take(2).map(str::parse::<u32>);
    let ticks: Vec<u32> = ticks.collect::<Result<_, _>>()?;
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(f64::from(ticks.iter().sum::<u32>()) / f64::from(per_second))
}
