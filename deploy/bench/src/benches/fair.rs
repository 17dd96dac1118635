//! `fair`: nine users' runs come evenly over time, a tenth user's nine times as many in bursts of a second's worth.

use std::time::Duration;

use anyhow::{Result, ensure};
use baton_domain::time::{Clock as _, Timestamp, after};
use baton_runtime::clock::SystemClock;

use super::{lateness::sleep_until, real::Scene};
use crate::{
    figure::Figure,
    population::{Owned, open, submit},
    scheduler::scheduler,
    stage::Stage,
};

const USERS: usize = 10;
const ENDPOINTS: usize = 10_000;
/// A second: of the nine together, and of the one.
const LIGHT: usize = 100;
const HEAVY: usize = 900;
/// From submitting to the first planned time, and what submitting takes for each second.
const AHEAD: Duration = Duration::from_secs(5);
const SUBMITTING: Duration = Duration::from_millis(300);
const LATE: &str = "
    SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM started_at - planned_at)::float8 * 1000)
      FROM run_history
     WHERE planned_at >= $1
       AND user_id <> $2";

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let seconds = if stage.asked.quick { 10 } else { 30 };
    let scene = Scene::of(stage, "fair", USERS, ENDPOINTS).await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for number in 1..=stage.asked.samples {
        alone.push(once(stage, &scene, seconds, 0).await?);
        beside.push(once(stage, &scene, seconds, HEAVY).await?);
        let (alone, beside) = (alone[number - 1], beside[number - 1]);
        eprintln!(
            "fair: sample {number} of {}: p99 {beside:.2} ms; alone {alone:.2} ms",
            stage.asked.samples
        );
    }
    scene.strike().await?;
    Ok(vec![Figure::alone("fair", "ms", beside).against("alone", &alone)])
}

/// The nine users' p99 in milliseconds, with so many runs of the tenth each second.
async fn once(stage: &Stage, scene: &Scene, seconds: u32, heavy: usize) -> Result<f64> {
    let Scene {
        database, endpoints, ..
    } = scene;
    let heavy_user = endpoints[0].1.clone();
    let (theirs, others): (Vec<Owned>, Vec<Owned>) =
        endpoints.iter().cloned().partition(|(_, user)| *user == heavy_user);
    let from: Timestamp = after(SystemClock.now(), AHEAD + SUBMITTING * seconds);
    let opened = open(&database.url).await?;
    let light = LIGHT * usize::try_from(seconds)?;
    let apart = Duration::from_secs(1) / u32::try_from(LIGHT)?;
    submit(&opened.opened, &others, light, from, apart).await?;
    for second in 0..seconds {
        let burst = after(from, Duration::from_secs(u64::from(second)));
        submit(&opened.opened, &theirs, heavy, burst, Duration::ZERO).await?;
    }
    drop(opened);
    let scheduler = scheduler(stage.folder(), &database.url).await?;
    ensure!(SystemClock.now() < from, "submitting took too long");
    sleep_until(after(from, Duration::from_secs(u64::from(seconds) + 3))).await;
    scheduler.stop().await?;
    let left = database
        .count("SELECT count(*) FROM live_runs WHERE slot <> 'plan'")
        .await?;
    ensure!(left == 0, "{left} runs are left in the queue");
    database.number(LATE, &[&from, &heavy_user.0]).await
}
