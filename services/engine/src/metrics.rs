//! What an engine measures. Names and units are part of the operator's interface.

use std::time::Duration;

use baton_domain::{call::CallOutcome, run::Run, time::elapsed};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram},
};

pub(crate) struct Metrics {
    lateness: Histogram<f64>,
    duration: Histogram<f64>,
    calls: Counter<u64>,
    lost: Counter<u64>,
    refused: Counter<u64>,
    in_flight: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let meter = opentelemetry::global::meter("baton-engine");
        let histogram = |name, description| {
            meter
                .f64_histogram(name)
                .with_unit("s")
                .with_description(description)
                .build()
        };
        let counter = |name, description| meter.u64_counter(name).with_description(description).build();
        Self {
            lateness: histogram("baton.run.lateness", "Start of a call after its run was due"),
            duration: histogram("baton.run.duration", "Length of a call"),
            calls: counter("baton.run.calls", "Calls that ended, by source and result"),
            lost: counter("baton.lease.lost", "Leases lost while the call was in the air"),
            refused: counter(
                "baton.run.refused",
                "Ends that came after another engine had taken the run",
            ),
            in_flight: meter
                .u64_gauge("baton.run.in_flight")
                .with_description("Calls in the air")
                .build(),
        }
    }

    /// Its call begins, so long after its claim counts.
    pub(crate) fn started(&self, run: &Run, after_claim: Duration) {
        let late = run
            .started_at
            .map(|started| elapsed(run.due_at, started))
            .unwrap_or_default();
        self.lateness.record((late + after_claim).as_secs_f64(), &[source(run)]);
    }

    pub(crate) fn ended(&self, run: &Run, outcome: &CallOutcome) {
        let result = if outcome.is_success() { "succeeded" } else { "failed" };
        self.duration.record(outcome.duration.as_secs_f64(), &[source(run)]);
        self.calls.add(1, &[source(run), KeyValue::new("result", result)]);
    }

    pub(crate) fn lost(&self, count: usize) {
        self.lost.add(count as u64, &[]);
    }

    pub(crate) fn refused(&self, count: usize) {
        self.refused.add(count as u64, &[]);
    }

    pub(crate) fn in_flight(&self, count: usize) {
        self.in_flight.record(count as u64, &[]);
    }
}

fn source(run: &Run) -> KeyValue {
    KeyValue::new("source", run.source.as_str().to_owned())
}
