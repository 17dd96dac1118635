//! What an earlier system got wrong, as far as the governor alone decides it.

use crate::{
    governor::{preview, sample::*},
    run::Cause,
};

use super::expect;

const HOUR: i64 = 3_600;

#[test]
fn a_minute_after_ten_is_not_ten_o_five_nor_ten_fifty_nine() {
    let case = Case::new(every(60)).after_run(0, 1);
    for now in [1, 5, 59] {
        expect(&case, now, 60, Cause::Interval);
    }
}

#[test]
fn daily_cron_created_an_hour_early_runs_once_and_not_early() {
    let mut case = Case::new(cron("0 12 * * *"));
    case.state.anchor = at(HOUR);
    case.state.cursor = at(HOUR);
    for now in [HOUR, 2 * HOUR - 1] {
        expect(&case, now, 2 * HOUR, Cause::Cron);
    }
    expect(
        &case.after_run(2 * HOUR, 2 * HOUR + 1),
        2 * HOUR + 1,
        26 * HOUR,
        Cause::Cron,
    );
}

#[test]
fn one_shot_on_an_hourly_endpoint_runs_once_beside_the_hourly_run() {
    let case = Case::new(every(3_600)).planned_shot(60, 0, HOUR);
    let runs = preview(case.inputs(), at(0), 3);
    let times: Vec<_> = runs.iter().map(|run| run.planned_at).collect();
    assert_eq!(times, [at(60), at(HOUR), at(2 * HOUR)]);
}

#[test]
fn five_minute_endpoint_hinted_to_now_is_due_at_once_even_if_it_has_just_ended() {
    let ended = Case::new(every(300)).after_run(300, 310);
    expect(
        &ended.clone().planned_shot(310, 310, HOUR),
        310,
        310,
        Cause::HintOneShot,
    );
    expect(&ended.planned_gap(1, 310, HOUR), 310, 310, Cause::HintInterval);
}

#[test]
fn a_call_longer_than_the_interval_keeps_the_phase() {
    expect(&Case::new(every(15)).after_run(0, 20), 20, 30, Cause::Interval);
}

#[test]
fn four_failures_and_a_success() {
    let (mut anchor, mut waits) = (0, Vec::new());
    for failures in [1, 2, 3, 4, 0] {
        let case = Case::new(every(60))
            .after_run(anchor, anchor + 1)
            .with_failures(failures);
        let next = case.next(anchor + 1).expect("a next run");
        waits.push((next.planned_at - at(anchor)).num_seconds());
        anchor += waits.last().copied().unwrap_or_default();
    }
    assert_eq!(waits, [120, 240, 480, 960, 60]);
}

#[test]
fn interval_hint_and_one_shot_keep_their_own_expiry_and_reason() {
    let mut case = Case::new(every(3_600)).planned_gap(90, 0, HOUR).planned_shot(50, 0, 60);
    case.hints[0].reason = "busy".to_owned();
    case.hints[1].reason = "check once".to_owned();
    assert_eq!(
        expect(&case, 0, 50, Cause::HintOneShot).reason.as_deref(),
        Some("check once")
    );
    assert_eq!(
        expect(&case, 61, 90, Cause::HintInterval).reason.as_deref(),
        Some("busy")
    );
}
