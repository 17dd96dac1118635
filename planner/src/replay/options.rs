//! The flags of `baton-planner replay`, and what they mean once every one of them has been judged.

use std::time::Duration;

use baton_proto::client::Connect;
use baton_runtime::config::ConfigErrors;
use clap::Args;

use crate::{
    model::openai::OpenAiConfig,
    settings::{ModelArgs, SchedulerArgs},
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

    #[command(flatten)]
    pub asking: ModelArgs,

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
        let bounds = args.asking.judge_bounds(&mut errors);
        let name = args.model.as_deref().or(Some(NAME_OF_RECORD));
        let config = args.ask.then(|| args.asking.judge(name, variable, &mut errors));
        // Each `?` below only passes on a mistake that is in `errors` already.
        let options = (|| {
            let bounds = bounds?;
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
                request_timeout: bounds.timeout,
                max_prompt_chars: bounds.max_prompt_chars,
            })
        })();
        options.ok_or(errors)
    }
}
