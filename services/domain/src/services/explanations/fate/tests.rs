use super::*;
use crate::{
    ids::UserId,
    schedule::{BaselineTerms, Terms},
    time::from_micros,
};

const ID: Uuid = Uuid::from_u128(7);
const OTHER: Uuid = Uuid::from_u128(8);

fn at(seconds: i64) -> Timestamp {
    from_micros(seconds * 1_000_000)
}

fn terms(hints: &[Uuid]) -> Terms {
    let hint = |id: &Uuid| HintTerms {
        id: *id,
        kind: "interval".to_owned(),
        author: "planner".to_owned(),
        interval_us: Some(5_000_000),
        one_shot_at: None,
        written_at: at(0),
        expires_at: at(60),
    };
    Terms {
        v: Terms::VERSION,
        baseline: BaselineTerms::Dormant,
        min_interval_us: 1,
        max_interval_us: None,
        active: true,
        job_runs: true,
        pause: None,
        overlap: "skip".to_owned(),
        room: 1,
        hints: hints.iter().map(hint).collect(),
    }
}

fn change(seconds: i64, trigger: Trigger, hints: Option<&[Uuid]>) -> ScheduleChange {
    ScheduleChange {
        endpoint_id: EndpointId(Uuid::nil()),
        user_id: UserId("ada".to_owned()),
        at: at(seconds),
        trigger,
        next_at: None,
        cause: None,
        terms: hints.map(terms),
        hint_id: None,
    }
}

/// The fate at second 30, or later when the changes say so.
fn fate(mut changes: Vec<ScheduleChange>, now: i64) -> Option<(HintFate, Option<Timestamp>)> {
    changes.reverse();
    let record = record_of(HintId(ID), EndpointId(Uuid::nil()), &[], &changes, at(now))?;
    assert_eq!(record.hint.instruction, Instruction::Interval(Duration::from_secs(5)));
    Some((record.fate, record.ended_at))
}

#[test]
fn the_change_after_the_last_that_names_it_ended_it() {
    let written = || {
        vec![
            change(0, Trigger::Created, Some(&[])),
            change(1, Trigger::PlanAccepted, Some(&[ID])),
            change(2, Trigger::Redefined, Some(&[OTHER, ID])),
        ]
    };
    let ended = |trigger: Trigger, hints: Option<&[Uuid]>| {
        let mut changes = written();
        changes.push(change(20, trigger, hints));
        changes.push(change(25, Trigger::Resumed, Some(&[])));
        fate(changes, 30)
    };
    let none: &[Uuid] = &[];
    let table = [
        (Trigger::HintApplied, Some(none), HintFate::Replaced),
        (Trigger::HintsCleared, Some(none), HintFate::Cleared),
        (Trigger::PlanAccepted, Some(&[OTHER][..]), HintFate::LeftOut),
        (Trigger::Archived, Some(none), HintFate::Gone),
        (Trigger::Deleted, None, HintFate::Gone),
    ];
    for (trigger, hints, expected) in table {
        assert_eq!(ended(trigger, hints), Some((expected, Some(at(20)))), "{trigger:?}");
    }
    assert_eq!(fate(written(), 30), Some((HintFate::InForce, None)));
    assert_eq!(fate(written(), 90), Some((HintFate::Expired, Some(at(60)))));
}

#[test]
fn a_change_after_the_expiry_did_not_end_it() {
    let changes = vec![
        change(1, Trigger::HintApplied, Some(&[ID])),
        change(70, Trigger::HintsCleared, Some(&[])),
    ];
    assert_eq!(fate(changes, 80), Some((HintFate::Expired, Some(at(60)))));
}

#[test]
fn a_one_shot_is_used_when_a_run_took_it() {
    let used = ScheduleChange {
        hint_id: Some(HintId(ID)),
        ..change(9, Trigger::HintUsed, None)
    };
    let changes = vec![change(1, Trigger::HintApplied, Some(&[ID])), used];
    assert_eq!(fate(changes, 80), Some((HintFate::Used, Some(at(9)))));
}

#[test]
fn what_nobody_recorded_is_not_made_up() {
    assert_eq!(fate(vec![change(1, Trigger::Created, Some(&[OTHER]))], 30), None);
}

#[test]
fn a_hint_that_stands_keeps_its_reason() {
    let hint = Hint {
        reason: "busy".to_owned(),
        held: true,
        ..hint_of(&terms(&[ID]).hints[0], EndpointId(Uuid::nil())).expect("it is readable")
    };
    let record = record_of(hint.id, hint.endpoint_id, std::slice::from_ref(&hint), &[], at(90)).expect("it stands");
    assert_eq!(
        (record.hint, record.fate),
        (hint, HintFate::InForce),
        "held until it runs"
    );
}
