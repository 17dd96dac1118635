//! What the domain decides by itself: the next run of an endpoint, the next time of a cron expression, and what becomes of
//! a plan. No database but the one in memory, no network.
//!
//! `cargo bench --workspace --bench decisions`

mod plan;
mod schedules;

use std::hint::black_box;

use baton_domain::{
    cron::CronSchedule,
    error::Violations,
    fixtures::contract::World,
    governor::{self, Inputs},
    limits::PlanLimits,
    services::check_answer,
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

use plan::Ask;

fn governor(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("governor");
    for (name, schedule) in schedules::all() {
        let inputs = Inputs {
            endpoint: &schedule.endpoint,
            job_status: schedule.job_status,
            state: &schedule.state,
            hints: &schedule.hints,
        };
        let now = World::start();
        assert!(governor::next(inputs, now).is_some(), "{name} has a next run");
        group.bench_function(name, |bencher| {
            bencher.iter(|| governor::next(black_box(inputs), black_box(now)));
        });
    }
    group.finish();
}

fn cron(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cron-next");
    for (name, expression, zone) in [
        ("every-5-minutes-utc", "*/5 * * * *", ""),
        ("office-hours-berlin", "*/15 9-17 * * MON-FRI", "Europe/Berlin"),
        ("leap-day", "0 0 29 2 *", ""),
    ] {
        let from = World::start();
        let schedule = CronSchedule::parse(expression, zone, from).expect("a valid expression");
        group.bench_function(name, |bencher| bencher.iter(|| schedule.next_after(black_box(from))));
    }
    group.finish();
}

/// The bounds of an answer, and the whole way of one into force: 50 steps and 20 hints over 20 endpoints.
fn plans(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut group = criterion.benchmark_group("plan");
    let (answer, limits) = (runtime.block_on(Ask::begin()).answer, PlanLimits::default());
    group.bench_function("check", |bencher| {
        bencher.iter(|| {
            let mut violations = Violations::default();
            check_answer(black_box(&answer), &limits, &mut violations);
            violations.into_result()
        });
    });
    // Each ask is answered once, and making one takes longer than answering it.
    group.sample_size(20);
    group.bench_function("submit", |bencher| {
        bencher.iter_batched(
            || runtime.block_on(Ask::begin()),
            |ask| runtime.block_on(ask.submit()),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(decisions, governor, cron, plans);
criterion_main!(decisions);
