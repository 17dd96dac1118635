//! Rows 9 to 11: what expires, pauses and ends.

use crate::{
    endpoint::{Baseline, EndpointStatus, Pause},
    governor::{self, Inputs, sample::*},
    hint::{Author, Instruction},
    job::JobStatus,
    run::Cause,
};

use super::{expect, expect_delayed};

const HOUR: i64 = 3_600;

fn job(case: &Case, status: Option<JobStatus>) -> Inputs<'_> {
    Inputs {
        job_status: status,
        ..case.inputs()
    }
}

#[test]
fn row_9_a_hinted_time_exactly_at_expiry_counts() {
    expect(&Case::new(every(60)).planned_gap(30, 0, 30), 0, 30, Cause::HintInterval);
    expect(&Case::new(every(60)).planned_shot(30, 0, 30), 0, 30, Cause::HintOneShot);
}

#[test]
fn row_9_a_hinted_time_after_expiry_is_void_and_the_interval_starts_not_before_it() {
    // The hint's 200 lies behind its expiry; the baseline's 60 was not due before it.
    expect_delayed(
        &Case::new(every(60)).planned_gap(200, 5, 150),
        5,
        60,
        150,
        Cause::Interval,
    );
    // A baseline time behind the expiry is its own.
    expect(&Case::new(every(60)).planned_gap(55, 5, 50), 5, 60, Cause::Interval);
}

#[test]
fn row_9_a_void_hint_leaves_a_cron_as_it_is() {
    expect(
        &Case::new(cron("*/5 * * * *")).planned_gap(290, 0, 200),
        0,
        300,
        Cause::Cron,
    );
}

#[test]
fn row_9_behind_a_persons_expiry_the_planners_hint_applies() {
    let case = Case::new(every(60)).planned_gap(100, 0, HOUR);
    let case = case.hinted(Author::Person, Instruction::Interval(secs(240)), 0, 150);
    expect_delayed(&case, 0, 100, 150, Cause::HintInterval);
}

#[test]
fn row_9_a_void_one_shot_is_ignored_unless_it_is_held() {
    let mut case = Case::new(every(60)).planned_shot(30, 0, 40);
    expect(&case, 41, 60, Cause::Interval);
    case.hints[0].held = true;
    expect(&case, 41, 41, Cause::HintOneShot);
}

#[test]
fn row_10_nothing_before_the_end_of_a_pause() {
    let pause = |end| move |endpoint: &mut crate::endpoint::Endpoint| endpoint.pause = Some(Pause::Until(at(end)));
    expect(&Case::new(every(60)).with(pause(150)), 0, 180, Cause::Interval);
    expect(&Case::new(every(60)).planned_pause(0, 150), 0, 180, Cause::Interval);
    // Exactly at its end is still within.
    expect(&Case::new(every(60)).planned_pause(0, 180), 0, 240, Cause::Interval);
    // The later of the two ends.
    expect(
        &Case::new(every(60)).with(pause(150)).planned_pause(0, 300),
        0,
        360,
        Cause::Interval,
    );
    expect(
        &Case::new(every(60)).with(pause(400)).planned_pause(0, 300),
        0,
        420,
        Cause::Interval,
    );
}

#[test]
fn row_10_the_end_of_a_pause_that_is_over_stays_in_the_cursor() {
    expect(&Case::new(every(60)).planned_pause(0, 150), 500, 180, Cause::Interval);
}

#[test]
fn row_10_a_one_shot_within_a_pause_runs_after_it_or_is_void() {
    let case = Case::new(Baseline::Dormant).planned_pause(0, 100);
    expect(&case.clone().planned_shot(50, 0, 200), 0, 100, Cause::HintOneShot);
    assert_eq!(case.planned_shot(50, 0, 99).next(0), None);
}

#[test]
fn row_10_a_hint_is_judged_at_the_end_of_the_pause() {
    expect(
        &Case::new(every(60)).planned_gap(7, 0, 99).planned_pause(0, 100),
        0,
        120,
        Cause::Interval,
    );
    expect(
        &Case::new(every(60)).planned_gap(7, 0, 199).planned_pause(0, 100),
        0,
        105,
        Cause::HintInterval,
    );
}

#[test]
fn row_10_a_pause_without_end_has_no_next_time() {
    let case = Case::new(every(60)).planned_shot(40, 0, HOUR);
    assert_eq!(
        case.with(|endpoint| endpoint.pause = Some(Pause::UntilResumed)).next(0),
        None
    );
    assert_eq!(
        governor::next(job(&Case::new(every(60)), Some(JobStatus::Paused)), at(0)),
        None
    );
}

#[test]
fn row_11_nothing_runs_once_archived() {
    let case = Case::new(every(60)).planned_shot(40, 0, HOUR);
    assert_eq!(governor::next(job(&case, Some(JobStatus::Archived)), at(0)), None);
    assert!(governor::next(job(&case, Some(JobStatus::Active)), at(0)).is_some());
    assert_eq!(
        case.with(|endpoint| endpoint.status = EndpointStatus::Archived).next(0),
        None
    );
}
