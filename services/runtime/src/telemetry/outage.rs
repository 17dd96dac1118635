//! Tells once when a collector stops answering and once when it answers again.
//!
//! The SDK is built without its own logging, which would write a line for every failed batch.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    metrics::{Temporality, data::ResourceMetrics, exporter::PushMetricExporter},
    trace::{SpanData, SpanExporter},
};

/// An exporter whose outages are logged.
#[derive(Debug)]
pub(super) struct Announced<E> {
    signal: &'static str,
    exporter: E,
    failing: AtomicBool,
}

impl<E> Announced<E> {
    pub(super) fn new(signal: &'static str, exporter: E) -> Self {
        Self {
            signal,
            exporter,
            failing: AtomicBool::new(false),
        }
    }

    fn note(&self, outcome: OTelSdkResult) -> OTelSdkResult {
        let was_failing = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(error) if !was_failing => tracing::warn!(signal = self.signal, %error, "telemetry export fails"),
            Ok(()) if was_failing => tracing::info!(signal = self.signal, "telemetry export works again"),
            Ok(()) | Err(_) => {}
        }
        outcome
    }
}

impl<E: SpanExporter> SpanExporter for Announced<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.note(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Announced<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.note(self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::error::OTelSdkError;
    use tracing::{Level, Subscriber};
    use tracing_subscriber::{Layer, Registry, layer::SubscriberExt as _};

    use super::*;

    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.lock().unwrap().push(*event.metadata().level());
        }
    }

    #[test]
    fn an_outage_is_told_at_its_start_and_its_end() {
        let levels = Levels::default();
        let _default = tracing::subscriber::set_default(Registry::default().with(levels.clone()));
        let exporter = Announced::new("traces", ());
        let refused = || Err(OTelSdkError::InternalFailure("connection refused".to_owned()));
        for outcome in [Ok(()), refused(), refused(), refused(), Ok(()), Ok(()), refused()] {
            let is_ok = outcome.is_ok();
            assert_eq!(exporter.note(outcome).is_ok(), is_ok);
        }
        assert_eq!(*levels.0.lock().unwrap(), [Level::WARN, Level::INFO, Level::WARN]);
    }
}
