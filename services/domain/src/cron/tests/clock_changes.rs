//! Clock changes. One value in each of second, minute and hour is a fixed time: at the end of the gap where it does not
//! exist, at the first pass where it exists twice. Every other pattern follows the wall clock: nothing in the gap, both
//! passes in the overlap.
//!
//! Berlin jumps on 29 March 2026 from 2:00 to 3:00 and back on 25 October from 3:00 to 2:00; New York on 8 March and
//! 1 November, at 2:00 both; Lord Howe on 4 October from 2:00 to 2:30 and back on 5 April from 2:00 to 1:30.

use super::times;

const BERLIN: &str = "Europe/Berlin";
const NEW_YORK: &str = "America/New_York";
const LORD_HOWE: &str = "Australia/Lord_Howe";

#[test]
fn fixed_time_in_the_gap_runs_at_its_end() {
    let expected = [
        "2026-03-28T02:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-30T02:30:00+02:00",
    ];
    assert_eq!(times("30 2 * * *", BERLIN, "2026-03-28T00:00:00+01:00", 3), expected);
    let expected = [
        "2026-03-07T02:30:00-05:00",
        "2026-03-08T03:00:00-04:00",
        "2026-03-09T02:30:00-04:00",
    ];
    assert_eq!(times("30 2 * * *", NEW_YORK, "2026-03-07T00:00:00-05:00", 3), expected);
    let expected = [
        "2026-10-03T02:15:00+10:30",
        "2026-10-04T02:30:00+11:00",
        "2026-10-05T02:15:00+11:00",
    ];
    assert_eq!(times("15 2 * * *", LORD_HOWE, "2026-10-03T00:00:00+10:30", 3), expected);
}

#[test]
fn fixed_time_with_seconds_in_the_gap_runs_at_its_end() {
    let expected = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:59:59+02:00"];
    assert_eq!(times("59 59 2 * * *", BERLIN, "2026-03-28T12:00:00+01:00", 2), expected);
}

#[test]
fn fixed_time_at_the_borders_of_the_gap() {
    // 2:00 is the first that does not exist, 3:00 the first that does again.
    let expected = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"];
    assert_eq!(times("0 2 * * *", BERLIN, "2026-03-28T12:00:00+01:00", 2), expected);
    let expected = ["2026-03-29T03:00:00+02:00", "2026-03-30T03:00:00+02:00"];
    assert_eq!(times("0 3 * * *", BERLIN, "2026-03-28T12:00:00+01:00", 2), expected);
    let expected = ["2026-03-29T01:59:00+01:00", "2026-03-30T01:59:00+02:00"];
    assert_eq!(times("59 1 * * *", BERLIN, "2026-03-28T12:00:00+01:00", 2), expected);
}

#[test]
fn fixed_time_in_the_overlap_runs_once_at_the_first_pass() {
    let expected = [
        "2026-10-24T02:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-26T02:30:00+01:00",
    ];
    assert_eq!(times("30 2 * * *", BERLIN, "2026-10-24T00:00:00+02:00", 3), expected);
    let expected = ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"];
    assert_eq!(times("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00-04:00", 2), expected);
    let expected = ["2026-04-05T01:45:00+11:00", "2026-04-06T01:45:00+10:30"];
    assert_eq!(times("45 1 * * *", LORD_HOWE, "2026-04-04T12:00:00+11:00", 2), expected);
}

#[test]
fn fixed_time_asked_for_between_the_passes_waits_for_the_next_day() {
    let between = [
        "2026-10-25T02:45:00+02:00",
        "2026-10-25T02:10:00+01:00",
        "2026-10-25T02:30:00+01:00",
    ];
    for from in between {
        assert_eq!(
            times("30 2 * * *", BERLIN, from, 1),
            ["2026-10-26T02:30:00+01:00"],
            "{from}"
        );
    }
    let from = "2026-04-05T01:40:00+10:30";
    assert_eq!(times("45 1 * * *", LORD_HOWE, from, 1), ["2026-04-06T01:45:00+10:30"]);
}

#[test]
fn wildcards_skip_the_gap() {
    let expected = [
        "2026-03-29T01:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
    ];
    assert_eq!(times("*/30 * * * *", BERLIN, "2026-03-29T01:00:00+01:00", 3), expected);
    let expected = ["2026-03-08T01:30:00-05:00", "2026-03-08T03:30:00-04:00"];
    assert_eq!(times("30 * * * *", NEW_YORK, "2026-03-08T01:00:00-05:00", 2), expected);
    // Half an hour: 2:15 does not exist, 2:45 does.
    let expected = [
        "2026-10-04T01:45:00+10:30",
        "2026-10-04T02:45:00+11:00",
        "2026-10-04T03:15:00+11:00",
    ];
    assert_eq!(
        times("15,45 * * * *", LORD_HOWE, "2026-10-04T01:30:00+10:30", 3),
        expected
    );
}

#[test]
fn lists_and_ranges_skip_the_gap() {
    let expected = ["2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"];
    assert_eq!(
        times("30 1,2,3 * * *", BERLIN, "2026-03-29T01:00:00+01:00", 2),
        expected
    );
    assert_eq!(times("30 1-3 * * *", BERLIN, "2026-03-29T01:00:00+01:00", 2), expected);
    // One hour, two minutes: not a fixed time.
    let expected = ["2026-03-28T02:50:00+01:00", "2026-03-30T02:10:00+02:00"];
    assert_eq!(times("10,50 2 * * *", BERLIN, "2026-03-28T02:10:00+01:00", 2), expected);
    let expected = ["2026-03-09T02:10:00-04:00"];
    assert_eq!(
        times("10-50/40 2 * * *", NEW_YORK, "2026-03-07T02:50:00-05:00", 1),
        expected
    );
    let expected = ["2026-10-03T02:20:00+10:30", "2026-10-05T02:10:00+11:00"];
    assert_eq!(
        times("10,20 2 * * *", LORD_HOWE, "2026-10-03T02:10:00+10:30", 2),
        expected
    );
}

#[test]
fn wildcards_run_in_both_passes_of_the_overlap() {
    let expected = [
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ];
    assert_eq!(times("*/30 * * * *", BERLIN, "2026-10-25T01:30:00+02:00", 5), expected);
    let expected = [
        "2026-11-01T01:15:00-04:00",
        "2026-11-01T01:15:00-05:00",
        "2026-11-01T02:15:00-05:00",
    ];
    assert_eq!(times("15 * * * *", NEW_YORK, "2026-11-01T00:30:00-04:00", 3), expected);
    let expected = [
        "2026-04-05T01:30:00+11:00",
        "2026-04-05T01:45:00+11:00",
        "2026-04-05T01:30:00+10:30",
        "2026-04-05T01:45:00+10:30",
        "2026-04-05T02:00:00+10:30",
    ];
    assert_eq!(
        times("*/15 * * * *", LORD_HOWE, "2026-04-05T01:15:00+11:00", 5),
        expected
    );
}

#[test]
fn lists_and_ranges_run_in_both_passes_of_the_overlap() {
    let expected = [
        "2026-10-25T01:30:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:30:00+01:00",
        "2026-10-25T03:30:00+01:00",
    ];
    assert_eq!(
        times("30 1,2,3 * * *", BERLIN, "2026-10-25T00:00:00+02:00", 4),
        expected
    );
    assert_eq!(times("30 1-3 * * *", BERLIN, "2026-10-25T00:00:00+02:00", 4), expected);
    let expected = [
        "2026-11-01T01:10:00-04:00",
        "2026-11-01T01:50:00-04:00",
        "2026-11-01T01:10:00-05:00",
        "2026-11-01T01:50:00-05:00",
        "2026-11-02T01:10:00-05:00",
    ];
    assert_eq!(
        times("10,50 1 * * *", NEW_YORK, "2026-11-01T00:00:00-04:00", 5),
        expected
    );
    let expected = [
        "2026-04-05T01:40:00+11:00",
        "2026-04-05T01:50:00+11:00",
        "2026-04-05T01:40:00+10:30",
    ];
    assert_eq!(
        times("40-50/10 1 * * *", LORD_HOWE, "2026-04-05T01:00:00+11:00", 3),
        expected
    );
}

#[test]
fn every_second_follows_the_wall_clock_through_both_changes() {
    let expected = ["2026-03-29T01:59:59+01:00", "2026-03-29T03:00:00+02:00"];
    assert_eq!(times("* * * * * *", BERLIN, "2026-03-29T01:59:58+01:00", 2), expected);
    let expected = ["2026-10-25T02:59:59+02:00", "2026-10-25T02:00:00+01:00"];
    assert_eq!(times("* * * * * *", BERLIN, "2026-10-25T02:59:58+02:00", 2), expected);
}

#[test]
fn utc_has_neither_gap_nor_overlap() {
    let expected = ["2026-03-29T02:30:00+00:00", "2026-03-30T02:30:00+00:00"];
    assert_eq!(times("30 2 * * *", "UTC", "2026-03-29T00:00:00Z", 2), expected);
    let expected = ["2026-10-25T02:30:00+00:00", "2026-10-26T02:30:00+00:00"];
    assert_eq!(times("30 2 * * *", "UTC", "2026-10-25T00:00:00Z", 2), expected);
}

#[test]
fn walking_through_a_year_never_repeats_or_goes_back() {
    for zone in [BERLIN, NEW_YORK, LORD_HOWE, "UTC"] {
        for expression in ["30 2 * * *", "*/30 1-3 * * *", "15,45 * * * *"] {
            let schedule = super::CronSchedule::parse(expression, zone, super::utc("2026-01-01T00:00:00Z"));
            let schedule = schedule.expect("a valid cron");
            let mut at = super::utc("2026-01-01T00:00:00Z");
            while at < super::utc("2027-01-01T00:00:00Z") {
                let next = schedule.next_after(at).expect("another time");
                // A look from anywhere between finds the same time.
                let between = at + (next - at) / 2;
                assert_eq!(
                    schedule.next_after(between),
                    Some(next),
                    "{expression} in {zone} after {between}"
                );
                assert!(next > at, "{expression} in {zone} after {at}");
                at = next;
            }
        }
    }
}
