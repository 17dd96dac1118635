//! Logs, traces and metrics of a process: set up once, flushed once.
//!
//! Both binaries call [`init`] first of all in `main` and [`TelemetryGuard::shutdown`] last of all. Code elsewhere uses
//! `tracing` and the global OpenTelemetry meter, and never this module.
//!
//! Traces are kept whole: a trace is sampled when its caller sampled it, and always when it begins here.

mod export;
mod outage;

use std::{io::IsTerminal as _, sync::mpsc, thread, time::Duration};

use anyhow::Context as _;
use clap::ValueEnum;
use opentelemetry::{global, trace::TracerProvider as _};
use opentelemetry_sdk::{metrics::SdkMeterProvider, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::Subscriber;
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, ParseError, Targets},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

/// What a process waits at its end for the collector to take what is left.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Crates that export spans themselves: tracing them would make every export cause the next.
const EXPORT_PATH: [&str; 5] = ["h2", "hyper", "opentelemetry", "tonic", "tower"];

/// What to tell, in which form, and to whom.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// The resource attribute `service.name`.
    pub service_name: &'static str,
    /// The resource attribute `service.version`.
    pub service_version: &'static str,
    pub log_format: LogFormat,
    /// Directives for the log alone. Traces have everything from INFO up.
    pub log_filter: String,
    /// OTLP/gRPC endpoint; without one spans have ids and are passed on, but nothing is recorded.
    pub otlp_endpoint: Option<String>,
}

/// The form of log lines on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Keeps the exporters until the end of the process. Dropping it flushes them.
#[must_use = "telemetry ends when the guard is dropped"]
#[derive(Debug)]
pub struct TelemetryGuard {
    providers: Option<Providers>,
}

#[derive(Debug, Clone)]
struct Providers {
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

/// Installs the process's subscriber, propagator and exporters. Needs a tokio runtime when an endpoint is given.
///
/// An unreachable collector is no error: it is logged when exports begin to fail, and again when they work.
///
/// # Errors
/// When a filter or an endpoint cannot be read, or a subscriber is already installed.
pub fn init(config: &TelemetryConfig) -> anyhow::Result<TelemetryGuard> {
    let providers = export::providers(config).context("cannot set up the OTLP exporters")?;
    let tracer = providers.traces.tracer(config.service_name);
    // Each entering of a span would read a clock and bind its thread for what nobody reads: how long the span was idle, and
    // what OpenTelemetry's own `Context::current` is. A parent is the current span of `tracing`, or is set.
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_tracked_inactivity(false)
        .with_context_activation(false)
        .with_filter(span_filter());
    let lines = log_layer(config.log_format).with_filter(log_filter(&config.log_filter)?);
    tracing_subscriber::registry().with(spans).with(lines).try_init()?;
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_meter_provider(providers.metrics.clone());
    Ok(TelemetryGuard {
        providers: Some(providers),
    })
}

/// Reads log directives strictly: what cannot be understood is an error.
///
/// # Errors
/// When a directive cannot be read.
pub fn log_filter(directives: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(directives)
}

fn span_filter() -> Targets {
    let silenced = EXPORT_PATH.map(|target| (target, LevelFilter::OFF));
    Targets::new().with_default(LevelFilter::INFO).with_targets(silenced)
}

fn log_layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().boxed(),
    }
}

impl TelemetryGuard {
    /// Sends what is waiting, within a few seconds. Must not be called on the only thread of a tokio runtime.
    ///
    /// # Errors
    /// When the collector did not take it.
    pub fn flush(&self) -> anyhow::Result<()> {
        let Some(providers) = &self.providers else {
            return Ok(());
        };
        providers.traces.force_flush().context("traces")?;
        providers.metrics.force_flush().context("metrics")
    }

    /// Flushes and ends the exporters, within a few seconds. `main` awaits this on every path out.
    pub async fn shutdown(mut self) {
        let Some(providers) = self.providers.take() else { return };
        // The exporters' own threads need this runtime to go on while they are waited for.
        if let Err(error) = tokio::task::spawn_blocking(|| stop(providers)).await {
            tracing::warn!(%error, "telemetry was not shut down");
        }
    }
}

impl Drop for TelemetryGuard {
    fn drop(&mut self) {
        if let Some(providers) = self.providers.take() {
            stop(providers);
        }
    }
}

/// Waits for the exporters to end, but not for longer than the limit: not every SDK call below has one of its own.
fn stop(providers: Providers) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let traces = providers.traces.shutdown_with_timeout(SHUTDOWN_LIMIT);
        let metrics = providers.metrics.shutdown_with_timeout(SHUTDOWN_LIMIT);
        // Nobody listens any more when the limit has passed.
        done.send(traces.and(metrics)).ok();
    });
    match is_done.recv_timeout(SHUTDOWN_LIMIT) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the last telemetry was not exported"),
        Err(_) => tracing::warn!(limit = ?SHUTDOWN_LIMIT, "the last telemetry was not exported in time"),
    }
}
