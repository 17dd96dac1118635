//! `growth`: whether `execute` and `lateness` stay what they are while endpoints and finished runs become many.
//!
//! One database grows step by step; at each step both are measured, spread over all the endpoints that there are. So that
//! an hour's drift of the machine is not taken for growth, `execute` counts in single-row commits of the same minute: what
//! one run costs of them at the worst step, over the best. Lateness is the p99 in milliseconds at 100 runs a second, likewise:
//! the median of those of five seconds each, as a moment in which the disk stalls is no growth.

mod history;

use std::time::Duration;

use anyhow::Result;
use baton_domain::time::{Clock as _, after};
use baton_runtime::clock::SystemClock;

use super::{execute::execute_once, lateness::at_rate, real::Scene};
use history::{History, ROW_BYTES};

use crate::{
    figure::Figure,
    population::{Owned, Population, open},
    scheduler::sink,
    stage::Stage,
};

const USERS: usize = 100;
const RUNS: usize = 60_000;
const RATE: usize = 100;
/// Runs of a sample of lateness: 30 seconds.
const LATE: usize = 3_000;
/// The first endpoint comes due by itself long after all is over, the others each a little later.
const FIRST: Duration = Duration::from_secs(12 * 3_600);
const APART: Duration = Duration::from_millis(10);
const INTERVAL: Duration = Duration::from_secs(24 * 3_600);
/// Bytes that an endpoint takes, with its state, its plan row and their indexes.
const ENDPOINT_BYTES: usize = 1_500;
/// Gigabytes for the log and for what is measured.
const BESIDE: u64 = 5;

/// What stands in the database.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub endpoints: usize,
    /// Finished runs, of the days before today.
    pub history: usize,
}

const STEPS: [Step; 5] = [
    step(1_000, 0),
    step(100_000, 0),
    step(1_000_000, 0),
    step(1_000_000, 5_000_000),
    step(1_000_000, 20_000_000),
];
const QUICK: [Step; 3] = [step(1_000, 0), step(100_000, 0), step(100_000, 1_000_000)];

const fn step(endpoints: usize, history: usize) -> Step {
    Step { endpoints, history }
}

/// The steps of the table, or fewer and smaller ones when time is short.
pub async fn run(stage: &Stage) -> Result<Vec<Figure>> {
    let steps: &[Step] = if stage.asked.quick { &QUICK } else { &STEPS };
    along(stage, steps).await
}

/// Steps of which each has at least as much as the one before.
pub async fn along(stage: &Stage, steps: &[Step]) -> Result<Vec<Figure>> {
    stage.server.require_room(room(steps))?;
    let mut grown = Grown::new(stage).await?;
    let mut points = Vec::new();
    for step in steps {
        grown.grow(*step).await?;
        points.push(grown.measure(stage).await?);
    }
    grown.scene.strike().await?;
    let costs: Vec<f64> = points.iter().map(Point::commits_a_run).collect();
    let lateness: Vec<f64> = points.iter().map(|point| point.lateness.value()).collect();
    let mut figures = vec![
        worst("growth-execute", "commits/run", &costs),
        worst("growth-lateness", "ms", &lateness),
    ];
    for Point { execute, lateness } in points {
        figures.extend([execute, lateness]);
    }
    Ok(figures)
}

/// The worst of what should be small, beside the best.
fn worst(name: &str, unit: &'static str, points: &[f64]) -> Figure {
    let worst = points.iter().copied().fold(f64::NAN, f64::max);
    let best = points.iter().copied().fold(f64::NAN, f64::min);
    Figure::alone(name, unit, vec![worst]).against("best", &[best])
}

/// Gigabytes that the largest step takes.
fn room(steps: &[Step]) -> u64 {
    let bytes = |step: &Step| step.history * ROW_BYTES + step.endpoints * ENDPOINT_BYTES;
    let most = steps.iter().map(bytes).max().unwrap_or_default();
    most as u64 / 1_000_000_000 + BESIDE
}

/// What one step came to.
struct Point {
    execute: Figure,
    lateness: Figure,
}

impl Point {
    fn commits_a_run(&self) -> f64 {
        self.execute.ratio().map_or(f64::NAN, f64::recip)
    }
}

/// The database, and how far it has grown.
struct Grown {
    scene: Scene,
    step: Step,
    history: History,
    all: Vec<Owned>,
}

impl Grown {
    async fn new(stage: &Stage) -> Result<Self> {
        let database = stage.database("growth").await?;
        let sink = sink(stage.folder()).await?;
        Ok(Self {
            scene: Scene {
                database,
                sink,
                endpoints: Vec::new(),
            },
            step: step(0, 0),
            history: History::none(),
            all: Vec::new(),
        })
    }

    async fn grow(&mut self, to: Step) -> Result<()> {
        if to.endpoints > self.step.endpoints {
            self.all = self.endpoints(to.endpoints).await?;
        }
        self.history.grow(&self.scene.database, to.history).await?;
        self.scene.database.execute("VACUUM ANALYZE").await?;
        self.step = to;
        Ok(())
    }

    async fn endpoints(&self, wanted: usize) -> Result<Vec<Owned>> {
        let population = Population {
            url: format!("http://{}/", self.scene.sink.address),
            interval: Some(INTERVAL),
            ..Population::dormant(USERS, wanted)
        };
        let due = after(SystemClock.now(), FIRST);
        let database = &self.scene.database;
        match self.step.endpoints {
            0 => {
                let open = open(&database.url).await?;
                population.copy(database, &open.opened, due, APART).await
            }
            there => population.grow(database, there, due, APART).await,
        }
    }

    async fn measure(&mut self, stage: &Stage) -> Result<Point> {
        Ok(Point {
            execute: self.execute(stage).await?,
            lateness: self.lateness(stage).await?,
        })
    }

    async fn execute(&self, stage: &Stage) -> Result<Figure> {
        let runs = stage.asked.runs_or(RUNS);
        let (database, endpoints) = (&self.scene.database, self.spread(runs));
        let open = open(&database.url).await?;
        let name = self.name("execute");
        let sample = async || execute_once(database, &open, &endpoints, runs).await;
        stage.beside_one(&name, "runs/s", database, sample).await
    }

    async fn lateness(&mut self, stage: &Stage) -> Result<Figure> {
        let runs = stage.asked.runs_or(LATE);
        self.scene.endpoints = self.spread(runs);
        let mut samples = Vec::new();
        for _ in 0..stage.asked.samples {
            let sample = at_rate(stage, &mut self.scene, RATE, (runs / RATE) as u64).await?;
            eprintln!("{}: {:?}", self.name("lateness"), sample.seen);
            samples.push(sample.seen.steady_p99);
        }
        Ok(Figure::alone(self.name("lateness"), "ms", samples))
    }

    /// Endpoints from one end to the other, as many as there are runs.
    fn spread(&self, runs: usize) -> Vec<Owned> {
        let apart = (self.all.len() / runs).max(1);
        self.all.iter().step_by(apart).cloned().collect()
    }

    fn name(&self, what: &str) -> String {
        format!("growth-{what}-{}-{}", self.step.endpoints, self.step.history)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_over_the_best() {
        let figure = worst("growth-execute", "commits/run", &[0.2, 0.1, 0.16]);
        assert_eq!(figure.ratio(), Some(2.0));
        assert!(!figure.passes());
    }

    #[test]
    fn steps_only_grow() {
        for steps in [&STEPS[..], &QUICK] {
            let grows = |pair: &[Step]| pair[0].endpoints <= pair[1].endpoints && pair[0].history <= pair[1].history;
            assert!(steps.windows(2).all(grows), "{steps:?}");
        }
    }
}
