//! Every due cadence time is accounted for exactly once: as a run, or within the window of one skipped row.
//!
//! The account is compared with a ledger that watches the same life and enumerates, with loops instead of arithmetic and
//! without the governor, which times come due.

mod ledger;

use chrono::TimeDelta;
use proptest::prelude::*;

use crate::{
    endpoint::{Baseline, Overlap, Pause},
    governor::sample::{cron, endpoint, millis, secs},
    hint::{Author, Instruction},
    run::{Cause, Run, RunStatus, Source},
    time::{Timestamp, after},
};

use super::world::{World, answered, succeeded};
use ledger::Ledger;

/// What may happen at a moment.
#[derive(Debug, Clone)]
enum Event {
    Claim,
    End { success: bool, place: usize },
    Step,
    Manual,
    Interval { person: bool, gap: u64, life: u64 },
    OneShot { person: bool, ahead: u64, life: u64 },
    AiPause { life: u64 },
    Clear { kind: &'static str },
    Pause { length: Option<u64> },
    Resume,
    Redefine { gap: u64, overlap: Overlap },
    ResetFailures,
}

fn event() -> impl Strategy<Value = Event> {
    let kind = proptest::sample::select(vec!["interval", "one-shot", "pause"]);
    prop_oneof![
        12 => Just(Event::Claim),
        12 => (any::<bool>(), 0..4_usize).prop_map(|(success, place)| Event::End { success, place }),
        3 => Just(Event::Step),
        3 => Just(Event::Manual),
        4 => (any::<bool>(), 1..90_u64, 1..200_u64).prop_map(|(person, gap, life)| Event::Interval { person, gap, life }),
        4 => (any::<bool>(), 0..60_u64, 1..90_u64).prop_map(|(person, ahead, life)| Event::OneShot { person, ahead, life }),
        2 => (1..120_u64).prop_map(|life| Event::AiPause { life }),
        2 => kind.prop_map(|kind| Event::Clear { kind }),
        1 => proptest::option::of(1..120_u64).prop_map(|length| Event::Pause { length }),
        2 => Just(Event::Resume),
        1 => (2..90_u64, overlap()).prop_map(|(gap, overlap)| Event::Redefine { gap, overlap }),
        1 => Just(Event::ResetFailures),
    ]
}

/// Milliseconds to the next event: often none, often a round time.
fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![2 => Just(0), 3 => (1..8_i64).prop_map(|five| five * 5_000), 4 => 1..40_000_i64]
}

fn baseline() -> impl Strategy<Value = Baseline> {
    prop_oneof![
        5 => (5..60_u64).prop_map(|gap| Baseline::Interval(secs(gap))),
        1 => Just(cron("* * * * *")),
        1 => Just(Baseline::Dormant),
    ]
}

fn overlap() -> impl Strategy<Value = Overlap> {
    prop_oneof![
        Just(Overlap::Skip),
        Just(Overlap::Queue),
        (1..4_u32).prop_map(|max_concurrency| Overlap::Allow { max_concurrency }),
    ]
}

fn happen(world: &mut World, event: &Event) {
    let now = world.now;
    let author = |person: &bool| if *person { Author::Person } else { Author::Planner };
    match event {
        Event::Claim => {
            world.claim();
        }
        Event::End { success, place } => {
            let place = place % world.in_flight.len().max(1);
            let row = world.in_flight.get(place);
            if row.is_some_and(|row| row.run.status == RunStatus::Running) {
                world.report_of(place, &if *success { succeeded() } else { answered(404) });
            }
        }
        Event::Step => world.add_step(),
        Event::Manual => world.add_extra(Source::MANUAL, Cause::Manual),
        Event::Interval { person, gap, life } => {
            world.hint_until(
                author(person),
                Instruction::Interval(secs(*gap)),
                after(now, secs(*life)),
            );
        }
        Event::OneShot { person, ahead, life } => {
            let at = after(now, secs(*ahead)) - TimeDelta::seconds(5);
            world.hint_until(author(person), Instruction::OneShot(at), after(now, secs(*life)));
        }
        Event::AiPause { life } => {
            world.hint_until(Author::Planner, Instruction::Pause, after(now, secs(*life)));
        }
        Event::Clear { kind } => {
            world.clear(|hint| hint.instruction.kind() == *kind);
        }
        Event::Pause { length } => {
            let pause = length.map_or(Pause::UntilResumed, |length| Pause::Until(after(now, secs(length))));
            world.change(|schedule, now, dice| schedule.pause(pause, now, dice));
        }
        Event::Resume => world.change(|schedule, now, dice| schedule.resume(now, dice)),
        Event::Redefine { gap, overlap } => {
            let mut endpoint = world.schedule.endpoint.clone();
            endpoint.overlap = *overlap;
            if endpoint.interval().is_some() {
                endpoint.baseline = Baseline::Interval(secs(*gap));
                endpoint.min_interval = endpoint.min_interval.min(secs(*gap));
            }
            world.change(|schedule, now, dice| schedule.redefine(endpoint, now, dice));
        }
        Event::ResetFailures => world.change(|schedule, now, dice| schedule.reset_failures(now, dice)),
    }
}

/// What the history and what is in flight say about cadence times, as windows in order.
fn accounts(world: &World) -> Vec<(Timestamp, Timestamp, u32)> {
    let in_flight = world.in_flight.iter().map(|row| &row.run);
    let waiting = world.schedule.plan_row.iter().map(|row| &row.run);
    let waiting = waiting.filter(|run| run.due_at <= world.now);
    let all = world.history.iter().chain(in_flight).chain(waiting);
    let window = |run: &Run| match run.missed {
        Some(missed) => (missed.first, missed.last, missed.count),
        None => (run.planned_at, run.planned_at, 1),
    };
    let mut windows: Vec<_> = all.filter(|run| run.cause.is_cadence()).map(window).collect();
    windows.sort();
    windows
}

/// The same windows cut from the ledger's times: as many of them each as the account claims.
fn cut(times: &[Timestamp], windows: &[(Timestamp, Timestamp, u32)]) -> Vec<(Timestamp, Timestamp, u32)> {
    let mut rest = times;
    let mut cut = Vec::new();
    for (_, _, count) in windows {
        let count = usize::try_from(*count).expect("a small count").min(rest.len());
        let (window, behind) = rest.split_at(count);
        rest = behind;
        if let (Some(first), Some(last)) = (window.first(), window.last()) {
            cut.push((*first, *last, u32::try_from(count).expect("a small count")));
        }
    }
    cut.extend(rest.iter().map(|time| (*time, *time, 1)));
    cut
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn every_due_time_is_accounted_for_exactly_once(
        baseline in baseline(),
        overlap in overlap(),
        min_interval in 1..20_u64,
        events in proptest::collection::vec((wait(), event()), 1..30),
    ) {
        let mut endpoint = endpoint(baseline);
        endpoint.overlap = overlap;
        endpoint.min_interval = endpoint.interval().map_or(secs(min_interval), |gap| gap.min(secs(min_interval)));
        let mut world = World::new(endpoint);
        let mut ledger = Ledger::new(&world.schedule);
        let last = [(0, Event::Claim), (300, Event::End { success: true, place: 0 })];
        for (wait, event) in events.iter().chain(&last) {
            world.go_to(world.now + TimeDelta::milliseconds(*wait));
            let before = world.history.len();
            happen(&mut world, event);
            ledger.follow(&world, event, before);
        }
        // What passes during the last run is only recorded at its end, unless runs may overlap.
        if world.in_flight.is_empty() || world.schedule.endpoint.overlap != Overlap::Skip {
            let now = world.now;
            ledger.advance(now);
            world.change(|schedule, now, dice| schedule.catch_up(now, dice));
            let windows = accounts(&world);
            prop_assert_eq!(&windows, &cut(&ledger.times, &windows), "{:?}", millis(0));
        }
    }
}
