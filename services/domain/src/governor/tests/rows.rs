//! Rows 1 to 5 and 8: what runs next, and why.

use std::time::Duration;

use crate::{
    endpoint::Baseline,
    governor::{self, sample::*},
    hint::{Author, Instruction},
    run::{Cause, Source},
};

use super::{expect, expect_delayed};

const HOUR: i64 = 3_600;

#[test]
fn row_1_cron_runs_at_its_times() {
    let case = Case::new(cron("0 12 * * *"));
    let next = expect(&case, 0, 2 * HOUR, Cause::Cron);
    assert_eq!(next.source, Source::BASELINE);
    expect(
        &case.after_run(2 * HOUR, 2 * HOUR + 5),
        2 * HOUR + 5,
        26 * HOUR,
        Cause::Cron,
    );
}

#[test]
fn row_1_cron_is_never_backed_off() {
    let case = Case::new(cron("*/5 * * * *")).after_run(300, 310).with_failures(9);
    expect(&case, 310, 600, Cause::Cron);
}

#[test]
fn row_2_interval_counts_from_the_anchor() {
    let case = Case::new(every(60));
    expect(&case, 0, 60, Cause::Interval);
    expect(&case.after_run(60, 64), 64, 120, Cause::Interval);
}

#[test]
fn row_2_each_failure_doubles_the_interval_up_to_five_times_and_an_hour() {
    let waits = [
        (0, 60),
        (1, 120),
        (2, 240),
        (3, 480),
        (4, 960),
        (5, 1_920),
        (6, 1_920),
        (99, 1_920),
    ];
    for (failures, wait) in waits {
        expect(&Case::new(every(60)).with_failures(failures), 0, wait, Cause::Interval);
    }
    // 5 min × 32 exceeds the hour; two hours exceed it by themselves.
    expect(&Case::new(every(300)).with_failures(5), 0, HOUR, Cause::Interval);
    expect(&Case::new(every(7_200)).with_failures(5), 0, 2 * HOUR, Cause::Interval);
}

#[test]
fn row_3_dormant_has_no_next_time() {
    assert_eq!(Case::new(Baseline::Dormant).next(0), None);
    assert_eq!(
        Case::new(Baseline::Dormant).after_run(5, 9).with_failures(2).next(99),
        None
    );
}

#[test]
fn row_3_dormant_runs_when_told() {
    let case = Case::new(Baseline::Dormant).planned_shot(40, 0, 60);
    let next = expect(&case, 0, 40, Cause::HintOneShot);
    assert_eq!(next.source, Source::AI_HINT);
    expect(
        &Case::new(Baseline::Dormant).planned_gap(30, 0, 60),
        0,
        30,
        Cause::HintInterval,
    );
}

#[test]
fn row_4_interval_hint_replaces_the_interval_faster_or_slower() {
    let case = Case::new(every(60)).planned_gap(10, 5, HOUR);
    let next = expect(&case, 5, 10, Cause::HintInterval);
    assert_eq!((next.source, next.hint_id), (Source::AI_HINT, Some(case.hints[0].id)));
    expect(
        &Case::new(every(60)).planned_gap(200, 5, HOUR),
        5,
        200,
        Cause::HintInterval,
    );
}

#[test]
fn row_4_interval_hint_is_not_backed_off() {
    expect(
        &Case::new(every(60)).with_failures(4).planned_gap(30, 0, HOUR),
        0,
        30,
        Cause::HintInterval,
    );
}

#[test]
fn row_4_interval_hint_competes_with_a_cron_and_never_slows_it() {
    let fast = Case::new(cron("*/5 * * * *")).planned_gap(40, 0, HOUR);
    expect(&fast, 0, 40, Cause::HintInterval);
    expect(&fast.clone().after_run(280, 281), 281, 300, Cause::Cron);
    expect(
        &Case::new(cron("*/5 * * * *")).planned_gap(900, 0, HOUR),
        0,
        300,
        Cause::Cron,
    );
    // The same instant is the cron's.
    expect(
        &Case::new(cron("*/5 * * * *")).planned_gap(300, 0, HOUR),
        0,
        300,
        Cause::Cron,
    );
}

#[test]
fn row_4_a_persons_hint_outranks_a_planners() {
    let case = Case::new(every(60)).planned_gap(5, 0, HOUR);
    let case = case.hinted(Author::Person, Instruction::Interval(secs(90)), 0, HOUR);
    let next = expect(&case, 0, 90, Cause::HintInterval);
    assert_eq!(next.source, Source::MANUAL);
}

#[test]
fn row_5_the_earlier_of_one_shot_and_cadence_wins() {
    let case = Case::new(every(60)).planned_shot(40, 0, HOUR);
    let next = expect(&case, 0, 40, Cause::HintOneShot);
    assert_eq!(next.one_shot_id, Some(case.hints[0].id));
    let next = expect(&Case::new(every(60)).planned_shot(70, 0, HOUR), 0, 60, Cause::Interval);
    assert_eq!(next.one_shot_id, None);
}

#[test]
fn row_5_on_equal_times_the_cadence_goes_first_and_uses_the_one_shot_up() {
    let case = Case::new(every(60)).planned_shot(60, 0, HOUR);
    let next = expect(&case, 0, 60, Cause::Interval);
    assert_eq!((next.hint_id, next.one_shot_id), (None, Some(case.hints[0].id)));
    // Seen late, the two still share their instant.
    let late = expect(&case, 75, 60, Cause::Interval);
    assert_eq!(late.one_shot_id, Some(case.hints[0].id));
}

#[test]
fn row_5_a_persons_one_shot_goes_first_on_equal_times() {
    let case = Case::new(every(60)).planned_shot(40, 0, HOUR);
    let case = case.hinted(Author::Person, Instruction::OneShot(at(40)), 0, HOUR);
    assert_eq!(expect(&case, 0, 40, Cause::HintOneShot).source, Source::MANUAL);
}

#[test]
fn row_5_a_due_cadence_time_goes_before_a_one_shot_that_waits() {
    // Both came due while something else was running.
    let case = Case::new(every(60)).planned_shot(50, 0, HOUR);
    let next = expect(&case, 70, 60, Cause::Interval);
    assert_eq!(next.one_shot_id, None);
}

#[test]
fn row_8_a_time_that_has_passed_is_due_at_once_and_keeps_its_time() {
    expect(&Case::new(every(60)), 200, 60, Cause::Interval);
}

#[test]
fn row_8_the_next_time_is_the_first_after_the_cursor() {
    expect(&Case::new(every(60)).after_run(60, 190), 190, 240, Cause::Interval);
    // Exactly at the cursor is over.
    expect(&Case::new(every(60)).after_run(60, 180), 180, 240, Cause::Interval);
}

#[test]
fn row_8_times_up_to_the_anchor_are_over_for_a_cron_too() {
    // Recorded as skipped behind one that still waits: the anchor is ahead of the cursor.
    let mut case = Case::new(cron("* * * * *")).after_run(60, 61);
    case.state.anchor = at(180);
    expect(&case, 200, 240, Cause::Cron);
}

#[test]
fn row_8_a_hint_whose_first_time_had_passed_starts_at_once_and_is_anchored_there() {
    let case = Case::new(every(HOUR as u64)).planned_gap(60, 1_000, 2 * HOUR);
    expect(&case, 1_000, 1_000, Cause::HintInterval);
    expect(&case.clone().after_run(1_000, 1_003), 1_003, 1_060, Cause::HintInterval);
    // Even when a run has just ended, in the same instant.
    let ended = Case::new(every(HOUR as u64)).after_run(0, 1_000);
    expect(
        &ended.planned_gap(60, 1_000, 2 * HOUR),
        1_000,
        1_000,
        Cause::HintInterval,
    );
    // A hint written during a run is anchored at its writing, too.
    let during = Case::new(every(HOUR as u64)).after_run(0, 1_010);
    expect(
        &during.planned_gap(60, 1_000, 2 * HOUR),
        1_010,
        1_060,
        Cause::HintInterval,
    );
}

#[test]
fn the_plan_and_the_reason_come_with_the_hint() {
    let mut case = Case::new(every(60)).planned_gap(10, 0, HOUR);
    case.hints[0].reason = "stock is low".to_owned();
    let next = expect(&case, 0, 10, Cause::HintInterval);
    assert_eq!(next.reason.as_deref(), Some("stock is low"));
}

#[test]
fn preview_is_the_governor_applied_to_its_own_answers() {
    let case = Case::new(every(60)).planned_gap(25, 0, 100).planned_shot(110, 0, HOUR);
    let runs = governor::preview(case.inputs(), at(0), 6);
    let times: Vec<_> = runs.iter().map(|run| (run.planned_at, run.cause)).collect();
    let (hinted, baseline) = (Cause::HintInterval, Cause::Interval);
    let expected = [
        (25, hinted),
        (50, hinted),
        (75, hinted),
        (100, hinted),
        (110, Cause::HintOneShot),
        (160, baseline),
    ];
    assert_eq!(times, expected.map(|(time, cause)| (at(time), cause)));
    assert!(governor::preview(Case::new(Baseline::Dormant).inputs(), at(0), 3).is_empty());
}

#[test]
fn far_ends_of_time_do_not_overflow() {
    let far = Duration::from_secs(366 * 24 * 3_600);
    let mut case = Case::new(Baseline::Interval(far)).with_failures(u32::MAX);
    case.state.anchor = chrono::DateTime::<chrono::Utc>::MAX_UTC;
    assert!(case.next(0).is_some());
    let case = Case::new(every(60)).planned_gap(u64::MAX / 2, 0, HOUR);
    expect_delayed(&case, 0, 240, 240, Cause::HintInterval);
}
