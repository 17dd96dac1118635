//! `watch`: how long after its commit the end of a run reaches those who watch, through a scheduler that did not run it.
//!
//! An event is the end of a run; 2 000 a second are told of, each to the watch of its job and to one of all the user's
//! runs. What is told is the time of arrival minus the run's `finish_time`. That is the database's clock at the beginning
//! of the transaction that commits the end, on this very machine: so the figure overstates what a watch takes by what is
//! left of that transaction, its flush to disk included.
//!
//! The scheduler that is watched runs nothing: it has one place for calls, which [`scene::Held`] keeps taken. A sample fails
//! unless each end reached each of its two watches once and no other.

mod events;
mod scene;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use baton_domain::time::{Clock as _, after, elapsed};
use baton_runtime::clock::SystemClock;
use tokio::{sync::mpsc, time::timeout};

use super::{execute::check, real::called_once};
use crate::{
    figure::Figure,
    population::{open, submit},
    scheduler::scheduler,
    spread::Spread,
    stage::Stage,
};
use events::{Received, Tally, watch_all};
use scene::{Held, Scene};

const RUNS: usize = 40_000;
/// 2 000 a second.
const APART: Duration = Duration::from_micros(500);
/// From submitting to the first planned time, beside what submitting takes.
const AHEAD: Duration = Duration::from_secs(5);
/// Longest wait for the last event.
const PATIENCE: Duration = Duration::from_secs(30);
/// Events that may wait to be counted.
const HEARD: usize = 10_000;

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let runs = stage.asked.runs_or(RUNS);
    let mut scene = Scene::set(stage).await?;
    let mut spreads = Vec::new();
    for number in 1..=stage.asked.samples {
        let spread = once(stage, &mut scene, runs).await?;
        eprintln!("watch: sample {number} of {}: {spread:?}", stage.asked.samples);
        spreads.push(spread);
    }
    scene.strike().await?;
    let figure = |name: &str, of: fn(&Spread) -> f64| Figure::alone(name, "ms", spreads.iter().map(of).collect());
    Ok(vec![
        figure("watch", |spread| spread.p99),
        figure("watch-p50", |spread| spread.p50),
        figure("watch-max", |spread| spread.max),
    ])
}

/// Two schedulers, and so many runs.
async fn once(stage: &Stage, scene: &mut Scene, runs: usize) -> Result<Spread> {
    let opened = open(&scene.database.url).await?;
    let (watched, held) = Held::start(stage, scene, &opened.opened).await?;
    let running = scheduler(stage.folder(), &scene.database.url).await?;
    let from = after(SystemClock.now(), AHEAD + Duration::from_secs(runs as u64 / 5_000));
    submit(&opened.opened, &scene.endpoints, runs, from, APART).await?;
    drop(opened);
    let (told, mut heard) = mpsc::channel(HEARD);
    let watches = watch_all(&watched.address, &scene.jobs, told).await?;
    ensure!(
        SystemClock.now() < from,
        "submitting took too long: some were due before all watched"
    );
    let lasts = elapsed(SystemClock.now(), from) + APART * u32::try_from(runs)? + PATIENCE;
    let mut tally = Tally::default();
    if let Ok(counted) = timeout(lasts, count(&mut heard, &mut tally, 2 * runs)).await {
        counted?;
    }
    ensure!(
        tally.len() == 2 * runs,
        "{} of {} events came within {lasts:?}",
        tally.len(),
        2 * runs
    );
    held.let_go();
    // Ends the watches: what they are told until then is counted as well.
    watched.stop().await?;
    count(&mut heard, &mut tally, usize::MAX).await?;
    for watch in watches {
        watch.await??;
    }
    running.stop().await?;
    check(&scene.database, from, runs).await?;
    called_once(&mut scene.sink, runs).await?;
    tally.spread(runs)
}

/// Until there are so many, or every watch has ended.
async fn count(heard: &mut mpsc::Receiver<Received>, tally: &mut Tally, wanted: usize) -> Result<()> {
    while tally.len() < wanted {
        let Some(received) = heard.recv().await else {
            return Ok(());
        };
        tally.add(received).context("a watch")?;
    }
    Ok(())
}
