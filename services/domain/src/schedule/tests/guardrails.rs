//! Verdicts on a planner's hints: clamped, cooldown, starve; and what repeating or replacing a hint keeps.

use std::time::Duration;

use crate::{
    endpoint::Baseline,
    governor::sample::{at, cron, endpoint, every, secs},
    hint::{Author, Hint, Instruction},
    limits::PlanLimits,
    run::Cause,
    schedule::{HintVerdict, pause_cap},
};

use super::world::{World, succeeded};

const HOUR: i64 = 3_600;
const PLANNER: Author = Author::Planner;

fn gap(seconds: u64) -> Instruction {
    Instruction::Interval(secs(seconds))
}

fn clamped(asked: u64, effective: u64) -> HintVerdict {
    HintVerdict::Clamped {
        asked: secs(asked),
        effective: secs(effective),
    }
}

fn cooled(baseline: Baseline, cooldown: u64) -> World {
    let mut endpoint = endpoint(baseline);
    endpoint.cooldown = Some(secs(cooldown));
    World::new(endpoint)
}

#[test]
fn intervals_out_of_range_are_clamped_for_planners_and_people() {
    for author in [Author::Planner, Author::Person] {
        let mut world = World::new(endpoint(every(60)));
        assert_eq!(world.hint(author, gap(500), HOUR), clamped(500, 240));
        assert_eq!(world.hint(author, gap(100), HOUR), HintVerdict::Accepted);
    }
}

#[test]
fn the_same_hint_again_keeps_its_id_and_written_time() {
    let mut world = World::new(endpoint(every(60)));
    world.hint(PLANNER, gap(10), 100);
    let before = world.schedule.hints[0].clone();
    world.go(5);
    world.hint(PLANNER, gap(10), 500);
    let moved = Hint {
        expires_at: at(500),
        ..before.clone()
    };
    assert_eq!(world.schedule.hints, [moved]);
    // Another value is another hint.
    world.hint(PLANNER, gap(11), 500);
    assert_ne!(world.schedule.hints[0].id, before.id);
    assert_eq!(world.schedule.hints[0].written_at, at(5));
}

#[test]
fn an_expired_hint_written_again_is_a_new_one() {
    let mut world = World::new(endpoint(every(60)));
    world.hint(PLANNER, gap(50), 20);
    let before = world.schedule.hints[0].id;
    world.go(30);
    world.hint(PLANNER, gap(50), 500);
    assert_ne!(world.schedule.hints[0].id, before);
}

#[test]
fn each_author_has_one_hint_of_each_kind() {
    let mut world = World::new(endpoint(every(60)));
    for author in [Author::Planner, Author::Person] {
        for gap in [secs(7), secs(8)] {
            world.hint(author, Instruction::Interval(gap), HOUR);
            world.hint(author, Instruction::OneShot(at(30) + gap), HOUR);
        }
    }
    assert_eq!(world.schedule.hints.len(), 4);
}

#[test]
fn cooldown_raises_a_gap_but_never_above_the_baseline() {
    assert_eq!(cooled(every(60), 30).hint(PLANNER, gap(10), HOUR), clamped(10, 30));
    assert_eq!(
        cooled(every(60), 90).hint(PLANNER, gap(10), HOUR),
        HintVerdict::Cooldown
    );
    assert_eq!(
        cooled(every(60), 90).hint(PLANNER, gap(90), HOUR),
        HintVerdict::Accepted
    );
    assert_eq!(
        cooled(cron("0 * * * *"), 90).hint(PLANNER, gap(10), HOUR),
        clamped(10, 90)
    );
    // People are not held to it.
    assert_eq!(
        cooled(every(60), 90).hint(Author::Person, gap(10), HOUR),
        HintVerdict::Accepted
    );
}

#[test]
fn cooldown_above_max_interval_cannot_be_kept() {
    let mut world = cooled(cron("0 * * * *"), 90);
    world.schedule.endpoint.max_interval = Some(secs(50));
    assert_eq!(world.hint(PLANNER, gap(10), HOUR), HintVerdict::Cooldown);
    assert!(world.schedule.hints.is_empty());
}

#[test]
fn the_pause_cap_is_four_intervals_between_a_quarter_and_a_full_hour() {
    let limits = PlanLimits::default();
    let caps = [(60, 900), (300, 1_200), (1_800, 3_600)];
    for (interval, cap) in caps {
        assert_eq!(pause_cap(&limits, &every(interval)), secs(cap));
    }
    assert_eq!(pause_cap(&limits, &Baseline::Dormant), secs(900));
    assert_eq!(pause_cap(&limits, &cron("0 * * * *")), secs(900));
}

#[test]
fn a_pause_that_is_extended_is_the_same_one() {
    let mut world = World::new(endpoint(every(60)));
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 600), HintVerdict::Accepted);
    world.go(500);
    // It began at ten and ends a quarter of an hour later at the latest.
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 1_100), clamped(600, 400));
    assert_eq!(world.planned(), Some((at(960), Cause::Interval)));
    world.go(899);
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 1_500), clamped(601, 1));
}

#[test]
fn a_pause_that_follows_a_slowing_hint_keeps_its_first_start() {
    let mut world = World::new(endpoint(every(60)));
    assert_eq!(world.hint(PLANNER, gap(240), HOUR), HintVerdict::Accepted);
    world.live_until(890, 1, |_| succeeded());
    world.go(890);
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 1_000), clamped(110, 10));
    world.go(950);
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 1_000), HintVerdict::Starve);
}

#[test]
fn after_a_slowing_has_ended_a_cadence_run_must_start_first() {
    let endings: [fn(&mut World); 3] = [
        |world| world.go(101),
        |world| assert_eq!(world.clear(Hint::is_pause), 1),
        |world| assert_eq!(world.clear(|hint| hint.author == PLANNER), 1),
    ];
    for end in endings {
        let mut world = World::new(endpoint(every(60)));
        world.hint(PLANNER, Instruction::Pause, 100);
        end(&mut world);
        for instruction in [Instruction::Pause, gap(90)] {
            assert_eq!(world.hint(PLANNER, instruction, HOUR), HintVerdict::Starve);
        }
        // A faster gap, a one-shot and a person's wish are no slowing.
        assert!(world.hint(PLANNER, gap(20), HOUR).is_in_force());
        assert!(world.hint(PLANNER, Instruction::OneShot(world.now), HOUR).is_in_force());
        assert!(world.hint(Author::Person, gap(90), 102).is_in_force());
        world.clear(|_| true);
        while world.times_of(Cause::Interval).is_empty() {
            let due = world.next_due().expect("the baseline").max(world.now);
            world.go_to(due);
            world.run_for(0);
        }
        assert_eq!(world.hint(PLANNER, Instruction::Pause, 900), HintVerdict::Accepted);
    }
}

#[test]
fn a_step_does_not_stand_in_for_the_cadence_run_that_is_owed() {
    let mut world = World::new(endpoint(every(60)));
    world.hint(PLANNER, Instruction::Pause, 70);
    world.go(71);
    world.add_step();
    world.run_for(1);
    assert_eq!(world.hint(PLANNER, Instruction::Pause, HOUR), HintVerdict::Starve);
}

#[test]
fn a_dormant_endpoint_owes_nothing_but_its_pause_is_capped() {
    let mut world = World::new(endpoint(Baseline::Dormant));
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 600), HintVerdict::Accepted);
    world.go(500);
    assert_eq!(world.hint(PLANNER, Instruction::Pause, HOUR), clamped(3_100, 400));
    world.go(901);
    assert_eq!(world.hint(PLANNER, Instruction::Pause, 1_000), HintVerdict::Accepted);
}

#[test]
fn a_cron_is_not_slowed_by_a_gap_and_a_pause_of_it_is_capped() {
    let mut world = World::new(endpoint(cron("*/10 * * * *")));
    assert_eq!(world.hint(PLANNER, gap(5_000), HOUR), HintVerdict::Accepted);
    assert_eq!(world.planned(), Some((at(600), Cause::Cron)));
    assert_eq!(world.hint(PLANNER, Instruction::Pause, HOUR), clamped(3_600, 900));
    assert_eq!(world.planned(), Some((at(1_200), Cause::Cron)));
}

#[test]
fn clearing_nothing_changes_nothing() {
    let mut world = World::new(endpoint(every(60)));
    let before = world.schedule.changes.len();
    assert_eq!(world.clear(|_| true), 0);
    assert_eq!(world.schedule.changes.len(), before);
}

#[test]
fn a_due_row_stands_when_hints_come_and_go() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.hint(PLANNER, Instruction::Pause, 600);
    world.hint(PLANNER, gap(240), HOUR);
    world.clear(|_| true);
    assert_eq!(world.planned(), Some((at(60), Cause::Interval)));
}

#[test]
fn a_due_one_shot_goes_when_it_is_cleared_or_replaced_and_stands_otherwise() {
    let world = || {
        let mut world = World::new(endpoint(every(600)));
        world.hint(PLANNER, Instruction::OneShot(at(30)), HOUR);
        world.go(40);
        world
    };
    let mut cleared = world();
    cleared.clear(|_| true);
    assert_eq!(cleared.planned(), Some((at(600), Cause::Interval)));
    let mut replaced = world();
    replaced.hint(PLANNER, Instruction::OneShot(at(90)), HOUR);
    assert_eq!(replaced.planned(), Some((at(90), Cause::HintOneShot)));
    let mut paused = world();
    paused.hint(PLANNER, Instruction::Pause, 300);
    assert_eq!(paused.planned(), Some((at(30), Cause::HintOneShot)));
}

#[test]
fn a_refused_hint_leaves_no_trace() {
    let mut world = cooled(every(60), 90);
    let before = world.schedule.state.clone();
    world.hint(PLANNER, Instruction::Interval(Duration::from_secs(10)), HOUR);
    assert_eq!((world.schedule.hints.len(), &world.schedule.state), (0, &before));
}
