//! The flags of `baton-planner run`, and what they mean once every one of them has been judged.
//!
//! Flags are read as text, so that all mistakes are told at once. Used by the binary alone.

mod model;
mod scheduler;

use std::{fmt::Display, time::Duration};

use baton_proto::client::Connect;
use baton_runtime::{
    config::{ConfigErrors, TelemetryArgs, parse_duration},
    telemetry::TelemetryConfig,
};
use clap::Args;
use url::Url;

pub use model::{API_KEY_VARIABLE, ModelArgs};
pub use scheduler::{SchedulerArgs, TOKEN_VARIABLE};

use crate::{ask, circuit, model::openai::OpenAiConfig, work};

const MAX_NAME_CHARS: usize = 128;

/// Flags of `baton-planner run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub scheduler: SchedulerArgs,

    /// Name of the model.
    #[arg(long, env = "BATON_PLANNER_MODEL", value_name = "NAME")]
    pub model: Option<String>,

    #[command(flatten)]
    pub asking: ModelArgs,

    /// How long an ask that has become due waits for further changes.
    #[arg(
        long,
        env = "BATON_PLANNER_DEBOUNCE",
        default_value = "100ms",
        value_name = "DURATION"
    )]
    pub debounce: String,

    /// Asks at once, over all jobs.
    #[arg(
        long,
        env = "BATON_PLANNER_MAX_CONCURRENT",
        default_value = "8",
        value_name = "COUNT"
    )]
    pub max_concurrent: String,

    /// Price of a million input tokens, for the estimated cost of each plan; takes --output-price with it.
    #[arg(long, env = "BATON_PLANNER_INPUT_PRICE", value_name = "NUMBER")]
    pub input_price: Option<String>,

    /// Price of a million output tokens, in the same currency.
    #[arg(long, env = "BATON_PLANNER_OUTPUT_PRICE", value_name = "NUMBER")]
    pub output_price: Option<String>,

    /// Name of this planner, shown while it holds a job's lease. Absent: one that no other planner has.
    #[arg(long, env = "BATON_PLANNER_NAME", value_name = "NAME")]
    pub name: Option<String>,

    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// A configuration without mistakes.
#[derive(Debug)]
pub struct Settings {
    pub scheduler: Connect,
    pub model: OpenAiConfig,
    pub work: work::Settings,
    pub telemetry: TelemetryConfig,
}

impl Settings {
    /// Judges the flags. `variable` reads the environment; `default_name` is for a planner without a name.
    ///
    /// # Errors
    /// Every mistake, and everything that is missing.
    pub fn judge(
        args: &RunArgs,
        variable: impl Fn(&str) -> Option<String>,
        default_name: &str,
    ) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let telemetry = args
            .telemetry
            .to_config("baton-planner", env!("CARGO_PKG_VERSION"), &mut errors);
        let scheduler = args.scheduler.judge(&variable, &mut errors);
        let model = args.asking.judge(args.model.as_deref(), &variable, &mut errors);
        let bounds = args.asking.judge_bounds(&mut errors);
        let debounce = errors.check("--debounce", debounce(&args.debounce));
        let max_concurrent = errors.check("--max-concurrent", within(&args.max_concurrent, 1, 1_000));
        let prices = prices(args, &mut errors);
        let planner = errors.check("--name", planner_name(args.name.as_deref().unwrap_or(default_name)));
        // Each `?` below only passes on a mistake that is in `errors` already.
        let settings = (|| {
            let bounds = bounds?;
            let ask = ask::Settings {
                planner: planner?,
                request_timeout: bounds.timeout,
                max_prompt_chars: bounds.max_prompt_chars,
                prices: prices?,
            };
            let circuit = circuit::Config::default();
            let work = work::Settings {
                ask,
                debounce: debounce?,
                max_concurrent: max_concurrent?,
                circuit,
            };
            Some(Self {
                scheduler: scheduler?,
                model: model?,
                work,
                telemetry,
            })
        })();
        settings.ok_or(errors)
    }
}

/// Both prices, or none; `None` is a mistake.
fn prices(args: &RunArgs, errors: &mut ConfigErrors) -> Option<Option<ask::Prices>> {
    let input = errors.check("--input-price", price(args.input_price.as_deref()))?;
    let output = errors.check("--output-price", price(args.output_price.as_deref()))?;
    let both = match (input, output) {
        (Some(input), Some(output)) => Ok(Some(ask::Prices { input, output })),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err("are only of use together"),
    };
    errors.check("--input-price and --output-price", both)
}

fn price(text: Option<&str>) -> Result<Option<f64>, String> {
    let parse = |text: &str| text.parse().ok().filter(|price| (0.0..=1e6).contains(price));
    let wrong = |text: &str| format!("`{text}` is not a price from 0 to 1000000");
    text.map(|text| parse(text).ok_or_else(|| wrong(text))).transpose()
}

fn http_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("`{text}` is not of the form http://HOST"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry user information".to_owned());
    }
    Ok(url)
}

fn debounce(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(60);
    let debounce = parse_duration(text)?;
    if debounce <= longest {
        Ok(debounce)
    } else {
        Err(format!("must be at most {longest:?}"))
    }
}

pub(crate) fn within<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + Display,
{
    let number = text.parse::<T>().ok().filter(|number| (&min..=&max).contains(&number));
    number.ok_or_else(|| format!("`{text}` is not a whole number from {min} to {max}"))
}

fn planner_name(text: &str) -> Result<String, String> {
    let fits = (1..=MAX_NAME_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!("must have 1 to {MAX_NAME_CHARS} characters"))
    }
}

#[cfg(test)]
mod tests;
