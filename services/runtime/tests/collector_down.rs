//! A collector that is not there. Telemetry is global to a process, hence one test in a process of its own.

use std::time::{Duration, Instant};

use baton_runtime::telemetry::{self, LogFormat, TelemetryConfig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_runs_and_ends_without_a_collector() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let guard = telemetry::init(&TelemetryConfig {
        service_name: "baton-test",
        service_version: "1.2.3",
        log_format: LogFormat::Json,
        log_filter: "info".to_owned(),
        otlp_endpoint: Some(endpoint),
    })
    .unwrap();
    for _ in 0..2 {
        tracing::info_span!("work").in_scope(|| ());
        guard.flush().unwrap_err();
    }
    let begun = Instant::now();
    guard.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}
