//! From a case to the planning context that a scheduler would send for it. An endpoint's id is its name.

use std::time::Duration;

use baton_proto::v1::{
    self as pb, AskDue, Cause, ContextEndpoint, ContextSale, FlashSaleState, HintAuthor, PlanState, PlanningContext,
    RunStatus, SignalChange, VerdictCode, endpoint::Baseline,
};
use prost_types::Timestamp;
use serde_json::Value;

use super::{Author, Case, Endpoint, Hint, HintWord, LastPlan, PlanWord, Run, Sale, Source, Status, StepVerdict};
use crate::scale::wire_duration;

/// The moment of every situation. No prompt shows it: times are relative.
const NOW_S: i64 = 1_800_000_000;

/// The context of a case with its endpoints in this order: `order[0]` is the position of the first one in the file.
pub fn posed(case: &Case, order: &[usize]) -> PlanningContext {
    let endpoints = order.iter().filter_map(|index| case.endpoints.get(*index));
    PlanningContext {
        job: Some(pb::Job {
            id: case.name.clone(),
            name: case.job.name.clone(),
            description: case.job.description.clone(),
            ..pb::Job::default()
        }),
        endpoints: endpoints.map(endpoint).collect(),
        sales: case.sales.iter().map(sale).collect(),
        last_plan: case.last_plan.as_ref().map(last_plan),
        definition_revision: 1,
        context_revision: 1,
        as_of_time: Some(at(0.0)),
        ask: Some(AskDue {
            due_time: Some(at(0.0)),
            reasons: case.asked_because.clone(),
        }),
        // What is left out has the scheduler's defaults.
        limits: Some(pb::PlanLimits {
            steps_left: case.steps_left,
            ..pb::PlanLimits::default()
        }),
        time_compression: 1.0,
        ..PlanningContext::default()
    }
}

/// So many seconds after the moment of the situation.
fn at(seconds: f64) -> Timestamp {
    let micros = NOW_S * 1_000_000 + (seconds * 1e6).round() as i64;
    Timestamp {
        seconds: micros.div_euclid(1_000_000),
        nanos: (micros.rem_euclid(1_000_000) * 1_000) as i32,
    }
}

fn seconds(seconds: f64) -> prost_types::Duration {
    wire_duration(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn sale(sale: &Sale) -> ContextSale {
    let state = if sale.ends_in_s > 0.0 {
        FlashSaleState::Active
    } else {
        FlashSaleState::Ended
    };
    let change = |(name, value, s_ago): &(String, Option<f64>, f64)| SignalChange {
        name: name.clone(),
        value: *value,
        time: Some(at(-s_ago)),
    };
    ContextSale {
        flash_sale: Some(pb::FlashSale {
            name: sale.name.clone(),
            description: sale.description.clone(),
            phase: sale.phase.clone(),
            start_time: Some(at(-sale.started_s_ago)),
            end_time: Some(at(sale.ends_in_s)),
            signals: sale.signals.clone().into_iter().collect(),
            state: state.into(),
            ..pb::FlashSale::default()
        }),
        changes: sale.changes.iter().map(change).collect(),
    }
}

fn endpoint(endpoint: &Endpoint) -> ContextEndpoint {
    let next_run = endpoint.next_run_in_s.map(|left| pb::PlannedRun {
        planned_time: Some(at(left)),
        due_time: Some(at(left)),
        ..pb::PlannedRun::default()
    });
    ContextEndpoint {
        endpoint: Some(pb::Endpoint {
            id: endpoint.name.clone(),
            name: endpoint.name.clone(),
            description: endpoint.description.clone(),
            baseline: baseline(endpoint),
            min_interval: endpoint.min_interval_s.map(seconds),
            max_interval: endpoint.max_interval_s.map(seconds),
            cooldown: endpoint.cooldown_s.map(seconds),
            pause: endpoint.paused.then(pb::Pause::default),
            failures: endpoint.failures,
            hints: endpoint.hints.iter().map(hint).collect(),
            next_run,
            ..pb::Endpoint::default()
        }),
        recent_runs: endpoint.runs.iter().map(|past| run(past, endpoint)).collect(),
        runs_in_sale: endpoint.runs_in_sale,
        cooldown_end_time: endpoint.cooldown_left_s.map(at),
    }
}

fn baseline(endpoint: &Endpoint) -> Option<Baseline> {
    let cron = endpoint.cron.as_ref().map(|expression| {
        Baseline::Cron(pb::CronSchedule {
            expression: expression.clone(),
            time_zone: endpoint.time_zone.clone(),
        })
    });
    cron.or(endpoint.every_s.map(|interval| Baseline::Interval(seconds(interval))))
}

fn hint(hint: &Hint) -> pb::Hint {
    use pb::hint::Instruction;
    let value = hint.seconds.unwrap_or_default();
    let instruction = match hint.kind {
        HintWord::Interval => Instruction::Interval(seconds(value)),
        HintWord::OneShot => Instruction::OneShotTime(at(value)),
        HintWord::Pause => Instruction::Pause(()),
    };
    let author = match hint.by {
        Author::Planner => HintAuthor::Planner,
        Author::Person => HintAuthor::Person,
    };
    pb::Hint {
        instruction: Some(instruction),
        expire_time: Some(at(hint.expires_in_s)),
        author: author.into(),
        ..pb::Hint::default()
    }
}

fn run(run: &Run, endpoint: &Endpoint) -> pb::Run {
    let (source, cause) = match run.source {
        Source::AiHint => ("ai-hint", Cause::PlanStep),
        Source::Manual => ("manual", Cause::Manual),
        Source::Baseline if endpoint.cron.is_some() => ("baseline", Cause::Cron),
        Source::Baseline => ("baseline", Cause::Interval),
    };
    let response = match &run.response {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    pb::Run {
        source: source.to_owned(),
        cause: cause.into(),
        status: status(run.status).into(),
        start_time: Some(at(-run.s_ago)),
        status_code: run.status_code.or((run.status == Status::Succeeded).then_some(200)),
        response: response.into_bytes(),
        error: run.error.clone(),
        ..pb::Run::default()
    }
}

fn status(status: Status) -> RunStatus {
    match status {
        Status::Succeeded => RunStatus::Succeeded,
        Status::Failed => RunStatus::Failed,
        Status::Running => RunStatus::Running,
        Status::Skipped => RunStatus::Skipped,
    }
}

fn last_plan(plan: &LastPlan) -> pb::Plan {
    let state = match plan.state {
        PlanWord::Running => PlanState::Running,
        PlanWord::Completed => PlanState::Completed,
        PlanWord::Stopped => PlanState::Stopped,
        PlanWord::Superseded => PlanState::Superseded,
    };
    let steps = plan.steps.iter().map(|step| {
        let code = match step.verdict {
            StepVerdict::Accepted => VerdictCode::Accepted,
            StepVerdict::Cooldown => VerdictCode::Cooldown,
            StepVerdict::Budget => VerdictCode::Budget,
            StepVerdict::Paused => VerdictCode::Paused,
        };
        pb::PlanStep {
            endpoint_id: step.endpoint.clone(),
            wave: step.wave,
            verdict: Some(pb::Verdict {
                code: code.into(),
                ..pb::Verdict::default()
            }),
            run_status: step.outcome.map_or(RunStatus::Unspecified, status).into(),
            ..pb::PlanStep::default()
        }
    });
    pb::Plan {
        state: state.into(),
        rationale: plan.assessment.clone(),
        answer_time: Some(at(-plan.s_ago)),
        steps: steps.collect(),
        ..pb::Plan::default()
    }
}
