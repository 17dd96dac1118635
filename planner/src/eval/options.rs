//! The flags of `baton-planner eval`, and what they mean once every one of them has been judged.

use std::path::PathBuf;

use baton_runtime::config::ConfigErrors;
use clap::Args;

use super::examine::Rules;
use crate::{
    model::openai::OpenAiConfig,
    settings::{ModelArgs, within},
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

    #[command(flatten)]
    pub asking: ModelArgs,

    /// How often each case is put, each time in two orders of its endpoints: 1 to 100.
    #[arg(long, default_value = "1", value_name = "COUNT")]
    pub runs: String,

    /// Asks at once: 1 to 64.
    #[arg(long, default_value = "4", value_name = "COUNT")]
    pub max_concurrent: String,

    /// For the shuffles of endpoints and for the scripted dice.
    #[arg(long, default_value = "1", value_name = "NUMBER")]
    pub seed: String,

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
        let bounds = args.asking.judge_bounds(&mut errors);
        let name = args.model.as_deref();
        let model = name.map(|_| args.asking.judge(name, variable, &mut errors));
        // Each `?` below only passes on a mistake that is in `errors` already.
        let options = (|| {
            let bounds = bounds?;
            let rules = Rules {
                runs: runs?,
                seed: seed?,
                max_concurrent: max_concurrent?,
                request_timeout: bounds.timeout,
                max_prompt_chars: bounds.max_prompt_chars,
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
