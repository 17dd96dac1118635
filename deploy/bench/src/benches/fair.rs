//! `fair`: nine users' runs come evenly over time, a tenth user's nine times as many in bursts of a second's worth.

use std::time::Duration;

use anyhow::{Result, ensure};
use baton_domain::time::{Clock as _, Timestamp, after};
use baton_runtime::clock::SystemClock;

use super::{
    lateness::sleep_until,
    real::{Scene, called_once},
};
use crate::{
    figure::Figure,
    population::{Owned, open, submit},
    scheduler::{Listening, scheduler, sink},
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
const CALL_ANOTHER: &str = "UPDATE job_endpoints SET url = $1 WHERE user_id = $2";

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let seconds = if stage.asked.quick { 10 } else { 30 };
    let mut scene = Fair::set(stage).await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for number in 1..=stage.asked.samples {
        alone.push(once(stage, &mut scene, seconds, 0).await?);
        beside.push(once(stage, &mut scene, seconds, HEAVY).await?);
        let (alone, beside) = (alone[number - 1], beside[number - 1]);
        eprintln!(
            "fair: sample {number} of {}: p99 {beside:.2} ms; alone {alone:.2} ms",
            stage.asked.samples
        );
    }
    scene.all.strike().await?;
    Ok(vec![Figure::alone("fair", "ms", beside).against("alone", &alone)])
}

struct Fair {
    /// Its sink is called by the nine.
    all: Scene,
    nine: Vec<Owned>,
    one: Vec<Owned>,
    called_by_one: Listening,
}

impl Fair {
    async fn set(stage: &Stage) -> Result<Self> {
        let all = Scene::of(stage, "fair", USERS, ENDPOINTS).await?;
        let called_by_one = sink(stage.folder()).await?;
        let user = all.endpoints[0].1.clone();
        let (one, nine) = all.endpoints.iter().cloned().partition(|(_, owner)| *owner == user);
        let url = format!("http://{}/", called_by_one.address);
        let client = all.database.connect().await?;
        client.execute(CALL_ANOTHER, &[&url, &user.0]).await?;
        Ok(Self {
            all,
            nine,
            one,
            called_by_one,
        })
    }
}

/// The nine users' p99 in milliseconds, as their receiver sees it, with so many runs of the tenth each second.
async fn once(stage: &Stage, scene: &mut Fair, seconds: u32, heavy: usize) -> Result<f64> {
    let Fair {
        all,
        nine,
        one,
        called_by_one,
    } = scene;
    let database = &all.database;
    let from: Timestamp = after(SystemClock.now(), AHEAD + SUBMITTING * seconds);
    let opened = open(&database.url).await?;
    let light = LIGHT * usize::try_from(seconds)?;
    let apart = Duration::from_secs(1) / u32::try_from(LIGHT)?;
    submit(&opened.opened, nine, light, from, apart).await?;
    for second in 0..seconds {
        let burst = after(from, Duration::from_secs(u64::from(second)));
        submit(&opened.opened, one, heavy, burst, Duration::ZERO).await?;
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
    called_once(called_by_one, heavy * usize::try_from(seconds)?).await?;
    Ok(called_once(&mut all.sink, light).await?.p99)
}
