//! The HTTP server that runs call, in a process of its own: it answers 200 at once and knows how late each call came.
//!
//! A run's id carries its planned time, and comes as `Idempotency-Key`: so lateness is what receivers see of it.

use std::{
    collections::{BTreeMap, HashSet},
    future::IntoFuture as _,
    io::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use baton_domain::time::Clock as _;
use baton_runtime::clock::SystemClock;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::mpsc};
use uuid::Uuid;

use crate::{figure::median, spread::Spread};

const WINDOW_MICROS: i64 = 5_000_000;

/// What a sink has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub calls: usize,
    /// Different runs among them.
    pub runs: usize,
    /// Calls before the planned time.
    pub early: usize,
    /// Milliseconds from the planned time to the arrival.
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
    /// The median of the p99 of each five seconds of planned time: a moment in which the disk stalls is in few of them.
    pub steady_p99: f64,
}

#[derive(Debug, Default)]
struct Log {
    runs: HashSet<Uuid>,
    calls: Vec<Call>,
}

/// Microseconds.
#[derive(Debug, Clone, Copy)]
struct Call {
    planned: i64,
    late: i64,
}

#[derive(Debug, Clone, Default)]
struct Shared(Arc<Mutex<Log>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves until whoever asks is gone. Answers each question with [`Seen`] on a line of standard output, and begins anew.
pub async fn serve(listener: TcpListener, mut questions: mpsc::Receiver<()>) -> Result<()> {
    let shared = Shared::default();
    let routes = Router::new().route("/", post(receive)).with_state(shared.clone());
    let answer = async {
        while questions.recv().await.is_some() {
            let Log { runs, calls } = std::mem::take(&mut *shared.lock());
            let seen = serde_json::to_string(&summary(runs.len(), &calls))?;
            writeln!(std::io::stdout(), "{seen}")?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        served = axum::serve(listener, routes).into_future() => served.context("the sink does not serve"),
        answered = answer => answered,
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap) -> StatusCode {
    let arrived = SystemClock.now().timestamp_micros();
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let Some(run) = key.and_then(|text| Uuid::parse_str(text).ok()) else {
        return StatusCode::BAD_REQUEST;
    };
    let planned = planned_micros(run);
    let mut log = shared.lock();
    log.runs.insert(run);
    log.calls.push(Call {
        planned,
        late: arrived - planned,
    });
    StatusCode::OK
}

fn summary(runs: usize, calls: &[Call]) -> Seen {
    let Spread { p50, p99, max } = Spread::of(calls.iter().map(|call| call.late).collect());
    Seen {
        calls: calls.len(),
        runs,
        early: calls.iter().filter(|call| call.late < 0).count(),
        p50,
        p99,
        max,
        steady_p99: steady_p99(calls),
    }
}

fn steady_p99(calls: &[Call]) -> f64 {
    let first = calls.iter().map(|call| call.planned).min().unwrap_or_default();
    let mut windows: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    for call in calls {
        let window = (call.planned - first) / WINDOW_MICROS;
        windows.entry(window).or_default().push(call.late);
    }
    let p99s: Vec<f64> = windows.into_values().map(|late| Spread::of(late).p99).collect();
    if p99s.is_empty() { 0.0 } else { median(&p99s) }
}

/// The time in a run's id: milliseconds, and a fraction in 4096ths of one, rounded down.
fn planned_micros(run: Uuid) -> i64 {
    let bytes = run.as_bytes();
    let millis = bytes[..6]
        .iter()
        .fold(0_i64, |millis, byte| millis << 8 | i64::from(*byte));
    let fraction = i64::from(u16::from_be_bytes([bytes[6], bytes[7]]) & 0x0fff);
    millis * 1_000 + fraction * 1_000 / 4_096
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_domain::{
        ids::uuid_at,
        time::{Timestamp, from_micros},
    };
    use baton_runtime::clock::SystemChance;

    #[test]
    fn the_planned_time_is_read_from_the_id_to_the_microsecond() {
        let at: Timestamp = from_micros(1_764_000_000_123_456);
        let read = planned_micros(uuid_at(at, &SystemChance));
        assert!((0..=1).contains(&(1_764_000_000_123_456 - read)), "{read}");
    }

    fn called(second: i64, late_millis: i64) -> Call {
        Call {
            planned: second * 1_000_000,
            late: late_millis * 1_000,
        }
    }

    #[test]
    fn one_window_of_five_seconds_that_stalls_is_in_the_p99_and_not_in_the_steady_one() {
        let late = |second: i64| if (5..10).contains(&second) { 50 } else { second / 5 + 1 };
        let calls: Vec<Call> = (100..115).map(|second| called(second, late(second - 100))).collect();
        let seen = summary(15, &calls);
        assert!((seen.p99 - 50.0).abs() < f64::EPSILON);
        assert!(
            (seen.steady_p99 - 3.0).abs() < f64::EPSILON,
            "the median of 1, 50 and 3"
        );
        assert!(summary(0, &[]).steady_p99.abs() < f64::EPSILON, "nothing came");
    }

    #[test]
    fn a_summary_counts_runs_once_and_tells_what_came_early() {
        let calls: Vec<Call> = (-1..199).map(|late| called(0, late)).collect();
        let seen = summary(150, &calls);
        assert_eq!((seen.calls, seen.runs, seen.early), (200, 150, 1));
        assert!((seen.p50 - 99.0).abs() < f64::EPSILON && (seen.p99 - 197.0).abs() < f64::EPSILON);
        assert!((seen.max - 198.0).abs() < f64::EPSILON);
    }
}
