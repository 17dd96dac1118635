//! Skipped rows: which times one stands for, and who is behind it.

use crate::{
    endpoint::{Overlap, Pause},
    governor::sample::{at, cron, endpoint, every, secs},
    hint::{Author, Instruction},
    run::{Cause, RunStatus, Source},
};

use super::world::{World, answered, succeeded};

const HOUR: i64 = 3_600;

#[test]
fn one_row_covers_all_times_that_passed_during_a_run() {
    let mut world = World::new(endpoint(cron("* * * * *")));
    world.go(60);
    world.run_for(200);
    let row = world.history.first().expect("a skipped row");
    assert_eq!(
        (row.status, row.cause, &row.source),
        (RunStatus::Skipped, Cause::Cron, &Source::BASELINE)
    );
    assert_eq!((row.planned_at, row.started_at), (at(120), None));
    assert_eq!(world.skipped(), [(at(120), at(240), 3, "overlap")]);
}

#[test]
fn what_an_outage_passed_over_is_coalesced_into_the_one_run() {
    let mut world = World::new(endpoint(every(60)));
    world.go(615);
    assert_eq!(world.run_for(1).planned_at, at(60));
    assert_eq!(world.skipped(), [(at(120), at(600), 9, "overlap")]);
    assert_eq!(world.planned(), Some((at(660), Cause::Interval)));
}

#[test]
fn a_week_of_a_fast_endpoint_is_one_row() {
    let mut world = World::new(endpoint(every(1)));
    world.go(7 * 24 * HOUR);
    world.run_for(1);
    let (first, last, count, _) = world.skipped()[0];
    assert_eq!((first, last), (at(2), at(7 * 24 * HOUR + 1)));
    assert_eq!(i64::from(count), 7 * 24 * HOUR);
}

#[test]
fn times_are_judged_by_the_hints_of_their_time() {
    // Hinted to 10 s until 100, then 60 s again; the run lasts from 10 to 200.
    let mut world = World::new(endpoint(every(60)));
    world.hint(Author::Planner, Instruction::Interval(secs(10)), 100);
    world.go(10);
    world.run_for(190);
    // 20 … 100 by the hint, 160 by the baseline.
    assert_eq!(world.skipped(), [(at(20), at(160), 10, "overlap")]);
    assert_eq!(world.planned(), Some((at(220), Cause::Interval)));
}

#[test]
fn a_hint_written_during_a_run_splits_the_account() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.claim();
    world.go(190);
    world.hint(Author::Planner, Instruction::Interval(secs(30)), HOUR);
    assert_eq!(world.skipped(), [(at(120), at(180), 2, "overlap")]);
    world.go(245);
    world.report(&succeeded());
    assert_eq!(world.skipped()[1..], [(at(210), at(240), 2, "overlap")]);
}

#[test]
fn a_hint_written_during_an_outage_leaves_the_due_time_and_records_the_rest() {
    let mut world = World::new(endpoint(every(60)));
    world.go(200);
    world.hint(Author::Planner, Instruction::Interval(secs(30)), HOUR);
    assert_eq!(world.skipped(), [(at(120), at(180), 2, "coalesced")]);
    assert_eq!(world.run_for(1).planned_at, at(60));
    assert_eq!(world.planned(), Some((at(210), Cause::HintInterval)));
}

#[test]
fn a_hinted_time_that_came_due_during_a_one_shot_waits_though_its_hint_expires() {
    let mut world = World::new(endpoint(every(3_600)));
    world.hint(Author::Planner, Instruction::Interval(secs(90)), 120);
    world.hint(Author::Planner, Instruction::OneShot(at(70)), 80);
    world.go(70);
    assert_eq!(world.run_for(230).cause, Cause::HintOneShot);
    assert_eq!(world.planned(), Some((at(90), Cause::HintInterval)));
    world.run_for(1);
    assert_eq!(world.planned(), Some((at(3_690), Cause::Interval)));
}

#[test]
fn a_cadence_time_that_falls_due_during_a_step_goes_before_the_steps_that_wait() {
    let mut world = World::new(endpoint(every(60)));
    world.go(50);
    world.add_step();
    world.add_step();
    world.run_for(40);
    assert_eq!(world.claim().map(|run| run.cause), Some(Cause::Interval));
}

#[test]
fn a_claim_shortly_before_a_hinted_time_moves_it() {
    let mut endpoint = endpoint(every(3_600));
    endpoint.min_interval = secs(30);
    let mut world = World::new(endpoint);
    world.hint(Author::Planner, Instruction::Interval(secs(60)), HOUR);
    world.go(50);
    world.add_step();
    // Whether the step ends before or after the hinted time.
    world.run_for(40);
    assert_eq!(world.planned(), Some((at(80), Cause::HintInterval)));
    world.run_for(1);
    assert_eq!(world.planned(), Some((at(140), Cause::HintInterval)));
    world.go(130);
    world.add_step();
    world.run_for(5);
    assert_eq!(world.planned(), Some((at(160), Cause::HintInterval)));
    assert_eq!(world.skipped(), []);
}

#[test]
fn the_backoff_counts_from_the_last_time_that_passed() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.claim();
    world.go(130);
    world.report(&answered(404));
    // 120 was due while it ran; the backoff comes after it.
    assert_eq!(world.skipped(), [(at(120), at(120), 1, "overlap")]);
    assert_eq!(world.planned(), Some((at(240), Cause::Interval)));
}

#[test]
fn a_void_hint_does_not_make_the_times_under_it_due() {
    // Slowed to 240 until 150: the baseline's 60 runs at 150; 120 was not due.
    let mut world = World::new(endpoint(every(60)));
    world.hint(Author::Planner, Instruction::Interval(secs(240)), 150);
    world.go(150);
    assert_eq!(world.run_for(40).planned_at, at(60));
    assert_eq!(world.skipped(), [(at(180), at(180), 1, "overlap")]);
}

#[test]
fn times_of_a_planners_pause_are_not_counted() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.claim();
    world.go(70);
    world.hint(Author::Planner, Instruction::Pause, 310);
    world.go(400);
    world.report(&succeeded());
    assert_eq!(world.skipped(), [(at(360), at(360), 1, "overlap")]);
}

#[test]
fn a_lost_run_still_accounts_for_what_passed_before_the_loss() {
    let mut world = World::new(endpoint(every(15)));
    world.go(15);
    world.claim();
    world.go(40);
    world.lose();
    world.claim();
    world.go(50);
    world.report(&succeeded());
    assert_eq!(world.skipped(), [(at(30), at(45), 2, "overlap")]);
}

#[test]
fn a_pause_within_the_same_instant_as_a_due_time_counts_it_once() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.change(|schedule, now, dice| schedule.pause(Pause::UntilResumed, now, dice));
    world.change(|schedule, now, dice| schedule.resume(now, dice));
    assert_eq!(world.skipped(), [(at(60), at(60), 1, "paused")]);
    assert_eq!(world.planned(), Some((at(120), Cause::Interval)));
}

#[test]
fn a_time_that_came_due_behind_a_cadence_run_waits_from_the_end_of_another_run_on() {
    let mut roomy = endpoint(every(10));
    roomy.overlap = Overlap::Allow { max_concurrency: 2 };
    let mut world = World::new(roomy.clone());
    world.go(10);
    world.claim();
    world.add_extra(Source::MANUAL, Cause::Manual);
    world.claim();
    roomy.overlap = Overlap::Queue;
    world.change(|schedule, now, dice| schedule.redefine(roomy, now, dice));
    world.go(25);
    world.report_of(1, &succeeded());
    assert_eq!(world.planned(), Some((at(20), Cause::Interval)));
}
