//! From a planning context to the situation document: every time becomes seconds before or after the context's own time.

mod endpoint;

use std::collections::HashMap;

use baton_proto::v1::{ContextSale, FlashSaleState, Plan, PlanStep, PlanningContext, RunStatus, SignalChange};
use prost_types::Timestamp;

use super::situation::{
    JobView, LimitsView, Number, PlanView, SaleView, SignalChangeView, Situation, StepView, SuggestionView,
};
use crate::{
    alias,
    check::Bounds,
    scale::{TimeScale, seconds_between},
};

/// The document for a context, with nothing left out.
pub(super) fn situation(context: &PlanningContext, asked_because: &[String]) -> Situation {
    let view = View {
        scale: TimeScale::new(context.time_compression),
        now: context.as_of_time.unwrap_or_default(),
    };
    let job = context.job.clone().unwrap_or_default();
    let endpoints = context.endpoints.iter().enumerate();
    Situation {
        job: JobView {
            name: job.name,
            description: job.description,
        },
        asked_because: asked_because.to_vec(),
        sales: context.sales.iter().map(|sale| view.sale(sale)).collect(),
        endpoints: endpoints
            .map(|(index, endpoint)| view.endpoint(index, endpoint))
            .collect(),
        last_plan: context
            .last_plan
            .as_ref()
            .map(|plan| view.plan(plan, &aliases(context))),
        suggestion: context.suggestion.as_ref().map(|plan| view.suggestion(plan)),
        limits: view.limits(context),
    }
}

fn aliases(context: &PlanningContext) -> HashMap<&str, String> {
    let ids = context
        .endpoints
        .iter()
        .map(|endpoint| endpoint.endpoint.as_ref().map_or("", |inner| inner.id.as_str()));
    ids.enumerate().map(|(index, id)| (id, alias::at(index))).collect()
}

/// Where times are seen from, and how they are scaled.
struct View {
    scale: TimeScale,
    now: Timestamp,
}

impl View {
    fn seconds_ago(&self, then: Option<&Timestamp>) -> f64 {
        then.map_or(0.0, |then| self.scale.shown_seconds(seconds_between(then, &self.now)))
    }

    fn seconds_until(&self, then: &Timestamp) -> f64 {
        self.scale.shown_seconds(seconds_between(&self.now, then))
    }

    fn sale(&self, context_sale: &ContextSale) -> SaleView {
        let sale = context_sale.flash_sale.clone().unwrap_or_default();
        let ended = sale.state() == FlashSaleState::Ended;
        let left = sale
            .end_time
            .as_ref()
            .filter(|_| !ended)
            .map_or(0.0, |end| self.seconds_until(end));
        SaleView {
            seconds_since_start: Number::seconds(self.seconds_ago(sale.start_time.as_ref())),
            seconds_left: Number::seconds_from_zero(left),
            name: sale.name,
            description: sale.description,
            phase: sale.phase,
            signals: sale
                .signals
                .into_iter()
                .map(|(name, value)| (name, Number::exact(value)))
                .collect(),
            signal_changes: context_sale.changes.iter().map(|change| self.change(change)).collect(),
        }
    }

    fn change(&self, change: &SignalChange) -> SignalChangeView {
        SignalChangeView {
            name: change.name.clone(),
            value: change.value.map(Number::exact),
            seconds_ago: Number::seconds(self.seconds_ago(change.time.as_ref())),
        }
    }

    fn plan(&self, plan: &Plan, aliases: &HashMap<&str, String>) -> PlanView {
        let answered = plan.answer_time.as_ref().or(plan.create_time.as_ref());
        // A step of an endpoint that has left the job says nothing that the model could use.
        let steps = plan
            .steps
            .iter()
            .filter_map(|step| Some((aliases.get(step.endpoint_id.as_str())?, step)));
        PlanView {
            seconds_ago: Number::seconds(self.seconds_ago(answered)),
            state: word(plan.state().as_str_name(), "PLAN_STATE_"),
            assessment: plan.rationale.clone(),
            steps: steps.map(|(alias, step)| step_view(alias, step)).collect(),
        }
    }

    fn suggestion(&self, plan: &Plan) -> SuggestionView {
        let answered = plan.answer_time.as_ref().or(plan.create_time.as_ref());
        SuggestionView {
            seconds_ago: Number::seconds(self.seconds_ago(answered)),
            state: word(plan.state().as_str_name(), "PLAN_STATE_"),
            assessment: plan.rationale.clone(),
            person_said: plan.decision_reason.clone(),
        }
    }

    fn limits(&self, context: &PlanningContext) -> LimitsView {
        let bounds = Bounds::of(context.limits.as_ref(), self.scale);
        let shown = |bound| Number::seconds(self.scale.shown(bound));
        LimitsView {
            max_steps: bounds.max_steps,
            max_waves: bounds.max_waves,
            max_step_delay_s: shown(bounds.max_step_delay),
            max_hint_ttl_s: shown(bounds.max_hint_ttl),
            review_after_min_s: shown(bounds.min_review_after),
            review_after_max_s: shown(bounds.max_review_after),
            steps_left: context.limits.as_ref().map_or(0, |limits| limits.steps_left),
        }
    }
}

fn step_view(alias: &str, step: &PlanStep) -> StepView {
    let verdict = step
        .verdict
        .as_ref()
        .map_or("unspecified", |verdict| verdict.code().as_str_name());
    let outcome = match step.run_status() {
        RunStatus::Unspecified => "not-started".to_owned(),
        status => word(status.as_str_name(), "RUN_STATUS_"),
    };
    StepView {
        endpoint: alias.to_owned(),
        wave: step.wave,
        verdict: word(verdict, "VERDICT_CODE_"),
        outcome,
    }
}

/// `RUN_STATUS_SUCCEEDED` without its prefix, in kebab-case.
fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_lowercase()
        .replace('_', "-")
}
