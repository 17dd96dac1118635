//! What must hold whatever was planned, judged from the scheduler's own account of runs.

use std::time::{Duration, SystemTime};

use baton_proto::v1::{Cause, Run};

use super::Target;

pub const MIN_INTERVAL_MS: u64 = 200;

/// One endpoint of every target.
pub struct Shape {
    pub interval_ms: Option<u64>,
    pub cooldown_ms: Option<u64>,
    pub paused: bool,
}

pub const SHAPES: [Shape; 4] = [
    Shape {
        interval_ms: Some(1_000),
        cooldown_ms: None,
        paused: false,
    },
    Shape {
        interval_ms: Some(5_000),
        cooldown_ms: Some(4_000),
        paused: false,
    },
    Shape {
        interval_ms: None,
        cooldown_ms: Some(3_000),
        paused: false,
    },
    Shape {
        interval_ms: Some(2_000),
        cooldown_ms: None,
        paused: true,
    },
];
/// Between a planned time and its start on a busy machine.
const SLACK: Duration = Duration::from_secs(5);
/// The longest pause at the test's time compression.
const PAUSE: Duration = Duration::from_secs(6);

/// The endpoints that run by themselves.
pub fn with_baseline(targets: &[Target]) -> Vec<String> {
    let shaped = targets.iter().flat_map(|target| target.endpoints.iter().zip(&SHAPES));
    let running = shaped.filter(|(_, shape)| shape.interval_ms.is_some() && !shape.paused);
    running.map(|(id, _)| id.clone()).collect()
}

pub fn hold(runs: &[Run], targets: &[Target], bystanders: &[String]) {
    let told = runs.iter().filter(|run| run.source == "ai-hint");
    for run in told {
        assert!(!bystanders.contains(&run.endpoint_id), "a stranger's endpoint: {run:?}");
        let target = targets
            .iter()
            .find(|target| target.endpoints.contains(&run.endpoint_id));
        let target = target.expect("every other endpoint is a target's");
        assert_eq!(run.job_id.as_ref(), Some(&target.job));
    }
    for target in targets {
        for (id, shape) in target.endpoints.iter().zip(&SHAPES) {
            let mut own: Vec<&Run> = runs
                .iter()
                .filter(|run| run.endpoint_id == *id && run.start_time.is_some())
                .collect();
            own.sort_by_key(|run| started(run));
            keeps_its_bounds(&own, shape);
        }
    }
}

fn keeps_its_bounds(runs: &[&Run], shape: &Shape) {
    if shape.paused {
        assert!(runs.is_empty(), "a person paused it: {runs:?}");
        return;
    }
    for pair in runs.windows(2) {
        let hinted = matches!(pair[1].cause(), Cause::HintInterval | Cause::HintOneshot);
        let gap = planned(pair[1]).duration_since(planned(pair[0])).unwrap_or_default();
        assert!(
            !hinted || gap >= Duration::from_millis(MIN_INTERVAL_MS),
            "{gap:?} between {pair:?}"
        );
    }
    let steps: Vec<&&Run> = runs.iter().filter(|run| run.cause() == Cause::PlanStep).collect();
    for pair in steps.windows(2) {
        let gap = started(pair[1]).duration_since(started(pair[0])).unwrap_or_default();
        let cooldown = Duration::from_millis(shape.cooldown_ms.unwrap_or_default());
        assert!(gap >= cooldown, "{gap:?} between {pair:?}");
    }
    let Some(interval) = shape.interval_ms.map(Duration::from_millis) else {
        assert!(
            runs.iter().all(|run| run.source == "ai-hint"),
            "it wakes only when told"
        );
        return;
    };
    let cadence: Vec<&&Run> = runs
        .iter()
        .filter(|run| matches!(run.cause(), Cause::Interval | Cause::HintInterval))
        .collect();
    for pair in cadence.windows(2) {
        let gap = started(pair[1]).duration_since(started(pair[0])).unwrap_or_default();
        let bound = interval * 8 + PAUSE + SLACK;
        assert!(
            gap <= bound,
            "{gap:?} without a cadence run, at most {bound:?}: {pair:?}"
        );
    }
}

fn started(run: &Run) -> SystemTime {
    run.start_time
        .and_then(|time| time.try_into().ok())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

fn planned(run: &Run) -> SystemTime {
    run.planned_time
        .and_then(|time| time.try_into().ok())
        .unwrap_or(SystemTime::UNIX_EPOCH)
}
