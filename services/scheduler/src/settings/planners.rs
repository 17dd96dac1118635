//! Flags that bound planners: their lease, their budgets, and the time compression of demonstrations.

use std::time::Duration;

use baton_domain::limits::PlanLimits;
use baton_runtime::config::ConfigErrors;
use clap::Args;

use super::within;

const MAX_COMPRESSION: f64 = 1_000.0;
const SHARE_MIN: f64 = 0.01;
const LEASE_MIN: Duration = Duration::from_secs(1);
const LEASE_MAX: Duration = Duration::from_secs(15 * 60);

/// What planners are held to, as text.
#[derive(Debug, Clone, Args)]
pub struct PlannerArgs {
    /// How long a job stays with a planner that asks and gives no sign of life: 1 s to 15 min.
    #[arg(long, env = "BATON_PLANNER_LEASE", default_value = "30s", value_name = "DURATION")]
    planner_lease: String,

    /// Tokens that the planners of one user may report within 24 hours; then no ask begins.
    #[arg(
        long,
        env = "BATON_PLANNER_TOKENS_PER_DAY",
        default_value = "2000000",
        value_name = "COUNT"
    )]
    planner_tokens_per_day: String,

    /// Asks of the model for one job within an hour.
    #[arg(
        long,
        env = "BATON_PLANNER_CALLS_PER_HOUR",
        default_value = "60",
        value_name = "COUNT"
    )]
    planner_calls_per_hour: String,

    /// Steps and one-shots of planners for one job within an hour.
    #[arg(
        long,
        env = "BATON_PLANNER_STEPS_PER_HOUR",
        default_value = "120",
        value_name = "COUNT"
    )]
    planner_steps_per_hour: String,

    /// Of this scheduler's time, what planners' calls may take when they never stop; more of them wait: 0.01 to 1.
    #[arg(long, env = "BATON_PLANNER_SHARE", default_value = "0.1", value_name = "FRACTION")]
    planner_share: String,

    /// For demonstrations: divides every bound that planners are held to, and has them scale what a model sees.
    #[arg(long, env = "BATON_TIME_COMPRESSION", default_value = "1", value_name = "FACTOR")]
    time_compression: String,
}

impl PlannerArgs {
    /// The share of planners' calls; `None` when a mistake of it is in `errors`.
    pub fn judge_share(&self, errors: &mut ConfigErrors) -> Option<f64> {
        errors.check("--planner-share", share(&self.planner_share))
    }

    /// The limits; `None` when a mistake of theirs is in `errors`.
    pub fn judge(&self, errors: &mut ConfigErrors) -> Option<PlanLimits> {
        let lease = errors.check("--planner-lease", within(&self.planner_lease, LEASE_MIN, LEASE_MAX));
        let tokens = errors.check("--planner-tokens-per-day", count(&self.planner_tokens_per_day));
        let asks = errors.check("--planner-calls-per-hour", count(&self.planner_calls_per_hour));
        let steps = errors.check("--planner-steps-per-hour", count(&self.planner_steps_per_hour));
        let factor = errors.check("--time-compression", compression(&self.time_compression));
        Some(PlanLimits {
            lease: lease?,
            tokens_per_day: tokens?,
            asks_per_window: asks?,
            steps_per_window: steps?,
            ..PlanLimits::compressed(factor?)
        })
    }
}

fn count<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a whole number"))
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (SHARE_MIN..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a fraction from {SHARE_MIN} to 1")),
    }
}

fn compression(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (1.0..=MAX_COMPRESSION).contains(&factor) => Ok(factor),
        Ok(_) | Err(_) => Err(format!("`{text}` is not a factor from 1 to {MAX_COMPRESSION}")),
    }
}
