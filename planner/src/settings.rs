//! The flags of `baton-planner run`, and what they mean once every one of them has been judged.
//!
//! Flags are read as text, so that all mistakes are told at once. Used by the binary alone.

mod scheduler;

use std::{fmt::Display, time::Duration};

use baton_proto::client::Connect;
use baton_runtime::{
    config::{ConfigErrors, TelemetryArgs, parse_duration, parse_positive_duration},
    telemetry::TelemetryConfig,
};
use clap::Args;
use secrecy::SecretString;
use url::Url;

pub use scheduler::{SchedulerArgs, TOKEN_VARIABLE};

use crate::{ask, circuit, model::openai::OpenAiConfig, prompt, work};

/// Where the key is unless `--api-key-env` names another variable.
pub const API_KEY_VARIABLE: &str = "BATON_PLANNER_API_KEY";
const MAX_NAME_CHARS: usize = 128;

/// Flags of `baton-planner run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub scheduler: SchedulerArgs,

    /// Base URL of an OpenAI-compatible server, the path of its version (mostly /v1) included.
    #[arg(long, env = "BATON_PLANNER_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,

    /// Name of the model.
    #[arg(long, env = "BATON_PLANNER_MODEL", value_name = "NAME")]
    pub model: Option<String>,

    /// Environment variable that holds the API key.
    #[arg(long, default_value = API_KEY_VARIABLE, value_name = "VARIABLE")]
    pub api_key_env: String,

    /// Sampling temperature from 0 to 2. Absent leaves it to the server.
    #[arg(long, env = "BATON_PLANNER_TEMPERATURE", value_name = "NUMBER")]
    pub temperature: Option<String>,

    /// Time allowed for each request to the model.
    #[arg(
        long,
        env = "BATON_PLANNER_REQUEST_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub request_timeout: String,

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

    /// Longest prompt in characters; what matters least is left out of a longer one.
    #[arg(long, env = "BATON_PLANNER_MAX_PROMPT_CHARS", value_name = "COUNT",
        default_value_t = prompt::DEFAULT_MAX_CHARS.to_string())]
    pub max_prompt_chars: String,

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
        let base_url = errors.check("--base-url", base_url(args.base_url.as_deref()));
        let model = errors.check("--model", model_name(args.model.as_deref()));
        let api_key = errors.check("--api-key-env", api_key(&args.api_key_env, &variable));
        let temperature = errors.check("--temperature", temperature(args.temperature.as_deref()));
        let request_timeout = errors.check("--request-timeout", parse_positive_duration(&args.request_timeout));
        let debounce = errors.check("--debounce", debounce(&args.debounce));
        let max_concurrent = errors.check("--max-concurrent", within(&args.max_concurrent, 1, 1_000));
        let max_prompt_chars = errors.check("--max-prompt-chars", within(&args.max_prompt_chars, 10_000, 10_000_000));
        let prices = prices(args, &mut errors);
        let planner = errors.check("--name", planner_name(args.name.as_deref().unwrap_or(default_name)));
        // Each `?` below only passes on a mistake that is in `errors` already.
        let settings = (|| {
            let ask = ask::Settings {
                planner: planner?,
                request_timeout: request_timeout?,
                max_prompt_chars: max_prompt_chars?,
                prices: prices?,
            };
            let circuit = circuit::Config::default();
            let work = work::Settings {
                ask,
                debounce: debounce?,
                max_concurrent: max_concurrent?,
                circuit,
            };
            let model = OpenAiConfig {
                base_url: base_url?,
                api_key: api_key?,
                model: model?,
                temperature: temperature?,
            };
            Some(Self {
                scheduler: scheduler?,
                model,
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

pub(crate) fn base_url(text: Option<&str>) -> Result<String, String> {
    let missing = "is missing: the address of an OpenAI-compatible server, such as https://api.openai.com/v1";
    let text = text.filter(|text| !text.is_empty()).ok_or(missing)?;
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` and `#`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
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

pub(crate) fn model_name(text: Option<&str>) -> Result<String, &'static str> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or("is missing: the name of the model to ask")
}

pub(crate) fn api_key(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<SecretString, String> {
    let key = variable(name)
        .map(|key| key.trim().to_owned())
        .filter(|key| !key.is_empty());
    let missing = || format!("no API key: set the environment variable {name} (to any text for a server without keys)");
    let key = key.ok_or_else(missing)?;
    // It becomes part of a header, and must not be quoted in a message.
    if key.chars().all(|c| c.is_ascii_graphic()) {
        Ok(SecretString::from(key))
    } else {
        Err(format!(
            "the API key in {name} has characters that no HTTP header can carry"
        ))
    }
}

pub(crate) fn temperature(text: Option<&str>) -> Result<Option<f32>, String> {
    let parse = |text: &str| text.parse().ok().filter(|number| (0.0..=2.0).contains(number));
    let wrong = |text: &str| format!("`{text}` is not a number from 0 to 2");
    text.map(|text| parse(text).ok_or_else(|| wrong(text))).transpose()
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
