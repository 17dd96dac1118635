//! `herd`: every endpoint due at one instant, each called over HTTP.

use std::time::Duration;

use anyhow::{Result, ensure};
use baton_domain::time::{Clock as _, after};
use baton_runtime::clock::SystemClock;

use super::{lateness::sleep_until, real::once_nothing};
use crate::{
    figure::Figure,
    population::{Population, open},
    scheduler::{scheduler, sink},
    sink::Seen,
    stage::Stage,
};

const USERS: usize = 100;
const ENDPOINTS: usize = 10_000;
/// From the making of the endpoints to the instant.
const AHEAD: Duration = Duration::from_secs(15);
const INTERVAL: Duration = Duration::from_secs(3_600);
/// What was due at the instant and is not over. The next time of each is an hour away.
const LEFT: &str = "
    SELECT count(*)
      FROM (SELECT 1 FROM live_runs WHERE due_at < now() + INTERVAL '10 minutes' LIMIT 1) AS one";

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let mut seen = Vec::new();
    for number in 1..=stage.asked.samples {
        seen.push(once(stage).await?);
        eprintln!(
            "herd: sample {number} of {}: {:?}",
            stage.asked.samples,
            seen[number - 1]
        );
    }
    #[expect(clippy::cast_precision_loss, reason = "ten thousand is exact")]
    let early = seen.iter().map(|seen| seen.early as f64).collect();
    Ok(vec![
        Figure::alone("herd", "s", seen.iter().map(|seen| seen.max / 1_000.0).collect()),
        Figure::alone("herd-early", "runs", early),
    ])
}

async fn once(stage: &Stage) -> Result<Seen> {
    let database = stage.database("herd").await?;
    let mut sink = sink(stage.folder()).await?;
    let instant = after(SystemClock.now(), AHEAD);
    let population = Population {
        url: format!("http://{}/", sink.address),
        interval: Some(INTERVAL),
        ..Population::dormant(USERS, ENDPOINTS + USERS)
    };
    let opened = open(&database.url).await?;
    population
        .copy(&database, &opened.opened, instant, Duration::ZERO)
        .await?;
    drop(opened);
    let scheduler = scheduler(stage.folder(), &database.url).await?;
    ensure!(SystemClock.now() < instant, "the endpoints took too long to make");
    sleep_until(instant).await;
    once_nothing(async || database.count(LEFT).await).await?;
    let seen = sink.seen().await?;
    ensure!(
        seen.runs == ENDPOINTS && seen.calls == ENDPOINTS,
        "{ENDPOINTS} endpoints were due, and {seen:?} came of it"
    );
    scheduler.stop().await?;
    database.drop_database().await?;
    Ok(seen)
}
