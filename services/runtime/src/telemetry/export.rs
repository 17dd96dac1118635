//! The SDK's providers: with OTLP exporters when there is a collector, recording nothing when there is none.

use baton_domain::{ids::uuid_at, time::Clock as _};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::SdkMeterProvider,
    trace::{Sampler, SdkTracerProvider},
};

use super::{Providers, TelemetryConfig, outage::Announced};
use crate::clock::{SystemChance, SystemClock};

pub(super) fn providers(config: &TelemetryConfig) -> Result<Providers, ExporterBuildError> {
    let resource = resource(config);
    match &config.otlp_endpoint {
        Some(endpoint) => exporting(endpoint, resource),
        None => Ok(idle(resource)),
    }
}

fn exporting(endpoint: &str, resource: Resource) -> Result<Providers, ExporterBuildError> {
    let spans = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    let metrics = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build()?;
    Ok(Providers {
        traces: SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_batch_exporter(Announced::new("traces", spans))
            .build(),
        metrics: SdkMeterProvider::builder()
            .with_resource(resource)
            .with_periodic_exporter(Announced::new("metrics", metrics))
            .build(),
    })
}

/// A caller's sampled trace still passes through to whom we call; traces that begin here are marked as not sampled.
fn idle(resource: Resource) -> Providers {
    let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOff));
    Providers {
        traces: SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(sampler)
            .build(),
        metrics: SdkMeterProvider::builder().with_resource(resource).build(),
    }
}

fn resource(config: &TelemetryConfig) -> Resource {
    let instance = uuid_at(SystemClock.now(), &SystemChance);
    Resource::builder()
        .with_service_name(config.service_name)
        .with_attribute(KeyValue::new("service.version", config.service_version))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_string()))
        .build()
}

#[cfg(test)]
mod tests {
    use opentelemetry::{
        Context,
        trace::{
            Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState, Tracer as _,
            TracerProvider as _,
        },
    };

    use super::*;
    use crate::telemetry::LogFormat;

    fn without_collector() -> Providers {
        let config = TelemetryConfig {
            service_name: "baton-test",
            service_version: "1",
            log_format: LogFormat::Text,
            log_filter: String::new(),
            otlp_endpoint: None,
        };
        providers(&config).unwrap()
    }

    #[test]
    fn without_a_collector_a_caller_s_trace_passes_through() {
        let caller = SpanContext::new(
            TraceId::from(1),
            SpanId::from(2),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        let parent = Context::new().with_remote_span_context(caller);
        let span = without_collector()
            .traces
            .tracer("test")
            .start_with_context("call", &parent);
        assert_eq!(
            (span.span_context().trace_id(), span.span_context().is_sampled()),
            (TraceId::from(1), true)
        );
    }

    #[test]
    fn without_a_collector_own_traces_are_marked_as_not_sampled() {
        let span = without_collector()
            .traces
            .tracer("test")
            .start_with_context("call", &Context::new());
        assert!(span.span_context().is_valid() && !span.span_context().is_sampled());
    }
}
