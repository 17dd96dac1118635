//! When a job's ask and advance fall due, on instants that are made up.

use super::*;
use crate::{
    ask::ModelHealth,
    testing::{
        NoChance,
        contexts::{at, context, due_in},
    },
};

const DEBOUNCE: Duration = Duration::from_millis(250);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// As if it had been put together so many seconds later.
fn later(mut context: PlanningContext, seconds: f64) -> PlanningContext {
    let base = at(seconds);
    let moved = |time: Timestamp| at(seconds_between(&context.as_of_time.unwrap(), &time) + seconds);
    if let Some(ask) = &mut context.ask {
        ask.due_time = ask.due_time.map(moved);
    }
    context.lease_expire_time = context.lease_expire_time.map(moved);
    context.as_of_time = Some(base);
    context
}

fn begun(as_of_seconds: f64) -> Option<End> {
    Some(End::Begun {
        as_of: Some(at(as_of_seconds)),
        context_revision: 1,
        model: ModelHealth::Healthy,
    })
}

fn refused(status: Status) -> Option<End> {
    Some(End::NotBegun(status))
}

#[test]
fn an_ask_is_made_when_it_is_due_plus_the_debounce() {
    let now = Instant::now();
    let job = JobState::new(due_in("j", 10.0), DEBOUNCE, now);
    assert_eq!(job.ask_time(), Some(now + millis(10_250)));
}

#[test]
fn without_an_ask_there_is_nothing_to_do() {
    let job = JobState::new(context("j"), DEBOUNCE, Instant::now());
    assert_eq!(job.ask_time(), None);
    assert_eq!(job.advance_time(), None);
}

#[test]
fn an_ask_that_is_long_due_waits_for_nothing() {
    let now = Instant::now() + millis(60_000);
    let job = JobState::new(due_in("j", -30.0), DEBOUNCE, now);
    assert!(job.ask_time().unwrap() < now);
}

#[test]
fn changes_within_the_debounce_join_the_ask_without_putting_it_off() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.observe(later(due_in("j", 0.0), 0.1), DEBOUNCE, now + millis(100));
    job.observe(later(due_in("j", 0.0), 0.2), DEBOUNCE, now + millis(200));
    assert_eq!(job.ask_time(), Some(now + DEBOUNCE));
}

#[test]
fn an_ask_that_became_due_later_is_not_made_early() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.observe(later(due_in("j", 120.0), 0.1), DEBOUNCE, now + millis(100));
    assert_eq!(job.ask_time(), Some(now + millis(120_350)));
}

#[test]
fn a_change_before_a_review_is_debounced_from_the_change() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 120.0), DEBOUNCE, now);
    job.observe(later(due_in("j", 0.0), 60.0), DEBOUNCE, now + millis(60_000));
    assert_eq!(job.ask_time(), Some(now + millis(60_250)));
}

#[test]
fn another_planners_lease_is_waited_for() {
    let now = Instant::now();
    let mut leased = due_in("j", 0.0);
    leased.lease_holder = "another".to_owned();
    leased.lease_expire_time = Some(at(30.0));
    let mut job = JobState::new(leased, DEBOUNCE, now);
    assert_eq!(job.ask_time(), Some(now + millis(30_000)));
    job.observe(later(due_in("j", 0.0), 5.0), DEBOUNCE, now + millis(5_000));
    assert_eq!(job.ask_time(), Some(now + millis(5_250)), "the lease ended earlier");
}

#[test]
fn a_running_ask_is_the_only_one_and_what_came_meanwhile_is_judged_afterwards() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    assert_eq!(job.begin_ask(), 1);
    assert_eq!(job.ask_time(), None);
    job.observe(later(due_in("j", 0.0), 5.0), DEBOUNCE, now + millis(5_000));
    assert_eq!(job.ask_time(), None);
    job.end_ask(begun(0.3), now + millis(6_000), &NoChance);
    assert_eq!(job.ask_time(), Some(now + millis(5_250)));
}

#[test]
fn contexts_from_before_the_ask_are_settled_by_it() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.begin_ask();
    // Put together before BeginPlan, arrived after it.
    job.observe(later(due_in("j", 0.0), 0.2), DEBOUNCE, now + millis(400));
    job.end_ask(begun(0.3), now + millis(900), &NoChance);
    assert_eq!(job.ask_time(), None);
    job.observe(later(due_in("j", 0.0), 1.0), DEBOUNCE, now + millis(1_000));
    assert_eq!(job.ask_time(), Some(now + millis(1_250)));
}

#[test]
fn of_contexts_of_one_instant_the_later_revision_is_not_settled() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.begin_ask();
    job.observe(due_in("j", 0.0), DEBOUNCE, now);
    job.end_ask(begun(0.0), now, &NoChance);
    assert_eq!(job.ask_time(), None, "seen by the ask");
    let answered = PlanningContext {
        context_revision: 3,
        ..due_in("j", 60.0)
    };
    job.observe(answered, DEBOUNCE, now);
    assert_eq!(job.ask_time(), Some(now + millis(60_250)));
}

#[test]
fn the_context_of_a_made_ask_is_settled_even_without_times() {
    let now = Instant::now();
    let mut job = JobState::new(
        PlanningContext {
            as_of_time: None,
            ..due_in("j", 0.0)
        },
        DEBOUNCE,
        now,
    );
    job.begin_ask();
    job.end_ask(
        Some(End::Begun {
            as_of: None,
            context_revision: 1,
            model: ModelHealth::Healthy,
        }),
        now,
        &NoChance,
    );
    assert_eq!(job.ask_time(), None);
}

#[test]
fn aborted_waits_for_the_next_context_and_not_for_ever() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.begin_ask();
    job.end_ask(refused(Status::aborted("held by another")), now, &NoChance);
    assert_eq!(job.ask_time(), Some(now + RECHECK));
    job.observe(later(due_in("j", 0.0), 1.0), DEBOUNCE, now + millis(1_000));
    assert_eq!(job.ask_time(), Some(now + millis(1_250)));
}

#[test]
fn a_lease_that_was_renewed_is_waited_for_until_its_new_end() {
    let now = Instant::now();
    let mut leased = due_in("j", 0.0);
    leased.lease_holder = "another".to_owned();
    leased.lease_expire_time = Some(at(30.0));
    let mut job = JobState::new(leased, DEBOUNCE, now);
    job.begin_ask();
    let end = [("lease_expire_time".to_owned(), at(50.0).to_string())];
    let details = tonic_types::ErrorDetails::with_error_info("PLAN_LEASE_HELD", "baton.v1", end);
    let held = Status::with_error_details(Code::Aborted, "held", details);
    job.end_ask(refused(held), now + millis(30_000), &NoChance);
    assert_eq!(job.ask_time(), Some(now + millis(50_000)));
}

#[test]
fn aborted_because_of_a_context_that_is_here_already_waits_for_nothing() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.begin_ask();
    job.observe(later(due_in("j", 0.0), 1.0), DEBOUNCE, now + millis(1_000));
    job.end_ask(
        refused(Status::aborted("the context has moved on")),
        now + millis(1_001),
        &NoChance,
    );
    assert_eq!(job.ask_time(), Some(now + millis(1_250)));
}

#[test]
fn a_spent_budget_holds_whatever_comes() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", 0.0), DEBOUNCE, now);
    job.begin_ask();
    job.end_ask(refused(Status::resource_exhausted("60 calls")), now, &NoChance);
    job.observe(later(due_in("j", 0.0), 1.0), DEBOUNCE, now + millis(1_000));
    assert_eq!(job.ask_time(), Some(now + DEFAULT_BUDGET_PAUSE));
}

#[test]
fn an_unreachable_scheduler_is_tried_again_after_growing_pauses() {
    let now = Instant::now();
    let mut job = JobState::new(due_in("j", -1.0), Duration::ZERO, now);
    for expected in [250, 500, 1_000] {
        job.begin_ask();
        job.end_ask(refused(Status::unavailable("gone")), now, &NoChance);
        assert_eq!(job.ask_time(), Some(now + millis(expected)));
    }
}

#[test]
fn a_wave_is_started_at_once_and_once() {
    let now = Instant::now();
    let offered = PlanningContext {
        advance_plan_id: Some("p".to_owned()),
        advance_wave: Some(2),
        ..context("j")
    };
    let mut job = JobState::new(offered.clone(), DEBOUNCE, now);
    assert_eq!(job.advance_time(), Some(now));
    let wave = job.begin_advance().unwrap();
    assert_eq!(job.advance_time(), None);
    job.end_advance(wave, Ok(()), now, &NoChance);
    job.observe(offered.clone(), DEBOUNCE, now);
    assert_eq!(job.advance_time(), None, "the same wave again");
    job.observe(
        PlanningContext {
            advance_wave: Some(3),
            ..offered
        },
        DEBOUNCE,
        now,
    );
    assert_eq!(job.advance_time(), Some(now));
}

#[test]
fn a_refused_wave_waits_for_the_next_context_and_a_lost_one_for_a_pause() {
    let now = Instant::now();
    let offered = PlanningContext {
        advance_plan_id: Some("p".to_owned()),
        advance_wave: Some(2),
        ..context("j")
    };
    let mut job = JobState::new(offered.clone(), DEBOUNCE, now);
    let wave = job.begin_advance().unwrap();
    job.end_advance(
        wave.clone(),
        Err(Status::failed_precondition("a run is not over")),
        now,
        &NoChance,
    );
    assert_eq!(job.advance_time(), None);
    job.observe(offered, DEBOUNCE, now + millis(10));
    assert_eq!(job.advance_time(), Some(now + millis(10)));
    job.begin_advance();
    job.end_advance(wave, Err(Status::unavailable("gone")), now, &NoChance);
    assert_eq!(job.advance_time(), Some(now + millis(250)));
}

#[test]
fn hostile_times_do_not_panic() {
    let now = Instant::now();
    for seconds in [i64::MIN, i64::MAX] {
        let mut context = due_in("j", 0.0);
        context.lease_holder = "another".to_owned();
        context.lease_expire_time = Some(Timestamp { seconds, nanos: 0 });
        context.ask.as_mut().unwrap().due_time = Some(Timestamp { seconds, nanos: 0 });
        JobState::new(context, DEBOUNCE, now).ask_time();
    }
}
