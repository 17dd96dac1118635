//! Configuration that both binaries share: flags, durations, and how mistakes are told.
//!
//! The binaries flatten [`TelemetryArgs`] into their own clap parser. Flags whose values can be wrong are read as text and
//! judged afterwards into [`ConfigErrors`], so that an operator sees every mistake of a start at once.

use std::{fmt, time::Duration};

use clap::{Args, ValueEnum};

use crate::telemetry::{LogFormat, TelemetryConfig, log_filter};

/// How the process tells what it does.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Telemetry")]
pub struct TelemetryArgs {
    /// Form of the log lines on standard error: text or json.
    #[arg(long, env = "BATON_LOG_FORMAT", default_value = "text", value_name = "FORMAT")]
    pub log_format: String,

    /// What is logged, as tracing directives: a level, or `target=level` pairs.
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "DIRECTIVES")]
    pub log: String,

    /// OTLP/gRPC collector for traces and metrics, as http://HOST:PORT. Without it nothing is exported.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
}

impl TelemetryArgs {
    /// The telemetry of a service, with every mistake in the flags noted in `errors`.
    pub fn to_config(
        &self,
        service_name: &'static str,
        service_version: &'static str,
        errors: &mut ConfigErrors,
    ) -> TelemetryConfig {
        let log_format = errors
            .check("--log-format", LogFormat::from_str(&self.log_format, true))
            .unwrap_or_default();
        errors.check("--log", log_filter(&self.log));
        let otlp_endpoint = self.otlp_endpoint.clone().filter(|endpoint| !endpoint.is_empty());
        if let Some(endpoint) = &otlp_endpoint {
            errors.check("--otlp-endpoint", check_collector(endpoint));
        }
        TelemetryConfig {
            service_name,
            service_version,
            log_format,
            log_filter: self.log.clone(),
            otlp_endpoint,
        }
    }
}

fn check_collector(endpoint: &str) -> Result<(), String> {
    let uri: http::Uri = endpoint
        .parse()
        .map_err(|error| format!("`{endpoint}` is not a URL: {error}"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(()),
        (Some("https"), Some(_)) => Err("this build reaches collectors without TLS only, use http://".to_owned()),
        _ => Err(format!("`{endpoint}` is not of the form http://HOST:PORT")),
    }
}

/// Reads a duration such as `30s`, `1m 30s` or `250ms`. For clap's `value_parser` and for [`ConfigErrors::check`].
///
/// # Errors
/// What is wrong with the text, as one line.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("`{text}` is not a duration such as 30s or 5m: {error}"))
}

/// Like [`parse_duration`], but refuses zero.
///
/// # Errors
/// What is wrong with the text, as one line.
pub fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be longer than zero".to_owned()),
        duration => Ok(duration),
    }
}

/// Mistakes in a process's configuration, collected so that they are told all at once.
#[derive(Debug, Default)]
pub struct ConfigErrors {
    mistakes: Vec<(String, String)>,
}

impl ConfigErrors {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a mistake in `flag`.
    pub fn push(&mut self, flag: impl Into<String>, message: impl fmt::Display) {
        self.mistakes.push((flag.into(), message.to_string()));
    }

    /// The value, or `None` with its error noted as a mistake in `flag`.
    pub fn check<T>(&mut self, flag: &str, outcome: Result<T, impl fmt::Display>) -> Option<T> {
        outcome.map_err(|error| self.push(flag, error)).ok()
    }

    /// # Errors
    /// All mistakes, one line each, when there is at least one.
    pub fn into_result(self) -> Result<(), Self> {
        if self.mistakes.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (flag, message)) in self.mistakes.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{flag}: {}", message.replace('\n', " "))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        telemetry: TelemetryArgs,
    }

    fn config(flags: &[&str]) -> Result<TelemetryConfig, String> {
        let flags = Flags::try_parse_from([&["test"], flags].concat()).map_err(|error| error.to_string())?;
        let mut errors = ConfigErrors::new();
        let config = flags.telemetry.to_config("test", "1", &mut errors);
        errors
            .into_result()
            .map(|()| config)
            .map_err(|errors| errors.to_string())
    }

    #[test]
    fn flags_become_a_configuration() {
        let flags = [
            "--log-format",
            "json",
            "--log",
            "warn,baton=debug",
            "--otlp-endpoint",
            "http://127.0.0.1:4317",
        ];
        let config = config(&flags).unwrap();
        assert_eq!(config.log_format, LogFormat::Json);
        assert_eq!(config.log_filter, "warn,baton=debug");
        assert_eq!(config.otlp_endpoint.as_deref(), Some("http://127.0.0.1:4317"));
    }

    #[test]
    fn an_empty_endpoint_is_none() {
        assert_eq!(config(&["--otlp-endpoint", ""]).unwrap().otlp_endpoint, None);
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        let flags = [
            "--log-format",
            "xml",
            "--log",
            "baton=loudly",
            "--otlp-endpoint",
            "collector",
        ];
        let told = config(&flags).unwrap_err();
        let flags_told: Vec<_> = told
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(flag, _)| flag)
            .collect();
        assert_eq!(flags_told, ["--log-format", "--log", "--otlp-endpoint"], "{told}");
    }

    #[test]
    fn a_collector_behind_tls_is_refused_with_the_reason() {
        let told = config(&["--otlp-endpoint", "https://collector:4317"]).unwrap_err();
        assert!(told.contains("without TLS only"), "{told}");
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
        assert!(parse_duration("90").unwrap_err().contains("`90` is not a duration"));
        assert!(parse_positive_duration("0s").is_err());
        assert_eq!(parse_positive_duration("1ms"), Ok(Duration::from_millis(1)));
    }
}
