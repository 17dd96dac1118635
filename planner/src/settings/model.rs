//! Flags about the model: where it is, how it is asked, and what it may cost in time and text.
//!
//! Which model it is each command says by a flag of its own: not all of them must be told.

use std::time::Duration;

use baton_runtime::config::{ConfigErrors, parse_positive_duration};
use clap::Args;
use secrecy::SecretString;

use super::{http_url, within};
use crate::{model::openai::OpenAiConfig, prompt};

/// Where the key is unless `--api-key-env` names another variable.
pub const API_KEY_VARIABLE: &str = "BATON_PLANNER_API_KEY";

/// How to ask a model.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Base URL of an OpenAI-compatible server, the path of its version (mostly /v1) included.
    #[arg(long, env = "BATON_PLANNER_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,

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

    /// Longest prompt in characters; what matters least is left out of a longer one.
    #[arg(long, env = "BATON_PLANNER_MAX_PROMPT_CHARS", value_name = "COUNT",
        default_value_t = prompt::DEFAULT_MAX_CHARS.to_string())]
    pub max_prompt_chars: String,
}

/// What holds for each request, whichever model it goes to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestBounds {
    pub timeout: Duration,
    pub max_prompt_chars: usize,
}

impl ModelArgs {
    /// How to ask the model of this name; `None` with every mistake noted. `variable` reads the environment.
    pub(crate) fn judge(
        &self,
        name: Option<&str>,
        variable: impl Fn(&str) -> Option<String>,
        errors: &mut ConfigErrors,
    ) -> Option<OpenAiConfig> {
        let base_url = errors.check("--base-url", base_url(self.base_url.as_deref()));
        let model = errors.check("--model", model_name(name));
        let api_key = errors.check("--api-key-env", api_key(&self.api_key_env, variable));
        let temperature = errors.check("--temperature", temperature(self.temperature.as_deref()));
        Some(OpenAiConfig {
            base_url: base_url?,
            api_key: api_key?,
            model: model?,
            temperature: temperature?,
        })
    }

    /// The bounds of a request; `None` with every mistake noted.
    pub(crate) fn judge_bounds(&self, errors: &mut ConfigErrors) -> Option<RequestBounds> {
        let timeout = errors.check("--request-timeout", parse_positive_duration(&self.request_timeout));
        let max_prompt_chars = errors.check("--max-prompt-chars", within(&self.max_prompt_chars, 10_000, 10_000_000));
        Some(RequestBounds {
            timeout: timeout?,
            max_prompt_chars: max_prompt_chars?,
        })
    }
}

fn base_url(text: Option<&str>) -> Result<String, String> {
    let missing = "is missing: the address of an OpenAI-compatible server, such as https://api.openai.com/v1";
    let text = text.filter(|text| !text.is_empty()).ok_or(missing)?;
    let url = http_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with its path, without `?` and `#`".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}

fn model_name(text: Option<&str>) -> Result<String, &'static str> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or("is missing: the name of the model to ask")
}

fn api_key(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<SecretString, String> {
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

fn temperature(text: Option<&str>) -> Result<Option<f32>, String> {
    let parse = |text: &str| text.parse().ok().filter(|number| (0.0..=2.0).contains(number));
    let wrong = |text: &str| format!("`{text}` is not a number from 0 to 2");
    text.map(|text| parse(text).ok_or_else(|| wrong(text))).transpose()
}
