//! One endpoint as the model sees it: schedule, guardrails, hints and the last runs.

use std::time::Duration;

use baton_proto::v1::{ContextEndpoint, Endpoint, Hint, HintAuthor, Run, endpoint::Baseline, hint::Instruction};

use super::{View, word};
use crate::{
    alias,
    prompt::situation::{EndpointView, HintView, Number, RunView},
    scale::{duration, is_later},
};

/// What an endpoint without its own min_interval has.
const DEFAULT_MIN_INTERVAL: Duration = Duration::from_secs(1);

impl View {
    pub(super) fn endpoint(&self, index: usize, context: &ContextEndpoint) -> EndpointView {
        let endpoint = context.endpoint.clone().unwrap_or_default();
        let shown = |wire: Option<&prost_types::Duration>| wire.map(|wire| self.shown(duration(wire)));
        let next_run = endpoint
            .next_run
            .as_ref()
            .and_then(|run| run.due_time.as_ref().or(run.planned_time.as_ref()));
        EndpointView {
            alias: alias::at(index),
            schedule: self.schedule(&endpoint),
            min_interval_s: shown(endpoint.min_interval.as_ref()).unwrap_or_else(|| self.shown(DEFAULT_MIN_INTERVAL)),
            max_interval_s: shown(endpoint.max_interval.as_ref()),
            cooldown_s: shown(endpoint.cooldown.as_ref()),
            cooldown_left_s: context
                .cooldown_end_time
                .as_ref()
                .map(|end| Number::seconds_from_zero(self.seconds_until(end))),
            paused: self.is_paused(&endpoint),
            failures: endpoint.failures,
            hints: endpoint.hints.iter().filter_map(|hint| self.hint(hint)).collect(),
            next_run_in_s: next_run.map(|time| Number::seconds_from_zero(self.seconds_until(time))),
            runs_in_sale: context.runs_in_sale,
            recent_runs: context.recent_runs.iter().map(|run| self.run(run)).collect(),
            name: endpoint.name,
            description: endpoint.description,
        }
    }

    fn shown(&self, real: Duration) -> Number {
        Number::seconds(self.scale.shown(real))
    }

    fn schedule(&self, endpoint: &Endpoint) -> String {
        match &endpoint.baseline {
            Some(Baseline::Interval(interval)) => {
                let seconds = serde_json::to_string(&self.shown(duration(interval))).unwrap_or_default();
                format!("every {seconds} s")
            }
            Some(Baseline::Cron(cron)) => {
                let zone = if cron.time_zone.is_empty() {
                    "UTC"
                } else {
                    &cron.time_zone
                };
                format!("cron {} ({zone})", cron.expression)
            }
            None => "none: runs only when told".to_owned(),
        }
    }

    /// By a person: a planner's own pause stands among the hints.
    fn is_paused(&self, endpoint: &Endpoint) -> bool {
        let until = endpoint.pause.as_ref().map(|pause| pause.until.as_ref());
        until.is_some_and(|until| until.is_none_or(|until| is_later(until, &self.now)))
    }

    /// `None` for a hint that has expired or says nothing.
    fn hint(&self, hint: &Hint) -> Option<HintView> {
        let expires_in = self.seconds_until(hint.expire_time.as_ref()?);
        let (kind, seconds) = match hint.instruction.as_ref()? {
            Instruction::Interval(interval) => ("interval", Some(self.shown(duration(interval)))),
            Instruction::OneShotTime(time) => ("one_shot", Some(Number::seconds_from_zero(self.seconds_until(time)))),
            Instruction::Pause(()) => ("pause", None),
        };
        let by = match hint.author() {
            HintAuthor::Planner => "planner",
            HintAuthor::Person | HintAuthor::Unspecified => "person",
        };
        (expires_in > 0.0).then(|| HintView {
            kind,
            seconds,
            expires_in_s: Number::seconds(expires_in),
            by,
        })
    }

    fn run(&self, run: &Run) -> RunView {
        let started = run.start_time.as_ref().or(run.planned_time.as_ref());
        RunView {
            source: run.source.clone(),
            cause: word(run.cause().as_str_name(), "CAUSE_"),
            status: word(run.status().as_str_name(), "RUN_STATUS_"),
            seconds_ago: Number::seconds(self.seconds_ago(started)),
            status_code: run.status_code,
            response: String::from_utf8_lossy(&run.response).into_owned(),
            error: run.error.clone(),
        }
    }
}
