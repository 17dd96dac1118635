//! The flags of `baton-planner eval`, and what they mean once every one of them has been judged.

use std::path::PathBuf;

use baton_runtime::config::{ConfigErrors, parse_positive_duration};
use clap::Args;

use super::examine::Rules;
use crate::{
    model::openai::OpenAiConfig,
    prompt,
    settings::{API_KEY_VARIABLE, api_key, base_url, model_name, temperature, within},
};

/// Flags of `baton-planner eval`.
#[derive(Debug, Clone, Args)]
pub struct EvalArgs {
    /// Scenario files, or directories of them.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Name of a model to ask. Absent: only the scripted baselines and proofs of the scorer are scored.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,

    /// Base URL of an OpenAI-compatible server, the path of its version (mostly /v1) included.
    #[arg(long, env = "BATON_PLANNER_BASE_URL", value_name = "URL")]
    pub base_url: Option<String>,

    /// Environment variable that holds the API key.
    #[arg(long, default_value = API_KEY_VARIABLE, value_name = "VARIABLE")]
    pub api_key_env: String,

    /// Sampling temperature from 0 to 2. Absent leaves it to the server.
    #[arg(long, env = "BATON_PLANNER_TEMPERATURE", value_name = "NUMBER")]
    pub temperature: Option<String>,

    /// How often each case is put, each time in two orders of its endpoints: 1 to 100.
    #[arg(long, default_value = "1", value_name = "COUNT")]
    pub runs: String,

    /// Asks at once: 1 to 64.
    #[arg(long, default_value = "4", value_name = "COUNT")]
    pub max_concurrent: String,

    /// For the shuffles of endpoints and for the scripted dice.
    #[arg(long, default_value = "1", value_name = "NUMBER")]
    pub seed: String,

    /// Time allowed for each request to the model.
    #[arg(
        long,
        env = "BATON_PLANNER_REQUEST_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub request_timeout: String,

    /// Longest prompt in characters.
    #[arg(long, env = "BATON_PLANNER_MAX_PROMPT_CHARS", value_name = "COUNT",
        default_value_t = prompt::DEFAULT_MAX_CHARS.to_string())]
    pub max_prompt_chars: String,

    /// One JSON document instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// Flags without mistakes.
#[derive(Debug)]
pub struct Options {
    /// Absent: no real model is asked.
    pub model: Option<OpenAiConfig>,
    pub rules: Rules,
}

impl Options {
    /// Judges the flags. `variable` reads the environment.
    ///
    /// # Errors
    /// Every mistake, and everything that is missing.
    pub fn judge(args: &EvalArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let runs = errors.check("--runs", within(&args.runs, 1, 100));
        let seed = errors.check("--seed", within(&args.seed, 0, u64::MAX));
        let max_concurrent = errors.check("--max-concurrent", within(&args.max_concurrent, 1, 64));
        let request_timeout = errors.check("--request-timeout", parse_positive_duration(&args.request_timeout));
        let max_prompt_chars = errors.check("--max-prompt-chars", within(&args.max_prompt_chars, 10_000, 10_000_000));
        let model = args.model.as_ref().map(|name| ModelFlags {
            model: Some(name),
            base_url: args.base_url.as_deref(),
            api_key_env: &args.api_key_env,
            temperature: args.temperature.as_deref(),
        });
        let model = model.map(|flags| flags.judge(variable, &mut errors));
        // Each `?` below only passes on a mistake that is in `errors` already.
        let options = (|| {
            let rules = Rules {
                runs: runs?,
                seed: seed?,
                max_concurrent: max_concurrent?,
                request_timeout: request_timeout?,
                max_prompt_chars: max_prompt_chars?,
            };
            let model = match model {
                Some(judged) => Some(judged?),
                None => None,
            };
            Some(Self { model, rules })
        })();
        options.ok_or(errors)
    }
}

/// The flags that name a model, of any command that may ask one.
pub struct ModelFlags<'a> {
    pub model: Option<&'a str>,
    pub base_url: Option<&'a str>,
    pub api_key_env: &'a str,
    pub temperature: Option<&'a str>,
}

impl ModelFlags<'_> {
    /// The configuration, or `None` with every mistake noted.
    pub fn judge(&self, variable: impl Fn(&str) -> Option<String>, errors: &mut ConfigErrors) -> Option<OpenAiConfig> {
        let base_url = errors.check("--base-url", base_url(self.base_url));
        let model = errors.check("--model", model_name(self.model));
        let api_key = errors.check("--api-key-env", api_key(self.api_key_env, variable));
        let temperature = errors.check("--temperature", temperature(self.temperature));
        Some(OpenAiConfig {
            base_url: base_url?,
            api_key: api_key?,
            model: model?,
            temperature: temperature?,
        })
    }
}
