//! Endpoints with their state, hints and plan row: the aggregate [`Schedule`].
//!
//! The row of `endpoint_state` is the lock of everything that belongs to an endpoint. On SQLite the one writer is.

use std::collections::HashMap;

use async_trait::async_trait;
use baton_domain::{
    endpoint::EndpointStatus,
    ids::{EndpointId, JobId, UserId},
    job::JobStatus,
    ports::{EndpointsRepo, Page, StoreResult},
    run::Slot,
    schedule::{Schedule, ScheduleChange},
};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _, prelude::Uuid, sea_query::LockType,
};

use crate::{
    entity::{endpoint_state, hint, job, job_endpoint, live_run, schedule_change},
    error::store_error,
    mapping::{
        endpoints::{endpoint_of, hint_of, state_of},
        jobs::status_of,
        records::change_of,
        runs::live_of,
    },
    repo::{rows_of, schedules::Writes},
    tx::{SqlTx, unexpected},
};

#[async_trait]
impl EndpointsRepo for SqlTx {
    async fn get_schedule(&mut self, user: &UserId, id: EndpointId) -> StoreResult<Option<Schedule>> {
        let mine = job_endpoint::Entity::find_by_id(id.0).filter(job_endpoint::Column::UserId.eq(&user.0));
        let found = mine.all(&self.db).await.map_err(store_error)?;
        Ok(self.load(found).await?.pop())
    }

    async fn list_schedules(&mut self, user: &UserId, job: Option<JobId>, page: Page) -> StoreResult<Vec<Schedule>> {
        let found = job_endpoint::Entity::find()
            .filter(job_endpoint::Column::UserId.eq(&user.0))
            .apply_if(job, |endpoints, job| {
                endpoints.filter(job_endpoint::Column::JobId.eq(job.0))
            })
            .apply_if(page.after, |endpoints, after| {
                endpoints.filter(job_endpoint::Column::Id.gt(after))
            })
            .order_by_asc(job_endpoint::Column::Id)
            .limit(rows_of(page))
            .all(&self.db)
            .await;
        self.load(found.map_err(store_error)?).await
    }

    async fn lock_schedules(&mut self, ids: &[EndpointId]) -> StoreResult<Vec<Schedule>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        self.lock_states(&ids).await?;
        // Read after the lock was won, so that what the last holder committed is seen.
        let found = job_endpoint::Entity::find()
            .filter(job_endpoint::Column::Id.is_in(ids))
            .order_by_asc(job_endpoint::Column::Id)
            .apply_if(self.definition_lock(), |query, lock| query.lock(lock))
            .all(&self.db)
            .await;
        let found = found.map_err(store_error)?;
        self.move_time().await?;
        self.load(found).await
    }

    async fn lock_job_schedules(&mut self, job: JobId) -> StoreResult<Vec<Schedule>> {
        let of_job = || job_endpoint::Entity::find().filter(job_endpoint::Column::JobId.eq(job.0));
        let ids = of_job()
            .select_only()
            .column(job_endpoint::Column::Id)
            .into_tuple::<Uuid>()
            .all(&self.db)
            .await;
        let ids = ids.map_err(store_error)?;
        self.lock_states(&ids).await?;
        // Asked again: an endpoint may have left the job while its lock was waited for.
        let still = of_job()
            .filter(job_endpoint::Column::Id.is_in(ids))
            .order_by_asc(job_endpoint::Column::Id)
            .apply_if(self.definition_lock(), |query, lock| query.lock(lock));
        let still = still.all(&self.db).await.map_err(store_error)?;
        self.move_time().await?;
        self.load(still).await
    }

    async fn insert_schedule(&mut self, schedule: &Schedule) -> StoreResult<()> {
        Writes::of_new(schedule).write(self).await
    }

    async fn save_schedules(&mut self, schedules: &[Schedule]) -> StoreResult<()> {
        Writes::of_changed(schedules).write(self).await
    }

    async fn delete_endpoint(&mut self, user: &UserId, id: EndpointId) -> StoreResult<bool> {
        let mine = job_endpoint::Entity::delete_by_id(id.0).filter(job_endpoint::Column::UserId.eq(&user.0));
        Ok(mine.exec(&self.db).await.map_err(store_error)?.rows_affected == 1)
    }

    async fn count_endpoints(&mut self, job: JobId) -> StoreResult<usize> {
        let count = job_endpoint::Entity::find()
            .filter(job_endpoint::Column::JobId.eq(job.0))
            .filter(job_endpoint::Column::Status.ne(EndpointStatus::Archived.as_str()))
            .count(&self.db)
            .await;
        Ok(usize::try_from(count.map_err(store_error)?).unwrap_or(usize::MAX))
    }

    async fn list_schedule_changes(&mut self, id: EndpointId, limit: usize) -> StoreResult<Vec<ScheduleChange>> {
        let found = schedule_change::Entity::find()
            .filter(schedule_change::Column::EndpointId.eq(id.0))
            .order_by_desc(schedule_change::Column::Id)
            .limit(rows_of(Page::first(limit)))
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(change_of).collect()
    }
}

impl SqlTx {
    /// Locks in id order, whatever order the ids come in.
    async fn lock_states(&self, ids: &[Uuid]) -> StoreResult<()> {
        if !self.is_postgres() {
            return Ok(());
        }
        let locked = endpoint_state::Entity::find()
            .select_only()
            .column(endpoint_state::Column::EndpointId)
            .filter(endpoint_state::Column::EndpointId.is_in(ids.iter().copied()))
            .order_by_asc(endpoint_state::Column::EndpointId)
            .lock_exclusive()
            .into_tuple::<Uuid>()
            .all(&self.db)
            .await;
        locked.map(drop).map_err(store_error)
    }

    /// Submissions of manual runs hold no more than the definition: whoever may archive an endpoint waits for those under
    /// way, and then sees their runs.
    fn definition_lock(&self) -> Option<LockType> {
        self.is_postgres().then_some(LockType::NoKeyUpdate)
    }

    /// The schedules of these endpoints, in their order.
    async fn load(&self, endpoints: Vec<job_endpoint::Model>) -> StoreResult<Vec<Schedule>> {
        let ids: Vec<Uuid> = endpoints.iter().map(|endpoint| endpoint.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let jobs = self.job_statuses(&endpoints).await?;
        let mut states = self.states(&ids).await?;
        let mut hints = self.hints(&ids).await?;
        let mut plan_rows = self.plan_rows(&ids).await?;
        let mut schedules = Vec::with_capacity(endpoints.len());
        for row in endpoints {
            let id = row.id;
            let job_status = row.job_id.and_then(|job| jobs.get(&job)).copied();
            let state = states
                .remove(&id)
                .ok_or_else(|| unexpected(format!("endpoint {id} has no state")))?;
            let mut schedule = Schedule::new(endpoint_of(row)?, job_status, state_of(state)?);
            schedule.hints = hints
                .remove(&id)
                .unwrap_or_default()
                .into_iter()
                .map(hint_of)
                .collect::<Result<_, _>>()?;
            schedule.plan_row = plan_rows.remove(&id).map(live_of).transpose()?;
            schedules.push(schedule);
        }
        Ok(schedules)
    }

    async fn job_statuses(&self, endpoints: &[job_endpoint::Model]) -> StoreResult<HashMap<Uuid, JobStatus>> {
        let mut ids: Vec<Uuid> = endpoints.iter().filter_map(|endpoint| endpoint.job_id).collect();
        ids.sort();
        ids.dedup();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let columns = job::Entity::find()
            .select_only()
            .columns([job::Column::Id, job::Column::Status]);
        let found = columns
            .filter(job::Column::Id.is_in(ids))
            .into_tuple::<(Uuid, String)>()
            .all(&self.db)
            .await;
        found
            .map_err(store_error)?
            .into_iter()
            .map(|(id, status)| Ok((id, status_of(&status)?)))
            .collect()
    }

    async fn states(&self, ids: &[Uuid]) -> StoreResult<HashMap<Uuid, endpoint_state::Model>> {
        let wanted = endpoint_state::Column::EndpointId.is_in(ids.iter().copied());
        let found = endpoint_state::Entity::find()
            .filter(wanted)
            .all(&self.db)
            .await
            .map_err(store_error)?;
        Ok(found.into_iter().map(|state| (state.endpoint_id, state)).collect())
    }

    /// By endpoint, oldest first.
    async fn hints(&self, ids: &[Uuid]) -> StoreResult<HashMap<Uuid, Vec<hint::Model>>> {
        let wanted = hint::Column::EndpointId.is_in(ids.iter().copied());
        let found = hint::Entity::find()
            .filter(wanted)
            .order_by_asc(hint::Column::Id)
            .all(&self.db)
            .await;
        let mut hints: HashMap<Uuid, Vec<hint::Model>> = HashMap::new();
        for hint in found.map_err(store_error)? {
            hints.entry(hint.endpoint_id).or_default().push(hint);
        }
        Ok(hints)
    }

    async fn plan_rows(&self, ids: &[Uuid]) -> StoreResult<HashMap<Uuid, live_run::Model>> {
        let found = live_run::Entity::find()
            .filter(live_run::Column::EndpointId.is_in(ids.iter().copied()))
            .filter(live_run::Column::Slot.eq(Slot::Plan.as_str()))
            .all(&self.db)
            .await;
        Ok(found
            .map_err(store_error)?
            .into_iter()
            .map(|row| (row.endpoint_id, row))
            .collect())
    }
}
