//! The chain of a run as callers see it.

use baton_domain::{
    limits,
    run::Run,
    services::{Explanation, HintFate, HintRecord},
};
use baton_proto::v1 as pb;

use super::{endpoint, hint, plan, run, time};

pub(crate) fn to_proto(explained: &Explanation) -> pb::ExplainRunResponse {
    let plan = explained.plan.as_ref().map(|view| pb::Plan {
        context_json: view.plan.context.clone(),
        ..plan::view_to_proto(view)
    });
    let step = plan.as_ref().and_then(|plan| step_of(explained, plan));
    pb::ExplainRunResponse {
        step: step.cloned(),
        plan_hint: plan_hint(explained),
        plan,
        attempts: explained.attempts.iter().map(briefly).collect(),
        next_run: explained.next.as_ref().map(briefly),
        endpoint: explained.endpoint.as_ref().map(endpoint::to_proto),
        hint: explained.hint.as_ref().map(hint_to_proto),
        replaced_by_plan_id: explained.replaced_by.map(|id| id.to_string()),
        run: Some(run::to_proto(&explained.run)),
    }
}

/// With no more of its response than fits beside others.
fn briefly(run: &Run) -> pb::Run {
    let mut brief = run::to_proto(run);
    if brief.response.len() > limits::CONTEXT_RESPONSE_BYTES {
        brief.response.truncate(limits::CONTEXT_RESPONSE_BYTES);
        brief.response_truncated = true;
    }
    brief
}

fn step_of<'p>(explained: &Explanation, plan: &'p pb::Plan) -> Option<&'p pb::PlanStep> {
    let number = i32::try_from(explained.run.step?).ok()?;
    plan.steps.iter().find(|step| step.step == number)
}

/// What the plan wanted of the endpoint with a hint of that kind.
fn plan_hint(explained: &Explanation) -> Option<pb::PlanHint> {
    let (view, record) = (explained.plan.as_ref()?, explained.hint.as_ref()?);
    let kind = record.hint.instruction.kind();
    let mut wanted = view.plan.hints.iter();
    let wish = wanted.find(|hint| hint.endpoint_id == explained.run.endpoint_id && hint.wish.kind() == kind);
    wish.map(plan::hint_to_proto)
}

fn hint_to_proto(record: &HintRecord) -> pb::ExplainedHint {
    let fate = match record.fate {
        HintFate::InForce => pb::HintFate::InForce,
        HintFate::Used => pb::HintFate::Used,
        HintFate::Expired => pb::HintFate::Expired,
        HintFate::Replaced => pb::HintFate::Replaced,
        HintFate::Cleared => pb::HintFate::Cleared,
        HintFate::LeftOut => pb::HintFate::LeftOut,
        HintFate::Gone => pb::HintFate::Gone,
    };
    pb::ExplainedHint {
        hint: Some(hint::to_proto(&record.hint)),
        fate: fate.into(),
        end_time: record.ended_at.map(time::timestamp),
    }
}
