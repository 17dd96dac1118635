//! The HTTP server that runs call, in a process of its own: it answers 200 at once and knows how late each call came.
//!
//! A run's id carries its planned time, and comes as `Idempotency-Key`: so lateness is what receivers see of it.

use std::{
    collections::HashSet,
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

use crate::spread::Spread;

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
}

#[derive(Debug, Default)]
struct Log {
    runs: HashSet<Uuid>,
    /// Microseconds.
    lateness: Vec<i64>,
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
            let Log { runs, lateness } = std::mem::take(&mut *shared.lock());
            let seen = serde_json::to_string(&summary(runs.len(), lateness))?;
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
    let mut log = shared.lock();
    log.runs.insert(run);
    log.lateness.push(arrived - planned_micros(run));
    StatusCode::OK
}

fn summary(runs: usize, lateness: Vec<i64>) -> Seen {
    let (calls, early) = (lateness.len(), lateness.iter().filter(|late| **late < 0).count());
    let Spread { p50, p99, max } = Spread::of(lateness);
    Seen {
        calls,
        runs,
        early,
        p50,
        p99,
        max,
    }
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

    #[test]
    fn a_summary_counts_runs_once_and_tells_what_came_early() {
        let lateness: Vec<i64> = (-1..199).map(|late| late * 1_000).collect();
        let seen = summary(150, lateness);
        assert_eq!((seen.calls, seen.runs, seen.early), (200, 150, 1));
        assert!((seen.p50 - 99.0).abs() < f64::EPSILON && (seen.p99 - 197.0).abs() < f64::EPSILON);
        assert!((seen.max - 198.0).abs() < f64::EPSILON);
    }
}
