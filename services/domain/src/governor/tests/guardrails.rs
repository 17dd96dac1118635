//! Rows 6 and 7: what the guardrails move, and what they leave alone.

use crate::{
    endpoint::Baseline,
    governor::sample::*,
    run::{Cause, ClampedFrom},
};

use super::expect;

const HOUR: i64 = 3_600;

fn bounds(min: u64, max: Option<u64>) -> impl FnOnce(&mut crate::endpoint::Endpoint) {
    move |endpoint| {
        endpoint.min_interval = secs(min);
        endpoint.max_interval = max.map(secs);
    }
}

#[test]
fn row_6_a_hint_below_min_interval_is_raised_and_the_original_kept() {
    let case = Case::new(every(60)).with(bounds(20, None)).planned_gap(5, 0, HOUR);
    let next = expect(&case, 0, 20, Cause::HintInterval);
    assert_eq!(next.clamped_from, Some(ClampedFrom::Interval(secs(5))));
}

#[test]
fn row_6_a_hint_above_max_interval_is_lowered_and_the_original_kept() {
    let case = Case::new(every(60)).with(bounds(1, Some(90))).planned_gap(500, 0, HOUR);
    let next = expect(&case, 0, 90, Cause::HintInterval);
    assert_eq!(next.clamped_from, Some(ClampedFrom::Interval(secs(500))));
}

#[test]
fn row_6_without_max_interval_a_hint_is_at_most_four_intervals() {
    let case = Case::new(every(60)).planned_gap(500, 0, HOUR);
    let next = expect(&case, 0, 240, Cause::HintInterval);
    assert_eq!(next.clamped_from, Some(ClampedFrom::Interval(secs(500))));
    // That bound is the interval's: a dormant endpoint has none.
    expect(
        &Case::new(Baseline::Dormant).planned_gap(500, 0, HOUR),
        0,
        500,
        Cause::HintInterval,
    );
}

#[test]
fn row_6_a_hint_within_the_guardrails_is_not_marked() {
    let case = Case::new(every(60)).with(bounds(20, Some(90))).planned_gap(20, 0, HOUR);
    assert_eq!(expect(&case, 0, 20, Cause::HintInterval).clamped_from, None);
}

#[test]
fn row_6_of_a_backed_off_interval_only_the_backed_off_part_is_clamped() {
    let case = Case::new(every(60)).with(bounds(1, Some(150))).with_failures(3);
    let next = expect(&case, 0, 150, Cause::Interval);
    assert_eq!(next.clamped_from, Some(ClampedFrom::Interval(secs(480))));
    // Never below the interval itself.
    let case = Case::new(every(60)).with(bounds(1, Some(30))).with_failures(3);
    expect(&case, 0, 60, Cause::Interval);
}

#[test]
fn row_6_the_users_own_schedule_is_never_clamped() {
    let case = Case::new(every(60)).with(bounds(1, Some(30)));
    assert_eq!(expect(&case, 0, 60, Cause::Interval).clamped_from, None);
    let case = Case::new(cron("* * * * *")).with(bounds(600, Some(700)));
    assert_eq!(expect(&case, 0, 60, Cause::Cron).clamped_from, None);
}

#[test]
fn row_7_a_one_shot_close_to_the_last_claimed_run_is_moved() {
    let case = Case::new(every(HOUR as u64)).with(bounds(30, None));
    let next = expect(
        &case.after_extra(100).planned_shot(110, 0, HOUR),
        105,
        130,
        Cause::HintOneShot,
    );
    assert_eq!(next.clamped_from, Some(ClampedFrom::Time(at(110))));
}

#[test]
fn row_7_a_hinted_time_close_to_the_last_claimed_run_is_moved() {
    let case = Case::new(every(HOUR as u64))
        .with(bounds(30, None))
        .planned_gap(60, 0, HOUR);
    let next = expect(&case.after_extra(50), 55, 80, Cause::HintInterval);
    assert_eq!(next.clamped_from, Some(ClampedFrom::Time(at(60))));
}

#[test]
fn row_7_exactly_min_interval_is_far_enough() {
    let case = Case::new(every(HOUR as u64))
        .with(bounds(30, None))
        .planned_gap(60, 0, HOUR);
    assert_eq!(
        expect(&case.after_extra(30), 40, 60, Cause::HintInterval).clamped_from,
        None
    );
}

#[test]
fn row_7_the_baselines_own_times_are_not_moved() {
    expect(
        &Case::new(every(60)).with(bounds(30, None)).after_extra(55),
        56,
        60,
        Cause::Interval,
    );
    expect(
        &Case::new(cron("* * * * *")).with(bounds(30, None)).after_extra(55),
        56,
        60,
        Cause::Cron,
    );
}

#[test]
fn row_7_max_interval_does_not_apply_to_instants() {
    let case = Case::new(Baseline::Dormant).with(bounds(1, Some(60)));
    expect(&case.planned_shot(1_000, 0, HOUR), 0, 1_000, Cause::HintOneShot);
}

#[test]
fn row_7_a_one_shot_in_the_past_means_now() {
    let case = Case::new(every(HOUR as u64)).planned_shot(40, 50, HOUR);
    assert_eq!(expect(&case, 50, 50, Cause::HintOneShot).clamped_from, None);
    expect(&case, 70, 70, Cause::HintOneShot);
}

#[test]
fn row_7_a_one_shot_moved_behind_its_expiry_is_void() {
    let case = Case::new(every(HOUR as u64)).with(bounds(30, None)).after_extra(100);
    expect(&case.clone().planned_shot(110, 100, 130), 100, 130, Cause::HintOneShot);
    expect(&case.planned_shot(110, 100, 129), 100, HOUR, Cause::Interval);
}

#[test]
fn row_7_a_hinted_time_moved_behind_its_expiry_is_void() {
    let case = Case::new(every(HOUR as u64)).with(bounds(30, None)).after_extra(50);
    expect(&case.clone().planned_gap(60, 0, 80), 55, 80, Cause::HintInterval);
    expect(&case.planned_gap(60, 0, 79), 55, HOUR, Cause::Interval);
}

#[test]
fn row_7_a_hinted_time_moved_behind_the_baselines_gives_way_to_it() {
    // Otherwise steps closer together than min_interval would push it ahead of them for ever.
    let case = Case::new(every(60)).with(bounds(60, None)).planned_gap(60, 0, HOUR);
    expect(&case.after_extra(59), 59, 60, Cause::Interval);
    // A slowing hint keeps its own time as the earliest.
    let case = Case::new(every(60)).with(bounds(60, None)).planned_gap(200, 0, HOUR);
    let next = case.after_extra(199).next(199).expect("a next run");
    assert_eq!(
        (next.planned_at, next.due_at, next.cause),
        (at(60), at(200), Cause::Interval)
    );
}

#[test]
fn row_7_a_time_behind_the_hints_expiry_does_not_hold_the_baseline_back() {
    let case = Case::new(every(60)).with(bounds(60, None)).planned_gap(200, 0, 150);
    let next = case.after_extra(145).next(145).expect("a next run");
    assert_eq!(
        (next.planned_at, next.due_at, next.cause),
        (at(60), at(150), Cause::Interval)
    );
}
