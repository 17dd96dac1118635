//! Attempts, lost leases and fences.

use std::time::Duration;

use crate::{
    call::{CallError, CallErrorKind, CallOutcome},
    endpoint::RetryPolicy,
    governor::sample::{Dice, at, endpoint, every, secs},
    limits,
    run::{Cause, RunStatus, Slot},
    time::elapsed,
};

use super::world::{World, answered, succeeded};

fn running() -> World {
    let mut world = World::new(endpoint(every(600)));
    world.go(600);
    world.claim();
    world
}

fn broken(kind: CallErrorKind) -> CallOutcome {
    CallOutcome {
        error: Some(CallError {
            kind,
            message: "no answer".to_owned(),
        }),
        ..CallOutcome::default()
    }
}

fn delay(world: &World) -> Duration {
    elapsed(world.now, world.next_due().expect("another attempt"))
}

#[test]
fn what_is_tried_again_and_what_ends_the_run() {
    for code in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert_eq!(running().report(&answered(code)), RunStatus::Planned, "{code}");
    }
    for code in [301, 304, 400, 401, 404, 409, 410, 422] {
        assert_eq!(running().report(&answered(code)), RunStatus::Failed, "{code}");
    }
    for code in [200, 202, 204, 299] {
        assert_eq!(running().report(&answered(code)), RunStatus::Succeeded, "{code}");
    }
    assert_eq!(running().report(&broken(CallErrorKind::Timeout)), RunStatus::Planned);
    assert_eq!(running().report(&broken(CallErrorKind::Connect)), RunStatus::Planned);
    assert_eq!(
        running().report(&broken(CallErrorKind::EgressDenied)),
        RunStatus::Failed
    );
}

#[test]
fn three_attempts_by_default_then_the_run_has_failed() {
    let mut world = running();
    for attempt in 1..3 {
        assert_eq!(world.report(&answered(503)), RunStatus::Planned);
        world.go_to(world.next_due().expect("another attempt"));
        let run = world.claim().expect("another attempt");
        assert_eq!(
            (run.attempt, run.planned_at, run.cause),
            (attempt + 1, at(600), Cause::Interval)
        );
    }
    assert_eq!(world.report(&answered(503)), RunStatus::Failed);
    let run = world.history.last().expect("the run");
    assert_eq!((run.attempt, run.status_code), (3, Some(503)));
    assert_eq!(world.schedule.state.failures, 1);
}

#[test]
fn jitter_is_full_between_nothing_and_the_doubled_base_and_capped() {
    let policy = RetryPolicy {
        max_attempts: 9,
        base_delay: secs(1),
        max_delay: secs(5),
    };
    let ceilings = [1, 2, 4, 5, 5].map(secs);
    let (mut shortest, mut longest) = ([Duration::MAX; 5], [Duration::ZERO; 5]);
    for seed in 0..400 {
        let mut world = running();
        world.dice = Dice::seeded(seed);
        world.schedule.endpoint.retry = policy;
        for (index, ceiling) in ceilings.into_iter().enumerate() {
            world.report(&answered(500));
            let delay = delay(&world);
            assert!(delay <= ceiling, "attempt {} waits {delay:?}", index + 2);
            shortest[index] = shortest[index].min(delay);
            longest[index] = longest[index].max(delay);
            world.go_to(world.next_due().expect("another attempt"));
            world.claim();
        }
    }
    for (index, ceiling) in ceilings.into_iter().enumerate() {
        assert!(shortest[index] < ceiling / 10 && longest[index] > ceiling * 9 / 10);
    }
}

#[test]
fn retry_after_is_honoured_up_to_the_longest_delay() {
    let wishes = [(20, 20), (59, 59), (3_600, 60)];
    for (wish, expected) in wishes {
        let mut world = running();
        world.report(&CallOutcome {
            retry_after: Some(secs(wish)),
            ..answered(429)
        });
        assert_eq!(delay(&world), secs(expected));
    }
}

#[test]
fn an_endpoint_stays_busy_while_its_run_waits_for_the_next_attempt() {
    let mut world = running();
    world.report(&answered(503));
    let due = world.next_due().expect("another attempt");
    world.add_step();
    assert_eq!(world.claim().map(|run| run.cause), None);
    world.go_to(due);
    assert_eq!(world.claim().map(|run| run.cause), Some(Cause::Interval));
}

#[test]
fn a_lost_lease_uses_up_no_attempt() {
    let mut world = running();
    assert_eq!(world.lose(), RunStatus::Planned);
    let run = world.claim().expect("claimable at once");
    assert_eq!((run.attempt, run.planned_at), (1, at(600)));
    assert_eq!(world.schedule.state.failures, 0);
}

#[test]
fn five_losses_are_forgiven_the_sixth_ends_the_run() {
    let mut world = running();
    for _ in 0..limits::LOSSES_MAX {
        assert_eq!(world.lose(), RunStatus::Planned);
        world.claim();
    }
    assert_eq!(world.lose(), RunStatus::Failed);
    let run = world.history.last().expect("the run");
    assert_eq!((run.error.as_deref(), run.attempt), (Some("lease lost 6 times"), 1));
    assert_eq!(world.schedule.state.failures, 1);
    assert_eq!(world.planned(), Some((at(1_800), Cause::Interval)));
}

#[test]
fn each_claim_and_each_retried_report_moves_the_fence() {
    let mut world = running();
    let fence = |world: &World| world.busy().map(|row| row.fence);
    assert_eq!(fence(&world), Some(1));
    world.lose();
    // Taken back is not yet held by another: the old holder's report still counts.
    assert_eq!(fence(&world), Some(1));
    world.claim();
    assert_eq!(fence(&world), Some(2));
    world.report(&answered(503));
    // Taken: the same report again is old.
    assert_eq!(fence(&world), Some(3));
}

#[test]
fn a_late_report_counts_while_nobody_else_has_claimed() {
    let mut world = running();
    world.lose();
    assert_eq!(world.report(&succeeded()), RunStatus::Succeeded);
    let run = world.history.last().expect("the run");
    assert_eq!((run.attempt, run.status_code), (1, Some(200)));
    // A late failure uses its attempt up.
    let mut world = running();
    world.lose();
    assert_eq!(world.report(&answered(503)), RunStatus::Planned);
    assert_eq!(world.busy().map(|row| row.run.attempt), Some(1));
}

#[test]
fn a_claim_starts_clean_of_the_attempt_before() {
    let mut world = running();
    world.report(&answered(503));
    assert_eq!(world.busy().and_then(|row| row.run.status_code), Some(503));
    world.go_to(world.next_due().expect("another attempt"));
    let run = world.claim().expect("another attempt");
    assert_eq!((run.status_code, run.error, run.duration), (None, None, None));
    assert_eq!(run.started_at, Some(world.now));
}

#[test]
fn a_claimed_plan_row_is_taken_and_leaves_the_plan_to_its_end() {
    let world = running();
    assert_eq!(world.busy().map(|row| row.slot), Some(Slot::Taken));
    assert_eq!(world.planned(), None);
}

#[test]
fn failed_steps_do_not_count_as_failures_of_the_cadence() {
    let mut world = World::new(endpoint(every(600)));
    world.add_step();
    world.claim();
    world.report(&answered(404));
    assert_eq!(
        (world.schedule.state.failures, world.planned()),
        (0, Some((at(600), Cause::Interval)))
    );
}
