//! The command line of `baton-demo`.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::{
    scenario::{FLASH_SALE, Scenario},
    scripted::rules::{self, RuleFile},
};

/// Replays a flash sale against the real scheduler and the real planner, and judges what happened.
///
/// Without --base-url the planner asks a scripted model: a rule file behind an OpenAI-compatible interface. It is NOT a
/// language model. The exit code is 0 only if every expectation of the scenario is met.
#[derive(Debug, Clone, Parser)]
#[command(name = "baton-demo", version)]
pub struct Options {
    /// How many times faster than stated everything passes; at more than 120 machines cannot keep up.
    #[arg(long, default_value_t = 60.0, value_parser = speed)]
    pub speed: f64,
    /// A scenario file; the built-in flash sale if not given.
    #[arg(long, value_name = "PATH")]
    pub scenario: Option<PathBuf>,
    /// Base URL of an OpenAI-compatible server to ask instead of the scripted model, such as http://127.0.0.1:8000/v1.
    #[arg(long, value_name = "URL", requires = "model")]
    pub base_url: Option<String>,
    /// Name of the model at --base-url.
    #[arg(long, value_name = "NAME", requires = "base_url")]
    pub model: Option<String>,
    /// Environment variable that holds the key for --base-url.
    #[arg(long, value_name = "VAR", requires = "base_url")]
    pub api_key_env: Option<String>,
    /// How long the planner waits for an answer, in real time; one minute of the sale for the scripted model, 60 s for
    /// another one.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub request_timeout: Option<Duration>,
    /// Rules for the scripted model; the built-in ones if not given.
    #[arg(long, value_name = "PATH", conflicts_with = "base_url")]
    pub rules: Option<PathBuf>,
    /// Print one JSON object as the last line of stdout, and everything else on stderr.
    #[arg(long)]
    pub json: bool,
    /// The scheduler binary; the one beside this binary if not given.
    #[arg(long, value_name = "PATH")]
    pub scheduler_bin: Option<PathBuf>,
    /// The planner binary; the one beside this binary if not given.
    #[arg(long, value_name = "PATH")]
    pub planner_bin: Option<PathBuf>,
}

impl Options {
    /// The scenario to replay.
    pub(super) fn scenario(&self) -> anyhow::Result<Scenario> {
        match &self.scenario {
            Some(path) => Ok(Scenario::read(path)?),
            None => Ok(Scenario::parse(FLASH_SALE, "built-in flash sale")?),
        }
    }

    /// What the scripted model goes by.
    pub(super) fn rules(&self) -> anyhow::Result<RuleFile> {
        match &self.rules {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
                RuleFile::parse(&text).with_context(|| path.display().to_string())
            }
            None => RuleFile::parse(rules::FLASH_SALE).context("built-in rules"),
        }
    }

    /// The scheduler binary, which exists.
    pub(super) fn scheduler_bin(&self) -> anyhow::Result<PathBuf> {
        binary(self.scheduler_bin.as_deref(), "baton-scheduler")
    }

    /// The planner binary, which exists.
    pub(super) fn planner_bin(&self) -> anyhow::Result<PathBuf> {
        binary(self.planner_bin.as_deref(), "baton-planner")
    }

    /// How long the planner waits for an answer.
    pub(super) fn request_timeout(&self) -> Duration {
        let default = if self.base_url.is_some() {
            60.0
        } else {
            60.0 / self.speed
        };
        self.request_timeout.unwrap_or(Duration::from_secs_f64(default))
    }
}

fn binary(given: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_path_buf(),
        None => {
            let own = env::current_exe().context("where this binary is")?;
            own.with_file_name(format!("{name}{}", env::consts::EXE_SUFFIX))
        }
    };
    ensure!(
        path.is_file(),
        "there is no {name} at {}; build the workspace first (cargo build)",
        path.display()
    );
    Ok(path)
}

fn speed(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (1.0..=400.0).contains(&speed) {
        Ok(speed)
    } else {
        Err("must be from 1 to 400".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Options, clap::Error> {
        Options::try_parse_from(["baton-demo"].iter().chain(arguments))
    }

    #[test]
    fn the_defaults_are_the_built_in_sale_at_sixty_times_the_speed() {
        let options = parsed(&[]).unwrap();
        assert_eq!(options.speed, 60.0);
        assert_eq!(options.scenario().unwrap().name, "flash-sale");
        assert_eq!(options.request_timeout(), Duration::from_secs(1));
        assert!(!options.rules().unwrap().rules.is_empty());
    }

    #[test]
    fn a_real_model_needs_its_name_and_gets_more_time() {
        assert!(parsed(&["--base-url", "http://127.0.0.1:1/v1"]).is_err());
        assert!(parsed(&["--model", "m"]).is_err());
        let options = parsed(&["--base-url", "http://127.0.0.1:1/v1", "--model", "m"]).unwrap();
        assert_eq!(options.request_timeout(), Duration::from_secs(60));
    }

    #[test]
    fn a_speed_that_makes_no_sense_is_refused() {
        for speed in ["0", "-1", "0.5", "401", "NaN", "inf", "fast"] {
            assert!(parsed(&[&format!("--speed={speed}")]).is_err(), "{speed}");
        }
    }

    #[test]
    fn a_missing_binary_is_named() {
        let options = parsed(&["--scheduler-bin", "no-such-binary"]).unwrap();
        let error = options.scheduler_bin().unwrap_err().to_string();
        assert!(
            error.contains("no-such-binary") && error.contains("cargo build"),
            "{error}"
        );
    }
}
