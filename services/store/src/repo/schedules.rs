//! What saving schedules writes, gathered by table so that many schedules take one statement a kind.

use baton_domain::{ports::StoreResult, run::Slot, schedule::Schedule};
use sea_orm::{
    ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, prelude::Uuid,
};

use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run, run_history, schedule_change},
    error::store_error,
    mapping::{
        endpoints::{endpoint_row, hint_row, state_row},
        records::change_row,
        runs::{history_row, live_row},
    },
    tx::SqlTx,
};

#[derive(Default)]
pub struct Writes {
    endpoints: Vec<job_endpoint::Model>,
    states: Vec<endpoint_state::Model>,
    /// Endpoints whose hints are replaced.
    rehinted: Vec<Uuid>,
    hints: Vec<hint::Model>,
    /// Endpoints whose plan row is replaced.
    replanned: Vec<Uuid>,
    plan_rows: Vec<live_run::Model>,
    ended: Vec<run_history::Model>,
    changes: Vec<schedule_change::ActiveModel>,
}

impl Writes {
    /// Everything of a new endpoint.
    pub fn of_new(schedule: &Schedule) -> Self {
        let mut writes = Self::default();
        writes.endpoints.push(endpoint_row(&schedule.endpoint));
        writes.states.push(state_row(schedule.endpoint.id, &schedule.state));
        writes.hints.extend(schedule.hints.iter().map(hint_row));
        writes.plan_rows.extend(schedule.plan_row.iter().map(live_row));
        writes.add_records(schedule);
        writes
    }

    /// What is dirty.
    pub fn of_changed(schedules: &[Schedule]) -> Self {
        let mut writes = Self::default();
        for schedule in schedules {
            writes.add(schedule);
        }
        writes
    }

    fn add(&mut self, schedule: &Schedule) {
        let id = schedule.endpoint.id;
        if schedule.dirty.endpoint {
            self.endpoints.push(endpoint_row(&schedule.endpoint));
        }
        if schedule.dirty.state {
            self.states.push(state_row(id, &schedule.state));
        }
        if schedule.dirty.hints {
            self.rehinted.push(id.0);
            self.hints.extend(schedule.hints.iter().map(hint_row));
        }
        if schedule.dirty.plan_row {
            self.replanned.push(id.0);
            self.plan_rows.extend(schedule.plan_row.iter().map(live_row));
        }
        self.add_records(schedule);
    }

    fn add_records(&mut self, schedule: &Schedule) {
        self.ended.extend(schedule.ended.iter().map(history_row));
        self.changes.extend(schedule.changes.iter().map(|change| {
            let mut row = change_row(change).into_active_model();
            row.id = NotSet;
            row
        }));
    }

    /// Parents before children. A plan row that was claimed is `taken` by now and not deleted here.
    pub async fn write(self, tx: &mut SqlTx) -> StoreResult<()> {
        tx.upsert::<job_endpoint::Entity>(self.endpoints).await?;
        tx.upsert::<endpoint_state::Entity>(self.states).await?;
        delete_hints(tx, self.rehinted).await?;
        tx.insert::<hint::Entity>(self.hints).await?;
        delete_plan_rows(tx, self.replanned).await?;
        let plan_rows = tx.stamp_live(self.plan_rows).await?;
        tx.insert::<live_run::Entity>(plan_rows).await?;
        let ended = tx.stamp_history(self.ended).await?;
        tx.insert::<run_history::Entity>(ended).await?;
        tx.insert::<schedule_change::Entity>(self.changes).await
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
