//! Ledgers in which runs overlap as their policy does not allow, and the same under policies that do.

use baton_domain::{
    ids::{EndpointId, RunId, UserId},
    run::{Cause, Source},
    schedule::{BaselineTerms, Trigger},
    time::from_micros,
};
use uuid::Uuid;

use super::*;

fn at(second: u64) -> Timestamp {
    after(from_micros(1_800_000_000_000_000), Duration::from_secs(second))
}

/// From the beginning: this policy.
fn record(overlap: &str, room: u32) -> Vec<ScheduleChange> {
    vec![change(0, overlap, room)]
}

fn change(second: u64, overlap: &str, room: u32) -> ScheduleChange {
    ScheduleChange {
        endpoint_id: EndpointId(Uuid::from_u128(1)),
        user_id: UserId("ada".to_owned()),
        at: at(second),
        trigger: Trigger::Redefined,
        next_at: None,
        cause: None,
        terms: Some(Terms {
            v: Terms::VERSION,
            baseline: BaselineTerms::Interval {
                interval_us: 10_000_000,
            },
            min_interval_us: 1_000_000,
            max_interval_us: None,
            overlap: overlap.to_owned(),
            room,
            active: true,
            job_runs: true,
            pause: None,
            hints: Vec::new(),
        }),
        hint_id: None,
    }
}

const NOTHING: [Timestamp; 0] = [];

/// Planned, started and ended at these seconds.
fn run(cause: Cause, planned: u64, start: u64, end: u64) -> Run {
    let (endpoint, user) = (EndpointId(Uuid::from_u128(1)), UserId("ada".to_owned()));
    let id = RunId(Uuid::from_u128(planned.into()));
    let mut run = Run::planned(id, endpoint, user, Source::BASELINE, cause, at(planned));
    run.status = RunStatus::Succeeded;
    run.started_at = Some(at(start));
    run.finished_at = Some(at(end));
    run
}

fn skipped(planned: u64, recorded: u64) -> Run {
    let mut run = run(Cause::Interval, planned, 0, recorded);
    run.status = RunStatus::Skipped;
    run.started_at = None;
    run.reason = Some("overlap".to_owned());
    run
}

/// The times that something is found about.
fn found(runs: &[Run], changes: &[ScheduleChange]) -> Vec<Timestamp> {
    let mut findings = Findings::new(EndpointId(Uuid::from_u128(1)), at(0), at(1_000));
    check(runs, &Policies::of(changes), Duration::from_millis(100), &mut findings);
    assert!(findings.list.iter().all(|finding| finding.kind == Kind::Unexplained));
    findings.list.iter().map(|finding| finding.at).collect()
}

#[test]
fn more_than_there_is_room_for() {
    let runs = [
        run(Cause::Interval, 10, 10, 45),
        run(Cause::Interval, 20, 20, 45),
        run(Cause::Manual, 25, 25, 30),
    ];
    assert_eq!(found(&runs, &record("allow", 3)), NOTHING);
    assert_eq!(found(&runs, &record("allow", 2)), [at(25)]);
    assert_eq!(found(&runs[..2], &record("queue", 1)), [at(20)]);
    // What ended in the instant of the start is out of the way.
    let touching = [run(Cause::Interval, 10, 10, 20), run(Cause::Interval, 20, 20, 25)];
    assert_eq!(found(&touching, &record("queue", 1)), NOTHING);
}

#[test]
fn a_time_that_should_have_been_skipped() {
    let runs = [run(Cause::Interval, 10, 10, 25), run(Cause::Interval, 20, 25, 28)];
    assert_eq!(found(&runs, &record("skip", 1)), [at(20)]);
    assert_eq!(found(&runs, &record("queue", 1)), NOTHING);
    let manual = [run(Cause::Interval, 10, 10, 25), run(Cause::Manual, 20, 25, 28)];
    assert_eq!(found(&manual, &record("skip", 1)), NOTHING, "those wait");
}

#[test]
fn a_skip_that_no_policy_asked_for() {
    let runs = [run(Cause::Interval, 10, 10, 25), skipped(20, 25)];
    assert_eq!(found(&runs, &record("skip", 1)), NOTHING);
    for policy in ["queue", "allow"] {
        assert_eq!(found(&runs, &record(policy, 1)), [at(20)], "{policy}");
    }
}

#[test]
fn a_change_of_policy_counts_from_its_time_on() {
    let runs = [
        run(Cause::Interval, 10, 10, 45),
        run(Cause::Interval, 20, 20, 45),
        run(Cause::Manual, 40, 41, 42),
    ];
    let shrunk = [change(0, "allow", 3), change(30, "skip", 1)];
    assert_eq!(found(&runs, &shrunk), [at(40)]);
    let grown = [change(0, "skip", 1), change(15, "allow", 3)];
    assert_eq!(found(&runs, &grown), NOTHING);
}
