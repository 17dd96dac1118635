//! `lateness`: runs planned evenly over time, a scheduler that waits for them, and a sink that knows how late each came.
//!
//! What is told is the arrival at the receiver minus the planned time: the claim's commit and the call are in it. The
//! start that the history has, which lies before both, is told beside it.

use std::time::Duration;

use anyhow::{Result, ensure};
use baton_domain::{
    ids::uuid_floor,
    time::{Clock as _, Timestamp, after},
};
use baton_runtime::clock::SystemClock;

use super::real::{Scene, called_once};
use crate::{
    figure::Figure,
    population::{open, submit},
    scheduler::scheduler,
    sink::Seen,
    stage::Stage,
};

/// From submitting to the first planned time.
const AHEAD: Duration = Duration::from_secs(5);
const RATES: [usize; 2] = [100, 1_000];
/// 99 in 100 runs had started after so many milliseconds, as the history has it.
const STARTS: &str = "
    SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM started_at - planned_at)::float8 * 1000)
      FROM run_history
     WHERE id >= $1";

/// Both rates, three figures each.
pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let (seconds, samples) = if stage.asked.quick {
        (20, 1)
    } else {
        (60, stage.asked.samples)
    };
    let mut scene = Scene::set(stage, "lateness").await?;
    let mut figures = Vec::new();
    for rate in RATES {
        let (mut seen, mut starts) = (Vec::new(), Vec::new());
        for number in 1..=samples {
            let sample = at_rate(stage, &mut scene, rate, seconds).await?;
            eprintln!("lateness: {rate} a second, sample {number} of {samples}: {sample:?}");
            seen.push(sample.seen);
            starts.push(sample.started_p99);
        }
        let figure = |name: &str, of: fn(&Seen) -> f64| {
            Figure::alone(format!("lateness-{rate}-{name}"), "ms", seen.iter().map(of).collect())
        };
        figures.push(figure("p50", |seen| seen.p50));
        figures.push(figure("p99", |seen| seen.p99));
        figures.push(figure("max", |seen| seen.max));
        figures.push(Figure::alone(format!("lateness-{rate}-start-p99"), "ms", starts));
    }
    scene.strike().await?;
    Ok(figures)
}

/// What came of runs at one rate.
#[derive(Debug)]
pub struct Sample {
    pub seen: Seen,
    /// Milliseconds, as the history has it.
    pub started_p99: f64,
}

/// One scheduler, `rate` runs a second for so many seconds.
pub async fn at_rate(stage: &Stage, scene: &mut Scene, rate: usize, seconds: u64) -> Result<Sample> {
    let runs = rate * usize::try_from(seconds)?;
    let apart = Duration::from_secs(seconds) / u32::try_from(runs)?;
    let opened = open(&scene.database.url).await?;
    // Submitting takes a while too.
    let ahead = AHEAD + Duration::from_secs(runs as u64 / 5_000);
    let from = after(SystemClock.now(), ahead);
    submit(&opened.opened, &scene.endpoints, runs, from, apart).await?;
    drop(opened);
    let scheduler = scheduler(stage.folder(), &scene.database.url).await?;
    ensure!(
        SystemClock.now() < from,
        "submitting took too long: some were due before the scheduler served"
    );
    let until = after(from, Duration::from_secs(seconds));
    sleep_until(after(until, Duration::from_secs(1))).await;
    scheduler.stop().await?;
    Ok(Sample {
        seen: called_once(&mut scene.sink, runs).await?,
        started_p99: scene.database.number(STARTS, &[&uuid_floor(from)]).await?,
    })
}

/// Until a time of the system's clock.
pub async fn sleep_until(at: Timestamp) {
    tokio::time::sleep(baton_domain::time::elapsed(SystemClock.now(), at)).await;
}
