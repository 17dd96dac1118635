//! What people change: definition, job, pause, resume, reset, archive.

use crate::{
    endpoint::{Baseline, EndpointStatus, Pause},
    governor::sample::{at, cron, endpoint, every, secs},
    hint::{Author, Instruction},
    ids::JobId,
    job::JobStatus,
    run::{Cause, RunStatus},
};

use super::world::{World, answered, succeeded};

const HOUR: i64 = 3_600;

fn pause(world: &mut World, pause: Pause) {
    world.change(|schedule, now, dice| schedule.pause(pause, now, dice));
}

fn resume(world: &mut World) {
    world.change(|schedule, now, dice| schedule.resume(now, dice));
}

fn job(world: &mut World, status: Option<JobStatus>) {
    world.change(|schedule, now, dice| schedule.change_job_status(status, now, dice));
}

fn assign(world: &mut World, status: Option<JobStatus>) {
    let job = status.map(|status| (JobId(uuid::Uuid::from_u128(7)), status));
    world.change(|schedule, now, dice| schedule.assign(job, now, dice));
}

fn archive(world: &mut World) {
    world.change(|schedule, now, dice| schedule.archive(now, dice));
}

fn redefine(world: &mut World, baseline: Baseline) {
    let mut endpoint = world.schedule.endpoint.clone();
    endpoint.baseline = baseline;
    world.change(|schedule, now, dice| schedule.redefine(endpoint, now, dice));
}

#[test]
fn a_new_endpoint_has_its_first_time_and_says_why() {
    let world = World::new(endpoint(every(60)));
    assert_eq!(world.planned(), Some((at(60), Cause::Interval)));
    let changes: Vec<_> = world
        .schedule
        .changes
        .iter()
        .map(|change| (change.trigger, change.next_at))
        .collect();
    assert_eq!(changes, [(crate::schedule::Trigger::Created, Some(at(60)))]);
}

#[test]
fn an_endpoint_can_be_created_paused() {
    let mut endpoint = endpoint(every(60));
    endpoint.pause = Some(Pause::UntilResumed);
    let mut world = World::new(endpoint);
    assert_eq!(world.planned(), None);
    world.go(500);
    resume(&mut world);
    assert_eq!(world.planned(), Some((at(540), Cause::Interval)));
}

#[test]
fn times_inside_a_pause_are_not_due_and_never_counted() {
    let mut world = World::new(endpoint(every(60)));
    pause(&mut world, Pause::Until(at(500)));
    assert_eq!(world.planned(), Some((at(540), Cause::Interval)));
    world.live_until(HOUR, 1, |_| succeeded());
    assert_eq!(world.skipped(), []);
    assert_eq!(world.times_of(Cause::Interval).first(), Some(&at(540)));
}

#[test]
fn a_pause_records_the_due_time_that_it_keeps_from_running() {
    let mut world = World::new(endpoint(every(60)));
    world.go(130);
    pause(&mut world, Pause::UntilResumed);
    assert_eq!(world.planned(), None);
    assert_eq!(world.skipped(), [(at(60), at(120), 2, "paused")]);
}

#[test]
fn resuming_a_pause_that_is_over_changes_nothing() {
    let mut world = World::new(endpoint(every(60)));
    pause(&mut world, Pause::Until(at(100)));
    world.go(200);
    let before = (world.planned(), world.schedule.state.clone());
    resume(&mut world);
    // Due since 120 and still due.
    assert_eq!(before.0, Some((at(120), Cause::Interval)));
    assert_eq!(
        (world.planned(), world.schedule.state.changed_at),
        (before.0, before.1.changed_at)
    );
    assert_eq!(world.schedule.endpoint.pause, None);
    world.run_for(1);
    assert_eq!(world.skipped(), [(at(180), at(180), 1, "overlap")]);
}

#[test]
fn a_pause_in_place_of_another_counts_alone() {
    let mut world = World::new(endpoint(every(60)));
    pause(&mut world, Pause::UntilResumed);
    pause(&mut world, Pause::Until(at(100)));
    assert_eq!(world.planned(), Some((at(120), Cause::Interval)));
}

#[test]
fn nothing_a_planner_sends_shortens_a_persons_pause() {
    let mut world = World::new(endpoint(every(60)));
    pause(&mut world, Pause::Until(at(600)));
    world.hint(Author::Planner, Instruction::Pause, 100);
    world.hint(Author::Planner, Instruction::OneShot(at(50)), HOUR);
    world.hint(Author::Planner, Instruction::Interval(secs(7)), HOUR);
    assert_eq!(world.planned().map(|(at, _)| at), Some(at(600)));
    world.clear(|_| true);
    assert_eq!(world.planned(), Some((at(660), Cause::Interval)));
}

#[test]
fn one_shot_of_a_paused_time_does_not_come_back_on_resume() {
    let mut world = World::new(endpoint(every(600)));
    world.hint(Author::Planner, Instruction::OneShot(at(50)), 60);
    pause(&mut world, Pause::UntilResumed);
    world.go(100);
    resume(&mut world);
    assert_eq!(world.planned(), Some((at(600), Cause::Interval)));
}

#[test]
fn a_definition_counts_from_its_writing_and_keeps_the_anchor() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.run_for(1);
    world.go(70);
    redefine(&mut world, every(25));
    assert_eq!(world.planned(), Some((at(85), Cause::Interval)));
    redefine(&mut world, cron("*/5 * * * *"));
    assert_eq!(world.planned(), Some((at(300), Cause::Cron)));
    redefine(&mut world, Baseline::Dormant);
    assert_eq!(world.planned(), None);
}

#[test]
fn a_definition_written_during_a_run_records_what_the_old_one_missed() {
    let mut world = World::new(endpoint(every(15)));
    world.go(15);
    world.claim();
    world.go(50);
    redefine(&mut world, every(20));
    assert_eq!(world.skipped(), [(at(30), at(45), 2, "definition-changed")]);
    world.go(70);
    world.report(&succeeded());
    assert_eq!(world.skipped()[1..], [(at(65), at(65), 1, "overlap")]);
    assert_eq!(world.planned(), Some((at(85), Cause::Interval)));
}

#[test]
fn a_paused_job_pauses_and_a_resumed_one_starts_from_now() {
    let mut world = World::new(endpoint(every(60)));
    job(&mut world, Some(JobStatus::Paused));
    assert_eq!(world.planned(), None);
    world.go(200);
    job(&mut world, Some(JobStatus::Active));
    assert_eq!(world.planned(), Some((at(240), Cause::Interval)));
    assert_eq!(world.skipped(), []);
}

#[test]
fn moving_between_jobs_follows_their_status() {
    let mut world = World::new(endpoint(every(60)));
    assign(&mut world, Some(JobStatus::Active));
    assert_eq!(world.planned(), Some((at(60), Cause::Interval)));
    let row = world.schedule.plan_row.as_ref().expect("a plan row");
    assert_eq!(
        (row.run.job_id, row.run.job_id.is_some()),
        (world.schedule.endpoint.job_id, true)
    );
    assign(&mut world, Some(JobStatus::Paused));
    assert_eq!(world.planned(), None);
    world.go(150);
    assign(&mut world, None);
    assert_eq!(world.planned(), Some((at(180), Cause::Interval)));
    assert_eq!(world.schedule.endpoint.job_id, None);
}

#[test]
fn a_due_row_survives_a_move_between_active_jobs() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    assign(&mut world, Some(JobStatus::Active));
    assert_eq!(world.claim().map(|run| run.planned_at), Some(at(60)));
}

#[test]
fn reset_ends_the_backoff() {
    let mut world = World::new(endpoint(every(60)));
    world.live_until(200, 1, |_| answered(404));
    assert_eq!(world.planned(), Some((at(420), Cause::Interval)));
    world.go(190);
    world.change(|schedule, now, dice| schedule.reset_failures(now, dice));
    assert_eq!(world.planned(), Some((at(240), Cause::Interval)));
}

#[test]
fn archiving_cancels_what_is_planned_and_nothing_comes_after() {
    let mut world = World::new(endpoint(every(60)));
    archive(&mut world);
    assert_eq!(world.schedule.endpoint.status, EndpointStatus::Archived);
    assert_eq!(world.planned(), None);
    let ended: Vec<_> = world
        .history
        .iter()
        .map(|run| (run.status, run.reason.as_deref()))
        .collect();
    assert_eq!(ended, [(RunStatus::Cancelled, Some("endpoint-archived"))]);
    assert!(world.schedule.require_active().is_err());
}

#[test]
fn archiving_a_job_accounts_for_what_was_due() {
    let mut world = World::new(endpoint(every(60)));
    world.go(200);
    job(&mut world, Some(JobStatus::Archived));
    let cancelled: Vec<_> = world.history.iter().filter(|run| run.missed.is_none()).collect();
    assert_eq!(cancelled.iter().map(|run| run.planned_at).collect::<Vec<_>>(), [at(60)]);
    assert_eq!(world.skipped(), [(at(120), at(180), 2, "job-archived")]);
}

#[test]
fn archiving_cancels_nothing_in_flight_but_starts_nothing_again() {
    for status in [200, 503] {
        let mut world = World::new(endpoint(every(60)));
        world.go(60);
        world.claim();
        archive(&mut world);
        let expected = if status == 200 {
            RunStatus::Succeeded
        } else {
            RunStatus::Failed
        };
        assert_eq!(world.report(&answered(status)), expected);
        assert_eq!(world.planned(), None);
    }
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.claim();
    archive(&mut world);
    assert_eq!(world.lose(), RunStatus::Cancelled);
    assert_eq!(world.schedule.state.busy, None);
}

#[test]
fn pausing_cancels_nothing_in_flight_and_its_retries_go_on() {
    let mut world = World::new(endpoint(every(60)));
    world.go(60);
    world.claim();
    pause(&mut world, Pause::UntilResumed);
    assert_eq!(world.report(&answered(503)), RunStatus::Planned);
    world.go(70);
    assert_eq!(world.claim().map(|run| run.attempt), Some(2));
    assert_eq!(world.report(&succeeded()), RunStatus::Succeeded);
    assert_eq!(world.planned(), None);
}

#[test]
fn every_write_of_the_endpoint_moves_its_version() {
    let mut world = World::new(endpoint(every(60)));
    pause(&mut world, Pause::UntilResumed);
    resume(&mut world);
    resume(&mut world);
    redefine(&mut world, every(30));
    assign(&mut world, None);
    archive(&mut world);
    // The second resume found nothing to end.
    assert_eq!(world.schedule.endpoint.version, 6);
}
