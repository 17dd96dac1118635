//! What must hold whatever was planned, judged from the runs alone.

use std::time::Duration;

use baton_domain::{
    ids::EndpointId,
    limits::PlanLimits,
    run::{Cause, Run, Source},
    time::{Timestamp, elapsed},
};
use proptest::prelude::*;

use crate::stage::{COOLDOWNS, DORMANT, FREQUENT, GUARDED, INTERVALS, MIN_INTERVAL_S, PAUSED, Stage, secs};

/// What the looks of the engine and the moments between moves add to a gap.
const SLACK: Duration = Duration::from_secs(10);

pub async fn hold(stage: &Stage) -> Result<(), TestCaseError> {
    let runs = stage.started().await;
    let of = |id: EndpointId| runs.iter().filter(move |run| run.endpoint_id == id);
    for id in stage.foreign.iter().chain([&stage.own[PAUSED]]) {
        let touched = of(*id).find(|run| run.source == Source::AI_HINT);
        prop_assert!(touched.is_none(), "a planner may not touch it: {touched:?}");
    }
    let sleeper = of(stage.own[DORMANT]).find(|run| run.source != Source::AI_HINT);
    prop_assert!(sleeper.is_none(), "it wakes only when told: {sleeper:?}");
    for number in [FREQUENT, GUARDED, DORMANT] {
        let own: Vec<&Run> = of(stage.own[number]).collect();
        keeps_its_distance(&own)?;
        keeps_its_cooldown(&own, COOLDOWNS[number])?;
    }
    for number in [FREQUENT, GUARDED] {
        let interval = secs(INTERVALS[number].unwrap_or_default());
        is_not_starved(of(stage.own[number]), interval, &stage.world)?;
    }
    stays_within_the_budget(&runs)
}

/// A planned time that a hint gave is at least min_interval after that of the run before. Of runs that started at one look
/// nobody can tell which was before.
fn keeps_its_distance(runs: &[&Run]) -> Result<(), TestCaseError> {
    for pair in runs.windows(2).filter(|pair| start(pair[0]) < start(pair[1])) {
        let hinted = matches!(pair[1].cause, Cause::HintInterval | Cause::HintOneShot);
        let gap = elapsed(pair[0].planned_at, pair[1].planned_at);
        prop_assert!(!hinted || gap >= secs(MIN_INTERVAL_S), "{gap:?} between {pair:?}");
    }
    Ok(())
}

/// Between starts of steps lies the cooldown.
fn keeps_its_cooldown(runs: &[&Run], cooldown: Option<u64>) -> Result<(), TestCaseError> {
    let Some(cooldown) = cooldown.map(secs) else {
        return Ok(());
    };
    let steps: Vec<&&Run> = runs.iter().filter(|run| run.cause == Cause::PlanStep).collect();
    for pair in steps.windows(2) {
        let gap = elapsed(start(pair[0]), start(pair[1]));
        prop_assert!(gap >= cooldown, "{gap:?} between {pair:?}");
    }
    Ok(())
}

/// The gap between cadence runs is at most twice the slowest hint, plus the longest pause.
fn is_not_starved<'a>(
    runs: impl Iterator<Item = &'a Run>,
    interval: Duration,
    world: &baton_domain::fixtures::contract::World,
) -> Result<(), TestCaseError> {
    let limits = PlanLimits::default();
    let pause = limits.pause_ceiling.min(limits.pause_floor.max(interval * 4));
    let bound = interval * 8 + pause + SLACK;
    let cadence = |run: &&Run| matches!(run.cause, Cause::Interval | Cause::HintInterval);
    let mut times: Vec<Timestamp> = runs.filter(cadence).map(start).collect();
    times.insert(0, baton_domain::fixtures::contract::World::start());
    times.push(baton_domain::time::Clock::now(world.clock.as_ref()));
    for pair in times.windows(2) {
        let gap = elapsed(pair[0], pair[1]);
        prop_assert!(gap <= bound, "{gap:?} without a cadence run, at most {bound:?}");
    }
    Ok(())
}

/// Of steps and one-shots no hour has more than its budget.
fn stays_within_the_budget(runs: &[Run]) -> Result<(), TestCaseError> {
    let charged: Vec<Timestamp> = runs
        .iter()
        .filter(|run| matches!(run.cause, Cause::PlanStep | Cause::HintOneShot))
        .map(start)
        .collect();
    let limits = PlanLimits::default();
    // What was charged in one hour may start up to the longest delay later.
    let window = limits.budget_window - limits.step_delay_max;
    for (position, first) in charged.iter().enumerate() {
        let within = charged[position..]
            .iter()
            .take_while(|at| elapsed(*first, **at) < window);
        prop_assert!(within.count() <= 2 * limits.steps_per_window as usize);
    }
    Ok(())
}

fn start(run: &Run) -> Timestamp {
    run.started_at.unwrap_or(run.planned_at)
}
