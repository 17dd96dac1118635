//! From the stored form of a context to the wire's: words become enums, microseconds durations.

use baton_proto::v1::{
    self as pb, AskDue, Cause, ContextEndpoint, ContextSale, FlashSaleState, HintAuthor, PlanState, PlanningContext,
    RunStatus, SignalChange, VerdictCode, endpoint::Baseline, hint::Instruction,
};
use prost_types::Timestamp;

use super::{Document, Endpoint, Hint, LastPlan, Limits, Run, Sale, Step, StoredBaseline, Suggestion, Time};
use crate::scale::{is_later, wire_duration};

impl Document {
    pub(super) fn into_context(self) -> PlanningContext {
        let now = self.as_of.0;
        PlanningContext {
            job: Some(pb::Job {
                id: self.job.id,
                name: self.job.name,
                description: self.job.description,
                ..pb::Job::default()
            }),
            endpoints: self.endpoints.into_iter().map(Endpoint::into_context).collect(),
            sales: self.sales.into_iter().map(|sale| sale.into_context(now)).collect(),
            last_plan: self.last_plan.map(LastPlan::into_plan),
            suggestion: self.suggestion.map(Suggestion::into_plan),
            definition_revision: self.definition_revision,
            context_revision: self.context_revision,
            as_of_time: Some(now),
            ask: Some(AskDue {
                due_time: Some(now),
                reasons: self.ask_reasons,
            }),
            limits: Some(self.limits.into_limits(self.steps_left)),
            time_compression: self.time_compression,
            ..PlanningContext::default()
        }
    }
}

impl Limits {
    fn into_limits(self, steps_left: i32) -> pb::PlanLimits {
        pb::PlanLimits {
            max_steps: self.max_steps,
            max_waves: self.max_waves,
            max_step_delay: Some(micros(self.max_step_delay_us)),
            max_hint_ttl: Some(micros(self.max_hint_ttl_us)),
            min_review_after: Some(micros(self.min_review_after_us)),
            max_review_after: Some(micros(self.max_review_after_us)),
            steps_left,
        }
    }
}

impl Sale {
    fn into_context(self, now: Timestamp) -> ContextSale {
        let state = if !is_later(&self.ends_at.0, &now) {
            FlashSaleState::Ended
        } else if !is_later(&self.starts_at.0, &now) {
            FlashSaleState::Active
        } else {
            FlashSaleState::Scheduled
        };
        let change = |(time, name, value): (Time, String, Option<f64>)| SignalChange {
            name,
            value,
            time: Some(time.0),
        };
        ContextSale {
            flash_sale: Some(pb::FlashSale {
                id: self.id,
                name: self.name,
                description: self.description,
                phase: self.phase,
                start_time: Some(self.starts_at.0),
                end_time: Some(self.ends_at.0),
                signals: self.signals,
                state: state.into(),
                ..pb::FlashSale::default()
            }),
            changes: self.signal_changes.into_iter().map(change).collect(),
        }
    }
}

impl Endpoint {
    fn into_context(self) -> ContextEndpoint {
        let baseline = self.baseline.map(|baseline| match baseline {
            StoredBaseline::Interval { interval_us } => Baseline::Interval(micros(interval_us)),
            StoredBaseline::Cron { cron, time_zone } => Baseline::Cron(pb::CronSchedule {
                expression: cron,
                time_zone,
            }),
        });
        let pause = self.paused.then(|| pb::Pause {
            until: self.paused_until.map(|until| until.0),
        });
        let next_run = self.next_run_at.map(|planned| pb::PlannedRun {
            planned_time: Some(planned.0),
            due_time: self.next_run_due_at.map(|due| due.0),
            ..pb::PlannedRun::default()
        });
        ContextEndpoint {
            endpoint: Some(pb::Endpoint {
                id: self.id,
                name: self.name,
                description: self.description,
                baseline,
                min_interval: Some(micros(self.min_interval_us)),
                max_interval: self.max_interval_us.map(micros),
                cooldown: self.cooldown_us.map(micros),
                pause,
                failures: self.failures,
                hints: self.hints.into_iter().map(Hint::into_hint).collect(),
                next_run,
                ..pb::Endpoint::default()
            }),
            recent_runs: self.recent_runs.into_iter().map(Run::into_run).collect(),
            runs_in_sale: self.runs_in_sale,
            cooldown_end_time: self.cooldown_ends_at.map(|end| end.0),
        }
    }
}

impl Hint {
    fn into_hint(self) -> pb::Hint {
        let author = if self.author == "planner" {
            HintAuthor::Planner
        } else {
            HintAuthor::Person
        };
        let instruction = match (self.interval_us, self.at) {
            (Some(interval), _) => Instruction::Interval(micros(interval)),
            (None, Some(at)) => Instruction::OneShotTime(at.0),
            (None, None) => Instruction::Pause(()),
        };
        pb::Hint {
            id: self.id,
            author: author.into(),
            instruction: Some(instruction),
            expire_time: Some(self.expires_at.0),
            reason: self.reason,
            ..pb::Hint::default()
        }
    }
}

impl Run {
    fn into_run(self) -> pb::Run {
        pb::Run {
            id: self.id,
            source: self.source,
            cause: Cause::from_str_name(&proto_name("CAUSE", &self.cause))
                .unwrap_or_default()
                .into(),
            status: run_status(&self.status).into(),
            planned_time: Some(self.planned_at.0),
            start_time: self.started_at.map(|time| time.0),
            finish_time: self.finished_at.map(|time| time.0),
            status_code: self.status_code,
            error: self.error.unwrap_or_default(),
            response: self.response.unwrap_or_default().into_bytes(),
            ..pb::Run::default()
        }
    }
}

impl LastPlan {
    fn into_plan(self) -> pb::Plan {
        let step = |step: Step| pb::PlanStep {
            endpoint_id: step.endpoint_id,
            wave: step.wave,
            verdict: Some(pb::Verdict {
                code: VerdictCode::from_str_name(&proto_name("VERDICT_CODE", &step.verdict))
                    .unwrap_or_default()
                    .into(),
                ..pb::Verdict::default()
            }),
            run_status: step
                .status
                .map_or(RunStatus::Unspecified, |status| run_status(&status))
                .into(),
            ..pb::PlanStep::default()
        };
        pb::Plan {
            id: self.id,
            state: plan_state(&self.state).into(),
            rationale: self.rationale,
            create_time: Some(self.created_at.0),
            answer_time: self.answered_at.map(|time| time.0),
            steps: self.steps.into_iter().map(step).collect(),
            ..pb::Plan::default()
        }
    }
}

impl Suggestion {
    fn into_plan(self) -> pb::Plan {
        pb::Plan {
            id: self.id,
            state: plan_state(&self.state).into(),
            rationale: self.rationale,
            create_time: Some(self.created_at.0),
            answer_time: self.answered_at.map(|time| time.0),
            decision_reason: self.decision_reason,
            ..pb::Plan::default()
        }
    }
}

fn plan_state(word: &str) -> PlanState {
    PlanState::from_str_name(&proto_name("PLAN_STATE", word)).unwrap_or_default()
}

fn run_status(word: &str) -> RunStatus {
    RunStatus::from_str_name(&proto_name("RUN_STATUS", word)).unwrap_or_default()
}

/// `plan-step` is `CAUSE_PLAN_STEP`.
fn proto_name(prefix: &str, word: &str) -> String {
    format!("{prefix}_{}", word.to_uppercase().replace('-', "_"))
}

fn micros(micros: u64) -> prost_types::Duration {
    wire_duration(std::time::Duration::from_micros(micros))
}
