//! The dialect and its calendar: fields, refusals, and clock changes in four zones in both directions.

mod clock_changes;

use chrono::{DateTime, Utc};

use super::{CronError, CronSchedule, parse_zone};
use crate::time::Timestamp;

pub(super) fn utc(text: &str) -> Timestamp {
    let parsed = DateTime::parse_from_rfc3339(text);
    parsed.expect("a time with its offset").with_timezone(&Utc)
}

/// The `count` times after `from`, each as RFC 3339 in the zone of the schedule.
pub(super) fn times(expression: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = CronSchedule::parse(expression, zone, utc(from)).expect("a valid cron");
    let tz = parse_zone(zone).expect("a known zone");
    let mut at = utc(from);
    let mut times = Vec::new();
    while times.len() < count {
        at = schedule.next_after(at).expect("another time");
        times.push(at.with_timezone(&tz).to_rfc3339());
    }
    times
}

fn refusal(expression: &str, zone: &str) -> CronError {
    CronSchedule::parse(expression, zone, utc("2026-03-02T10:00:00Z")).expect_err("refused")
}

#[test]
fn five_fields_start_on_the_minute() {
    let expected = ["2026-03-02T10:15:00+00:00", "2026-03-02T10:30:00+00:00"];
    assert_eq!(times("*/15 * * * *", "", "2026-03-02T10:00:00Z", 2), expected);
}

#[test]
fn six_fields_lead_with_seconds() {
    let expected = [
        "2026-03-02T10:00:20+00:00",
        "2026-03-02T10:00:40+00:00",
        "2026-03-02T10:01:00+00:00",
    ];
    assert_eq!(times("*/20 * * * * *", "", "2026-03-02T10:00:00Z", 3), expected);
}

#[test]
fn the_next_time_is_strictly_later_and_fractions_of_a_second_do_not_hide_it() {
    let schedule = CronSchedule::parse("0 12 * * *", "", utc("2026-03-02T10:00:00Z")).expect("a valid cron");
    let noon = utc("2026-03-02T12:00:00Z");
    assert_eq!(schedule.next_after(utc("2026-03-02T11:59:59Z")), Some(noon));
    assert_eq!(schedule.next_after(utc("2026-03-02T11:59:59.999999Z")), Some(noon));
    assert_eq!(schedule.next_after(noon), Some(utc("2026-03-03T12:00:00Z")));
    assert_eq!(
        schedule.next_after(utc("2026-03-02T12:00:00.000001Z")),
        Some(utc("2026-03-03T12:00:00Z"))
    );
    let seconds = CronSchedule::parse("* * * * * *", "", noon).expect("a valid cron");
    assert_eq!(
        seconds.next_after(utc("2026-03-02T12:00:00.5Z")),
        Some(utc("2026-03-02T12:00:01Z"))
    );
}

#[test]
fn day_of_month_and_day_of_week_both_set_mean_either() {
    // The 13th, and every Friday.
    let expected = [
        "2026-03-06",
        "2026-03-13",
        "2026-03-20",
        "2026-03-27",
        "2026-04-03",
        "2026-04-10",
        "2026-04-13",
    ];
    let days: Vec<_> = times("0 9 13 * FRI", "", "2026-03-02T10:00:00Z", 7);
    assert_eq!(days.iter().map(|day| &day[..10]).collect::<Vec<_>>(), expected);
}

#[test]
fn the_29th_of_february_comes_in_leap_years_only() {
    let days = times("30 6 29 2 *", "Europe/Berlin", "2026-03-02T10:00:00Z", 3);
    assert_eq!(
        days,
        [
            "2028-02-29T06:30:00+01:00",
            "2032-02-29T06:30:00+01:00",
            "2036-02-29T06:30:00+01:00"
        ]
    );
    // 2100 is no leap year.
    let days = times("0 0 29 2 *", "", "2096-03-01T00:00:00Z", 1);
    assert_eq!(days, ["2104-02-29T00:00:00+00:00"]);
}

#[test]
fn lists_ranges_steps_and_names() {
    let expected = [
        "2026-03-02T10:20:00+00:00",
        "2026-03-02T16:05:00+00:00",
        "2026-03-02T16:20:00+00:00",
    ];
    assert_eq!(
        times("5,20 10-16/6 * MAR MON-FRI", "UTC", "2026-03-02T10:05:00Z", 3),
        expected
    );
}

#[test]
fn what_is_no_cron_expression_is_refused() {
    let bad = [
        "",
        "* * * *",
        "* * * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "a b c d e",
        "* * * * MOON",
        "*/0 * * * *",
    ];
    for expression in bad {
        assert!(
            matches!(refusal(expression, ""), CronError::Expression(_)),
            "{expression:?}"
        );
    }
}

#[test]
fn unknown_zones_are_refused_and_none_means_utc() {
    for zone in ["Mars/Olympus", "CEST", "+02:00", "europe/"] {
        assert_eq!(refusal("* * * * *", zone), CronError::Zone, "{zone:?}");
    }
    let schedule = CronSchedule::parse("* * * * *", "", utc("2026-03-02T10:00:00Z")).expect("a valid cron");
    assert_eq!((schedule.zone(), schedule.expression()), ("UTC", "* * * * *"));
}

#[test]
fn a_date_that_never_comes_is_refused() {
    for expression in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
        assert_eq!(refusal(expression, ""), CronError::Never, "{expression:?}");
    }
}
