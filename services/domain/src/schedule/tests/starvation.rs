//! No starvation: whatever a planner sends, cadence runs follow each other within the bound.
//!
//! The planner acts at the worst moments: just before each time comes due, between due and claimed, while something runs
//! and when it ends. Its calls take long and fail; the endpoint's own succeed.

use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;

use crate::{
    endpoint::{Baseline, Endpoint, RetryPolicy},
    governor::sample::{Dice, endpoint, secs},
    hint::{Author, Instruction},
    limits::{HINT_SLOWDOWN, PlanLimits},
    run::Run,
    schedule::pause_cap,
    time::{Timestamp, after, elapsed},
};

use super::world::{World, answered, succeeded};

const STARTS: usize = 5;
/// From due to claimed.
const LATENCY: Duration = Duration::from_millis(40);

/// What the planner likes to do, as weights of its eight habits.
type Habits = [u8; 8];

#[derive(Debug, Clone)]
struct Contest {
    endpoint: Endpoint,
    /// Of one attempt.
    call: Duration,
    limits: PlanLimits,
    habits: Habits,
    seed: u64,
}

fn contest() -> impl Strategy<Value = Contest> {
    let lengths = (10..300_u64, 1..=8_u64, 1..=16_u64, any::<bool>());
    let calls = (1..=300_u64, 1..=3_u32);
    let planner = (any::<Habits>(), any::<u64>());
    (lengths, calls, planner, any::<bool>()).prop_map(|(lengths, calls, (habits, seed), short_pauses)| {
        let (interval, slower, faster, bounded) = lengths;
        let mut endpoint = endpoint(Baseline::Interval(secs(interval)));
        endpoint.max_interval = bounded.then(|| secs(interval) * u32::try_from(slower).expect("at most 8") / 2);
        endpoint.max_interval = endpoint.max_interval.map(|max| max.max(secs(interval)));
        endpoint.min_interval = secs(interval) / u32::try_from(faster).expect("at most 16");
        endpoint.retry = RetryPolicy {
            max_attempts: calls.1,
            base_delay: secs(1),
            max_delay: secs(1),
        };
        Contest {
            call: secs(interval * 2).min(secs(calls.0)),
            endpoint,
            limits: PlanLimits::compressed(if short_pauses { 60.0 } else { 1.0 }),
            habits,
            seed,
        }
    })
}

impl Contest {
    /// From the end of one cadence run to the start of the next.
    fn bound(&self) -> Duration {
        let interval = self.endpoint.interval().unwrap_or_default();
        let slowest = self.endpoint.max_interval.unwrap_or(interval * HINT_SLOWDOWN);
        let retries = self.endpoint.retry.max_attempts;
        let longest_call = self.call * retries + self.endpoint.retry.max_delay * (retries - 1) + LATENCY * retries;
        // The run itself is claimed late as well.
        slowest * 2 + pause_cap(&self.limits, &self.endpoint.baseline) + longest_call + LATENCY
    }

    /// Gaps between cadence runs with their ends, until enough have run or one gap exceeds the bound.
    fn play(&self) -> Vec<(Duration, Timestamp)> {
        let mut world = World::new(self.endpoint.clone());
        world.limits = self.limits;
        world.dice = Dice::seeded(self.seed);
        let mut gaps = Vec::new();
        let mut free_since = world.now;
        while gaps.len() < STARTS && elapsed(free_since, world.now) <= self.bound() {
            let Some(run) = self.start_next(&mut world) else {
                continue;
            };
            if run.cause.is_cadence() && run.attempt == 1 {
                gaps.push((elapsed(free_since, world.now), world.now));
            }
            self.wait(&mut world, self.call / 2);
            self.wait(&mut world, self.call - self.call / 2);
            let failing = !run.cause.is_cadence();
            world.report(&if failing { answered(503) } else { succeeded() });
            if run.cause.is_cadence() {
                free_since = world.now;
            }
            self.wait(&mut world, Duration::ZERO);
        }
        gaps.push((elapsed(free_since, world.now), world.now));
        gaps
    }

    /// Waits for what is due next and claims it, unless the planner moves it away in the last moment.
    fn start_next(&self, world: &mut World) -> Option<Run> {
        let due = world.next_due().expect("the baseline is always planned").max(world.now);
        let eve = elapsed(world.now, due - TimeDelta::milliseconds(1));
        self.wait(world, eve);
        let now_due = world.next_due().filter(|next| *next <= due.max(world.now));
        let eve = elapsed(world.now, now_due?);
        self.wait(world, eve);
        self.wait(world, LATENCY);
        world.claim()
    }

    /// Lets time pass, then the planner act.
    fn wait(&self, world: &mut World, time: Duration) {
        world.go_to(after(world.now, time));
        let total: u64 = self.habits.iter().map(|weight| u64::from(*weight)).sum();
        for _ in 0..world.dice.roll() % 3 {
            let mut ticket = if total == 0 { 0 } else { world.dice.roll() % total };
            let habit = self.habits.iter().position(|weight| {
                let mine = ticket < u64::from(*weight);
                ticket = ticket.saturating_sub(u64::from(*weight));
                mine
            });
            self.act(world, habit.unwrap_or_default());
        }
    }

    fn act(&self, world: &mut World, habit: usize) {
        let now = world.now;
        let interval = self.endpoint.interval().unwrap_or_default();
        let part =
            |world: &World, of: Duration| of * u32::try_from(world.dice.roll() % 1_000).expect("below 1000") / 1_000;
        let ttl = after(now, part(world, interval * 10) + secs(1));
        match habit {
            0 if world.extras.len() < 3 => world.add_step(),
            1 => {
                let at = world.planned().map_or(now, |(at, _)| at - TimeDelta::milliseconds(1));
                world.hint_until(Author::Planner, Instruction::OneShot(at.min(ttl)), ttl);
            }
            2 => {
                world.hint_until(Author::Planner, Instruction::OneShot(now), ttl);
            }
            3 => {
                let cap = pause_cap(&self.limits, &self.endpoint.baseline);
                let length = if world.dice.roll().is_multiple_of(2) {
                    cap
                } else {
                    part(world, cap * 2) + secs(1)
                };
                world.hint_until(Author::Planner, Instruction::Pause, after(now, length));
            }
            4 => {
                world.hint_until(Author::Planner, Instruction::Interval(interval * 1_000), ttl);
            }
            5 => {
                let gap = part(world, interval * 5) + secs(1);
                world.hint_until(Author::Planner, Instruction::Interval(gap), ttl);
            }
            6 => {
                let kind = ["interval", "one-shot", "pause"][usize::try_from(world.dice.roll() % 3).expect("below 3")];
                world.clear(|hint| hint.instruction.kind() == kind);
            }
            7 => {
                // A gap a little longer than the last moves the next time at each writing.
                let gap = part(world, interval / 10) + interval;
                world.hint_until(Author::Planner, Instruction::Interval(gap), ttl);
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn cadence_runs_keep_coming(contest in contest()) {
        let bound = contest.bound();
        for (gap, start) in contest.play() {
            prop_assert!(gap <= bound, "{gap:?} before {start}, bound {bound:?}");
        }
    }
}
