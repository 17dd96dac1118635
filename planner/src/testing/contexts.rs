//! Planning contexts as a scheduler would send them.

use std::time::Duration;

use baton_proto::v1::{
    AskDue, ContextEndpoint, ContextSale, Endpoint, FlashSale, FlashSaleState, Job, PlanLimits, PlanningContext, Run,
    RunStatus, SignalChange, endpoint::Baseline,
};
use prost_types::Timestamp;

use crate::scale::wire_duration;

/// The instant of [`context`], years away from the clock of whoever runs the tests.
pub(crate) const NOW: Timestamp = Timestamp {
    seconds: 4_000_000_000,
    nanos: 0,
};

/// So many seconds after [`NOW`].
pub(crate) fn at(seconds: f64) -> Timestamp {
    let nanos = i128::from(NOW.seconds) * 1_000_000_000 + (seconds * 1e9).round() as i128;
    Timestamp {
        seconds: (nanos / 1_000_000_000) as i64,
        nanos: (nanos % 1_000_000_000) as i32,
    }
}

pub(crate) fn seconds(seconds: f64) -> Option<prost_types::Duration> {
    Some(wire_duration(Duration::from_secs_f64(seconds)))
}

/// A job with an interval endpoint and a dormant one, nothing due.
pub(crate) fn context(job_id: &str) -> PlanningContext {
    PlanningContext {
        job: Some(Job {
            id: job_id.to_owned(),
            name: "shop".to_owned(),
            description: "Watch the shop.".to_owned(),
            ..Job::default()
        }),
        endpoints: vec![monitor(), recovery()],
        sales: vec![sale()],
        definition_revision: 7,
        context_revision: 1,
        as_of_time: Some(NOW),
        limits: Some(limits()),
        time_compression: 1.0,
        ..PlanningContext::default()
    }
}

/// The same with an ask that is due so many seconds from its own time.
pub(crate) fn due_in(job_id: &str, delay: f64) -> PlanningContext {
    let ask = AskDue {
        due_time: Some(at(delay)),
        reasons: vec!["signal-changed".to_owned()],
    };
    PlanningContext {
        ask: Some(ask),
        ..context(job_id)
    }
}

pub(crate) fn limits() -> PlanLimits {
    PlanLimits {
        max_steps: 50,
        max_waves: 8,
        max_step_delay: seconds(900.0),
        max_hint_ttl: seconds(86_400.0),
        min_review_after: seconds(60.0),
        max_review_after: seconds(1_800.0),
        steps_left: 120,
    }
}

fn monitor() -> ContextEndpoint {
    let endpoint = Endpoint {
        id: "id-monitor".to_owned(),
        name: "monitor".to_owned(),
        description: "Visitors per minute.".to_owned(),
        baseline: seconds(300.0).map(Baseline::Interval),
        min_interval: seconds(20.0),
        max_interval: seconds(900.0),
        ..Endpoint::default()
    };
    let run = Run {
        source: "baseline".to_owned(),
        cause: baton_proto::v1::Cause::Interval.into(),
        status: RunStatus::Succeeded.into(),
        start_time: Some(at(-45.0)),
        status_code: Some(200),
        response: br#"{"visitors_per_min":5000}"#.to_vec(),
        ..Run::default()
    };
    ContextEndpoint {
        endpoint: Some(endpoint),
        recent_runs: vec![run],
        runs_in_sale: 3,
        cooldown_end_time: None,
    }
}

fn recovery() -> ContextEndpoint {
    let endpoint = Endpoint {
        id: "id-recovery".to_owned(),
        name: "recovery".to_owned(),
        description: "Loads products into the cache.".to_owned(),
        cooldown: seconds(900.0),
        ..Endpoint::default()
    };
    ContextEndpoint {
        endpoint: Some(endpoint),
        ..ContextEndpoint::default()
    }
}

fn sale() -> ContextSale {
    let flash_sale = FlashSale {
        name: "summer".to_owned(),
        description: "Forty minutes.".to_owned(),
        start_time: Some(at(-600.0)),
        end_time: Some(at(1_800.0)),
        phase: "surge".to_owned(),
        signals: [("visitors_per_min".to_owned(), 5_000.0)].into(),
        state: FlashSaleState::Active.into(),
        ..FlashSale::default()
    };
    let change = SignalChange {
        name: "visitors_per_min".to_owned(),
        value: Some(5_000.0),
        time: Some(at(-90.5)),
    };
    ContextSale {
        flash_sale: Some(flash_sale),
        changes: vec![change],
    }
}
