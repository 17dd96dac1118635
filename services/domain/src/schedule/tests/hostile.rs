//! Whatever a planner writes, in whatever order: guardrails, pause cap and lives hold.

use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;

use crate::{
    endpoint::Baseline,
    governor::{self, sample::*},
    hint::{Author, Instruction},
    limits::PlanLimits,
    run::Cause,
    schedule::pause_cap,
    time::{Timestamp, after},
};

use super::world::{World, succeeded};

#[derive(Debug, Clone)]
struct Wish {
    wait: i64,
    instruction: Instruction,
    life: Duration,
    /// Claim what is due and let it succeed first.
    run: bool,
}

fn wish() -> impl Strategy<Value = Wish> {
    let any_gap = prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..2_000_000_u64).prop_map(Duration::from_millis)
    ];
    let any_time = prop_oneof![
        Just(Timestamp::MIN_UTC),
        Just(Timestamp::MAX_UTC),
        (-900_000..3_600_000_i64).prop_map(millis)
    ];
    let instruction = prop_oneof![
        2 => any_gap.prop_map(Instruction::Interval),
        1 => any_time.prop_map(Instruction::OneShot),
        2 => Just(Instruction::Pause),
    ];
    let life = prop_oneof![
        (1..90_000_u64).prop_map(Duration::from_millis),
        (1..90_000_u64).prop_map(secs)
    ];
    (0..120_000_i64, instruction, life, any::<bool>()).prop_map(|(wait, instruction, life, run)| Wish {
        wait,
        instruction,
        life,
        run,
    })
}

/// Since when the planner has been slowing the endpoint down without a break, as a bystander sees it.
fn watch_slowing(world: &World, since: Option<Timestamp>) -> Option<Timestamp> {
    let endpoint = &world.schedule.endpoint;
    let slows = |instruction: &Instruction| match instruction {
        Instruction::Interval(gap) => endpoint
            .interval()
            .is_some_and(|own| endpoint.clamp_hint_interval(*gap) > own),
        Instruction::OneShot(_) => false,
        Instruction::Pause => true,
    };
    let mut live = world.schedule.hints.iter().filter(|hint| hint.expires_at > world.now);
    live.any(|hint| slows(&hint.instruction))
        .then(|| since.unwrap_or(world.now))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn hostile_hints_stay_within_bounds(
        interval in 1..600_u64,
        divisor in 1..10_u32,
        max_factor in proptest::option::of(1..10_u32),
        cooldown in proptest::option::of(1..900_u64),
        wishes in proptest::collection::vec(wish(), 1..20),
    ) {
        let mut endpoint = endpoint(Baseline::Interval(secs(interval)));
        endpoint.min_interval = secs(interval) / divisor;
        endpoint.max_interval = max_factor.map(|factor| secs(interval) * factor / 2).map(|max| max.max(endpoint.min_interval));
        endpoint.cooldown = cooldown.map(secs);
        let cap = pause_cap(&PlanLimits::default(), &endpoint.baseline);
        let slowest = endpoint.hint_interval_max().max(secs(interval));
        let mut world = World::new(endpoint);
        let mut slowed_since = None;
        for wish in wishes {
            world.go_to(world.now + TimeDelta::milliseconds(wish.wait));
            slowed_since = watch_slowing(&world, slowed_since);
            if wish.run && world.claim().is_some() {
                world.report(&succeeded());
            }
            let expires_at = after(world.now, wish.life);
            let before = world.schedule.hints.clone();
            let verdict = world.hint_until(Author::Planner, wish.instruction, expires_at);
            slowed_since = watch_slowing(&world, slowed_since);

            prop_assert!(verdict.is_in_force() || world.schedule.hints == before, "a refused hint leaves no trace");
            for kind in ["interval", "one-shot", "pause"] {
                let of_kind: Vec<_> = world.schedule.hints.iter().filter(|hint| hint.instruction.kind() == kind).collect();
                prop_assert!(of_kind.len() <= 1);
                if kind == wish.instruction.kind() && verdict.is_in_force() {
                    prop_assert!(of_kind.iter().all(|hint| hint.expires_at <= expires_at), "no life beyond what was asked");
                }
            }
            for pause in world.schedule.hints.iter().filter(|hint| hint.is_pause()) {
                let latest = slowed_since.map(|since| after(since, cap));
                prop_assert!(latest.is_none_or(|latest| pause.expires_at <= latest.max(world.now)), "{pause:?} {latest:?}");
            }
            let runs = governor::preview(world.schedule.inputs(), world.now, 4);
            for pair in runs.windows(2) {
                if let [earlier, later] = pair && later.cause == Cause::HintInterval {
                    let gap = (later.planned_at - earlier.planned_at).to_std().unwrap_or_default();
                    prop_assert!(gap >= world.schedule.endpoint.min_interval);
                }
            }
            // An idle endpoint always has a next run, no further away than what slows it allows.
            let next = world.planned().map(|(at, _)| at);
            prop_assert!(next.is_some_and(|next| next <= after(world.now, cap + slowest)), "{next:?}");
        }
    }
}
