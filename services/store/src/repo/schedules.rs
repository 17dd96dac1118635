//! What saving schedules writes, gathered by table so that many schedules take one statement a kind.

use baton_domain::{ports::StoreResult, run::Slot, schedule::Schedule};
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, prelude::Uuid,
};

use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run, run_history, schedule_change},
    error::store_error,
    hot,
    mapping::{
        endpoints::{endpoint_row, hint_row, state_row},
        runs::live_row,
    },
    tx::SqlTx,
};

#[derive(Default)]
pub struct Writes {
    endpoints: Vec<job_endpoint::Model>,
    rest: hot::Writes,
}

impl Writes {
    /// Everything of a new endpoint.
    pub fn of_new(schedule: &Schedule) -> Self {
        let mut writes = Self::default();
        writes.endpoints.push(endpoint_row(&schedule.endpoint));
        let rest = &mut writes.rest;
        rest.states.push(state_row(schedule.endpoint.id, &schedule.state));
        rest.hints.extend(schedule.hints.iter().map(hint_row));
        rest.plan_rows.extend(schedule.plan_row.iter().map(live_row));
        rest.add_records(schedule);
        writes
    }

    /// What is dirty.
    pub fn of_changed(schedules: &[Schedule]) -> Self {
        let mut writes = Self::default();
        for schedule in schedules {
            if schedule.dirty.endpoint {
                writes.endpoints.push(endpoint_row(&schedule.endpoint));
            }
            writes.rest.add_schedule(schedule);
        }
        writes
    }

    /// Parents before children. A plan row that was claimed is `taken` by now and not deleted here.
    pub async fn write(self, tx: &mut SqlTx) -> StoreResult<()> {
        let Self { endpoints, rest } = self;
        tx.upsert::<job_endpoint::Entity>(endpoints).await?;
        tx.upsert::<endpoint_state::Entity>(rest.states).await?;
        delete_hints(tx, rest.rehinted).await?;
        tx.insert::<hint::Entity>(rest.hints).await?;
        delete_plan_rows(tx, rest.replanned).await?;
        let plan_rows = tx.stamp_live(rest.plan_rows).await?;
        tx.insert::<live_run::Entity>(plan_rows).await?;
        let ended = tx.stamp_history(rest.history).await?;
        tx.insert::<run_history::Entity>(ended).await?;
        let changes = rest.changes.into_iter().map(|change| schedule_change::ActiveModel {
            id: NotSet,
            ..change.into_active_model()
        });
        tx.insert::<schedule_change::Entity>(changes.collect()).await
    }
}

async fn delete_hints(tx: &SqlTx, endpoints: Vec<Uuid>) -> StoreResult<()> {
    if endpoints.is_empty() {
        return Ok(());
    }
    let theirs = hint::Entity::delete_many().filter(hint::Column::EndpointId.is_in(endpoints));
    theirs.exec(&tx.db).await.map(drop).map_err(store_error)
}

async fn delete_plan_rows(tx: &SqlTx, endpoints: Vec<Uuid>) -> StoreResult<()> {
    if endpoints.is_empty() {
        return Ok(());
    }
    let theirs = live_run::Entity::delete_many()
        .filter(live_run::Column::EndpointId.is_in(endpoints))
        .filter(live_run::Column::Slot.eq(Slot::Plan.as_str()));
    theirs.exec(&tx.db).await.map(drop).map_err(store_error)
}
