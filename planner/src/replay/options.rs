//! The flags of `baton-planner replay`, and what they mean once every one of them has been judged.

use std::time::Duration;

use baton_proto::client::Connect;
use baton_runtime::config::{ConfigErrors, parse_positive_duration};
use clap::Args;

use crate::{
    eval::options::ModelFlags,
    model::openai::OpenAiConfig,
    prompt,
    settings::{API_KEY_VARIABLE, SchedulerArgs, within},
};

/// Stands in for a model's name until the record is read.
const NAME_OF_RECORD: &str = "as recorded";

/// Flags of `baton-planner replay`.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// The plan, as `baton-planner run` logs it and ListPlans lists it.
    #[arg(value_name = "PLAN_ID")]
    pub plan_id: String,

    #[command(flatten)]
    pub scheduler: SchedulerArgs,

    /// Asks a model again with the very same prompt, and shows how its answer differs. Nothing is submitted.
    #[arg(long)]
    pub ask: bool,

    /// Model to ask. Absent: the one on record.
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

    /// Time allowed for each request to the model.
    #[arg(
        long,
        env = "BATON_PLANNER_REQUEST_TIMEOUT",
        default_value = "60s",
        value_name = "DURATION"
    )]
    pub request_timeout: String,

    /// Longest prompt in characters: as the planner had it that asked.
    #[arg(long, env = "BATON_PLANNER_MAX_PROMPT_CHARS", value_name = "COUNT",
        default_value_t = prompt::DEFAULT_MAX_CHARS.to_string())]
    pub max_prompt_chars: String,

    /// One JSON document instead of lines.
    #[arg(long)]
    pub json: bool,
}

/// Flags without mistakes.
#[derive(Debug)]
pub struct Options {
    pub scheduler: Connect,
    /// Whom to ask again; without a name it is the model on record.
    pub again: Option<Again>,
    pub request_timeout: Duration,
    pub max_prompt_chars: usize,
}

/// How to ask again.
#[derive(Debug)]
pub struct Again {
    config: OpenAiConfig,
    is_named: bool,
}

impl Again {
    /// The configuration, with the name on record where none was given.
    pub fn config(self, recorded_model: &str) -> OpenAiConfig {
        let model = if self.is_named {
            self.config.model
        } else {
            recorded_model.to_owned()
        };
        OpenAiConfig { model, ..self.config }
    }
}

impl Options {
    /// Judges the flags. `variable` reads the environment.
    ///
    /// # Errors
    /// Every mistake, and everything that is missing.
    pub fn judge(args: &ReplayArgs, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let scheduler = args.scheduler.judge(&variable, &mut errors);
        let request_timeout = errors.check("--request-timeout", parse_positive_duration(&args.request_timeout));
        let max_prompt_chars = errors.check("--max-prompt-chars", within(&args.max_prompt_chars, 10_000, 10_000_000));
        let flags = ModelFlags {
            model: args.model.as_deref().or(Some(NAME_OF_RECORD)),
            base_url: args.base_url.as_deref(),
            api_key_env: &args.api_key_env,
            temperature: args.temperature.as_deref(),
        };
        let config = args.ask.then(|| flags.judge(variable, &mut errors));
        // Each `?` below only passes on a mistake that is in `errors` already.
        let options = (|| {
            let again = match config {
                Some(judged) => Some(Again {
                    config: judged?,
                    is_named: args.model.is_some(),
                }),
                None => None,
            };
            Some(Self {
                scheduler: scheduler?,
                again,
                request_timeout: request_timeout?,
                max_prompt_chars: max_prompt_chars?,
            })
        })();
        options.ok_or(errors)
    }
}
