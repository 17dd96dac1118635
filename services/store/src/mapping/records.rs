//! Schedule changes, the append-only record that an audit reads.

use baton_domain::{
    ids::{EndpointId, HintId, UserId},
    ports::StoreResult,
    run::Cause,
    schedule::{ScheduleChange, Terms, Trigger},
};

use super::{broken, word};
use crate::entity::schedule_change;

/// The `id` is the database's to give.
pub fn change_row(change: &ScheduleChange) -> schedule_change::Model {
    schedule_change::Model {
        id: 0,
        endpoint_id: change.endpoint_id.0,
        user_id: change.user_id.0.clone(),
        changed_at: change.at,
        trigger: change.trigger.as_str().to_owned(),
        next_at: change.next_at,
        cause: change.cause.map(|cause| cause.as_str().to_owned()),
        terms: change
            .terms
            .as_ref()
            .map(|terms| serde_json::to_value(terms).expect("terms are plain data")),
        hint_id: change.hint_id.map(|hint| hint.0),
    }
}

pub fn change_of(row: schedule_change::Model) -> StoreResult<ScheduleChange> {
    let cause = row
        .cause
        .map(|stored| word("schedule_changes.cause", &stored, Cause::parse));
    Ok(ScheduleChange {
        endpoint_id: EndpointId(row.endpoint_id),
        user_id: UserId(row.user_id),
        at: row.changed_at,
        trigger: word("schedule_changes.trigger", &row.trigger, Trigger::parse)?,
        next_at: row.next_at,
        cause: cause.transpose()?,
        terms: row.terms.map(terms_of).transpose()?,
        hint_id: row.hint_id.map(HintId),
    })
}

fn terms_of(stored: serde_json::Value) -> StoreResult<Terms> {
    let terms: Terms = serde_json::from_value(stored).map_err(|error| broken("schedule_changes.terms", error))?;
    if terms.v == Terms::VERSION {
        return Ok(terms);
    }
    Err(broken("schedule_changes.terms", format!("unknown shape {}", terms.v)))
}
