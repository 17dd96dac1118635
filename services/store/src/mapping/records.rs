//! Schedule changes, the append-only record that an audit reads.

use baton_domain::{
    ids::EndpointId,
    ports::StoreResult,
    run::Cause,
    schedule::{ScheduleChange, Trigger},
};

use super::word;
use crate::entity::schedule_change;

/// The `id` is the database's to give.
pub fn change_row(change: &ScheduleChange) -> schedule_change::Model {
    schedule_change::Model {
        id: 0,
        endpoint_id: change.endpoint_id.0,
        changed_at: change.at,
        trigger: change.trigger.as_str().to_owned(),
        next_at: change.next_at,
        cause: change.cause.map(|cause| cause.as_str().to_owned()),
    }
}

pub fn change_of(row: schedule_change::Model) -> StoreResult<ScheduleChange> {
    let cause = row
        .cause
        .map(|stored| word("schedule_changes.cause", &stored, Cause::parse));
    Ok(ScheduleChange {
        endpoint_id: EndpointId(row.endpoint_id),
        at: row.changed_at,
        trigger: word("schedule_changes.trigger", &row.trigger, Trigger::parse)?,
        next_at: row.next_at,
        cause: cause.transpose()?,
    })
}
