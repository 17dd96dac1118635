//! `planner`: how soon a changed signal reaches the model, and how soon its answer reaches an endpoint.
//!
//! A scheduler's and a planner's own process, and in this one a model server that answers at once. Asked: the arrival of
//! the question minus the sale's `update_time`, which is the database's clock at the beginning of the transaction that
//! commits the signal; started: the arrival of the call at its receiver minus the moment before the answer is sent. Both
//! overstate: a commit is in the one, the claim of the run and its call in the other.
//!
//! The planner asks without a debounce, as the default of 100 ms would be all that is seen. Budgets are raised: a planner is
//! held to 60 asks of a job an hour, and here it asks several times a second. The share of the scheduler's time that is a
//! planner's is as by default, so the signal changes no more often than that lets the planner follow.

mod model;
mod scene;

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval};

use crate::{figure::Figure, spread::Spread, stage::Stage};
use model::Model;
use scene::Scene;

const ROUNDS: u32 = 150;
/// From one change of the signal to the next.
const ROUND: Duration = Duration::from_millis(400);

pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let rounds = if stage.asked.quick { ROUNDS / 3 } else { ROUNDS };
    let (mut asked, mut started) = (Vec::new(), Vec::new());
    for number in 1..=stage.asked.samples {
        let sample = once(stage, rounds).await?;
        eprintln!(
            "planner: sample {number} of {}: asked {:?}, started {:?}",
            stage.asked.samples, sample.asked, sample.started
        );
        asked.push(sample.asked);
        started.push(sample.started);
    }
    Ok([("asked", asked), ("started", started)]
        .into_iter()
        .flat_map(|(name, spreads)| figures(name, &spreads))
        .collect())
}

fn figures(name: &str, spreads: &[Spread]) -> [Figure; 3] {
    let figure = |which: &str, of: fn(&Spread) -> f64| {
        Figure::alone(
            format!("planner-{name}-{which}"),
            "ms",
            spreads.iter().map(of).collect(),
        )
    };
    [
        figure("p50", |spread| spread.p50),
        figure("p99", |spread| spread.p99),
        figure("max", |spread| spread.max),
    ]
}

struct Sample {
    asked: Spread,
    started: Spread,
}

/// A sale whose signal changes so often. Each round ends when the model has heard that its plan is over.
async fn once(stage: &Stage, rounds: u32) -> Result<Sample> {
    let mut model = Model::start().await?;
    let scene = Scene::set(stage, &model).await?;
    model.asked("sale-started").await?;
    let (mut asked, mut started) = (Vec::new(), Vec::new());
    let mut ticks = interval(ROUND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for round in 1..=rounds {
        ticks.tick().await;
        let changed = scene.change_signal(f64::from(round)).await?;
        let ask = model.asked("signal-changed").await?;
        asked.push(ask.at.timestamp_micros() - changed.timestamp_micros());
        let called = model.called().await?;
        started.push(called.timestamp_micros() - ask.answered.timestamp_micros());
        model.asked("plan-finished").await?;
    }
    scene.strike().await.context("the planner's scene")?;
    Ok(Sample {
        asked: Spread::of(asked),
        started: Spread::of(started),
    })
}
