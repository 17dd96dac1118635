//! What an earlier system got wrong, as far as one endpoint shows it.

use std::time::Duration;

use crate::{
    endpoint::{Baseline, Pause},
    governor::sample::{at, cron, endpoint, every, millis, secs},
    hint::{Author, Instruction},
    run::{Cause, RunStatus},
    schedule::HintVerdict,
};

use super::world::{World, answered, succeeded};

const HOUR: i64 = 3_600;

#[test]
fn sixty_second_interval_starts_once_a_minute() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.run_for(1);
    for early in [65, 119] {
        world.go(early);
        assert!(world.claim().is_none(), "started again at {early}");
    }
    world.go(120);
    assert_eq!(world.claim().map(|run| run.planned_at), Some(at(120)));
}

#[test]
fn daily_cron_created_an_hour_early_runs_exactly_once() {
    let mut world = World::new(endpoint(cron("0 11 * * *")));
    world.go_to(millis(3_599_999));
    assert!(world.claim().is_none());
    world.live_until(23 * HOUR, 2, |_| succeeded());
    assert_eq!(world.times_of(Cause::Cron), [at(HOUR)]);
    assert_eq!(world.planned(), Some((at(25 * HOUR), Cause::Cron)));
}

#[test]
fn one_shot_runs_once_is_used_up_and_leaves_the_interval_hint_beside_it() {
    let mut world = World::new(endpoint(every(3_600)));
    world.hint(Author::Planner, Instruction::Interval(secs(1_800)), 2 * HOUR);
    world.hint(Author::Planner, Instruction::OneShot(at(60)), HOUR);
    world.live_until(100, 2, |_| succeeded());
    assert_eq!(world.times_of(Cause::HintOneShot), [at(60)]);
    let kinds: Vec<_> = world
        .schedule
        .hints
        .iter()
        .map(|hint| hint.instruction.kind())
        .collect();
    assert_eq!(kinds, ["interval"]);
}

#[test]
fn the_hourly_run_comes_at_its_hour_after_a_one_shot() {
    let mut world = World::new(endpoint(every(3_600)));
    world.hint(Author::Planner, Instruction::OneShot(at(60)), HOUR);
    world.live_until(2 * HOUR, 2, |_| succeeded());
    assert_eq!(world.times_of(Cause::HintOneShot), [at(60)]);
    assert_eq!(world.times_of(Cause::Interval), [at(HOUR)]);
}

#[test]
fn one_shot_written_while_running_runs_afterwards_though_its_life_has_ended() {
    let mut world = World::new(endpoint(every(300)));
    world.go(300);
    world.claim();
    world.go(310);
    world.hint(Author::Planner, Instruction::OneShot(at(320)), 330);
    world.go(340);
    world.report(&succeeded());
    assert_eq!(world.planned(), Some((at(340), Cause::HintOneShot)));
    world.run_for(1);
    assert_eq!(world.planned(), Some((at(600), Cause::Interval)));
}

#[test]
fn one_shot_that_comes_due_after_its_life_does_not_run() {
    let mut world = World::new(endpoint(every(300)));
    world.schedule.endpoint.min_interval = secs(60);
    world.go(300);
    world.claim();
    // Moved to 360, a minute after the run in flight; dead by then.
    world.hint(Author::Planner, Instruction::OneShot(at(320)), 330);
    world.go(400);
    world.report(&succeeded());
    assert_eq!(world.planned(), Some((at(600), Cause::Interval)));
    assert!(world.schedule.hints.is_empty());
}

#[test]
fn one_shot_that_waits_in_the_plan_row_outlives_its_life() {
    let mut world = World::new(endpoint(every(300)));
    world.hint(Author::Person, Instruction::OneShot(at(50)), 60);
    // Nobody claimed it in time; something unrelated is written.
    world.go(90);
    world.hint(Author::Planner, Instruction::Interval(secs(200)), HOUR);
    world.go(95);
    assert_eq!(world.claim().map(|run| run.cause), Some(Cause::HintOneShot));
}

#[test]
fn a_hint_written_at_the_moment_a_run_ends_is_never_lost() {
    for hint_first in [true, false] {
        let mut world = World::new(endpoint(every(300)));
        world.go(300);
        world.claim();
        world.go(310);
        if hint_first {
            world.hint(Author::Planner, Instruction::OneShot(at(310)), 400);
        }
        world.report(&succeeded());
        if !hint_first {
            world.hint(Author::Planner, Instruction::OneShot(at(310)), 400);
        }
        assert_eq!(world.planned(), Some((at(310), Cause::HintOneShot)));
        assert_eq!(world.run_for(1).cause, Cause::HintOneShot);
    }
}

#[test]
fn five_minute_endpoint_hinted_to_now_can_be_claimed_at_once() {
    for instruction in [Instruction::OneShot(at(310)), Instruction::Interval(secs(2))] {
        let mut world = World::new(endpoint(every(300)));
        world.go(300);
        world.run_for(10);
        world.hint(Author::Planner, instruction, 400);
        assert_eq!(world.claim().map(|run| run.planned_at), Some(at(310)));
    }
}

#[test]
fn a_step_every_four_minutes_leaves_a_five_minute_endpoint_its_twelve_runs() {
    let mut world = World::new(endpoint(every(300)));
    for step in 0..15 {
        world.live_until(step * 240, 70, |_| succeeded());
        if at(step * 240) > world.now {
            world.go(step * 240);
        }
        world.add_step();
    }
    world.live_until(HOUR + 71, 70, |_| succeeded());
    let expected: Vec<_> = (1..=12).map(|run| at(run * 300)).collect();
    assert_eq!(world.times_of(Cause::Interval), expected);
    assert_eq!(world.skipped(), []);
}

#[test]
fn a_call_longer_than_the_interval_keeps_the_phase_and_records_what_it_missed() {
    let mut world = World::new(endpoint(every(15)));
    world.live_until(75, 20, |_| succeeded());
    assert_eq!(world.times_of(Cause::Interval), [at(15), at(45)]);
    assert_eq!(
        world.skipped(),
        [(at(30), at(30), 1, "overlap"), (at(60), at(60), 1, "overlap")]
    );
    assert_eq!(world.planned(), Some((at(75), Cause::Interval)));
}

#[test]
fn four_failures_and_a_success() {
    let mut world = World::new(endpoint(every(60)));
    // 404 ends a run at once.
    world.live_until(1_861, 1, |run| {
        answered(if run.planned_at == at(1_860) { 200 } else { 404 })
    });
    let expected = [60, 180, 420, 900, 1_860].map(at);
    assert_eq!(world.times_of(Cause::Interval), expected);
    assert_eq!(world.planned(), Some((at(1_920), Cause::Interval)));
}

#[test]
fn any_success_ends_the_backoff() {
    let mut world = World::new(endpoint(every(60)));
    world.live_until(200, 1, |_| answered(404));
    assert_eq!(world.planned(), Some((at(420), Cause::Interval)));
    world.go(250);
    world.add_step();
    world.run_for(1);
    // The first phase time that has not run is due now; none before it was due under the backoff.
    assert_eq!(world.planned(), Some((at(240), Cause::Interval)));
    world.run_for(1);
    assert_eq!(world.skipped(), []);
}

#[test]
fn interval_hint_and_one_shot_keep_their_own_life_and_reason() {
    let mut world = World::new(endpoint(every(3_600)));
    world.hint(Author::Planner, Instruction::Interval(secs(600)), HOUR);
    world.hint(Author::Planner, Instruction::OneShot(at(30)), 60);
    let lives: Vec<_> = world.schedule.hints.iter().map(|hint| hint.expires_at).collect();
    assert_eq!(lives, [at(HOUR), at(60)]);
    world.live_until(HOUR + 1, 1, |_| succeeded());
    assert_eq!(world.times_of(Cause::HintInterval).len(), 6);
}

#[test]
fn pause_of_a_day_written_during_a_run_and_resumed() {
    let mut world = World::new(endpoint(every(300)));
    world.go(300);
    world.claim();
    world.go(305);
    world.change(|schedule, now, dice| schedule.pause(Pause::Until(at(24 * HOUR)), now, dice));
    world.go(310);
    assert_eq!(world.report(&succeeded()), RunStatus::Succeeded);
    assert_eq!(world.planned(), Some((at(24 * HOUR + 300), Cause::Interval)));
    world.go(1_000);
    world.change(|schedule, now, dice| schedule.resume(now, dice));
    assert_eq!(world.planned(), Some((at(1_200), Cause::Interval)));
    assert_eq!(world.skipped(), []);
}

#[test]
fn a_run_keeps_the_cause_that_set_its_time() {
    // The hint expires between planning and start.
    let mut world = World::new(endpoint(every(300)));
    world.hint(Author::Planner, Instruction::Interval(secs(100)), 110);
    world.go(120);
    assert_eq!(
        world.claim().map(|run| (run.planned_at, run.cause)),
        Some((at(100), Cause::HintInterval))
    );
    // Another arrives between planning and start.
    let mut world = World::new(endpoint(every(300)));
    world.go(301);
    world.hint(Author::Planner, Instruction::Interval(secs(100)), HOUR);
    assert_eq!(
        world.claim().map(|run| (run.planned_at, run.cause)),
        Some((at(300), Cause::Interval))
    );
}

#[test]
fn a_dormant_endpoint_runs_only_when_told() {
    let mut world = World::new(endpoint(Baseline::Dormant));
    assert_eq!(world.planned(), None);
    world.hint(Author::Planner, Instruction::OneShot(at(30)), 60);
    world.live_until(HOUR, 1, |_| succeeded());
    assert_eq!((world.history.len(), world.planned()), (1, None));
}

#[test]
fn a_hint_is_bounded_by_time_alone() {
    let mut world = World::new(endpoint(every(60)));
    let verdict = world.hint(Author::Planner, Instruction::Interval(Duration::ZERO), 10);
    let (asked, effective) = (Duration::ZERO, secs(1));
    assert_eq!(verdict, HintVerdict::Clamped { asked, effective });
    world.live_until(121, 0, |_| succeeded());
    assert_eq!(world.times_of(Cause::HintInterval).len(), 10);
    assert_eq!(world.times_of(Cause::Interval), [at(70)]);
}
