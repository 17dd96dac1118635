//! Jobs and the endpoints listed by job.

use async_trait::async_trait;
use baton_domain::{
    endpoint::Endpoint,
    ids::{JobId, UserId},
    job::{Job, JobStatus},
    plan::JobPlanning,
    ports::{JobsRepo, Page, StoreResult},
    time::Timestamp,
};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
    sea_query::{Expr, ExprTrait as _},
};

use crate::{
    entity::{job, job_endpoint, job_planning},
    error::store_error,
    mapping::{
        endpoints::endpoint_of,
        jobs::{job_of, job_row, planning_row},
    },
    repo::rows_of,
    tx::SqlTx,
};

#[async_trait]
impl JobsRepo for SqlTx {
    async fn create_job(&mut self, job: &Job) -> StoreResult<()> {
        self.insert::<job::Entity>(vec![job_row(job)]).await?;
        self.insert::<job_planning::Entity>(vec![planning_row(&JobPlanning::new(job.id))])
            .await
    }

    async fn get_job(&mut self, user: &UserId, id: JobId) -> StoreResult<Option<Job>> {
        let found = job::Entity::find_by_id(id.0)
            .filter(job::Column::UserId.eq(&user.0))
            .one(&self.db)
            .await;
        found.map_err(store_error)?.map(job_of).transpose()
    }

    async fn owner_of_job(&mut self, id: JobId) -> StoreResult<Option<UserId>> {
        let found: Option<String> = job::Entity::find_by_id(id.0)
            .select_only()
            .column(job::Column::UserId)
            .into_tuple()
            .one(&self.db)
            .await
            .map_err(store_error)?;
        Ok(found.map(UserId))
    }

    async fn list_jobs(&mut self, user: &UserId, status: Option<JobStatus>, page: Page) -> StoreResult<Vec<Job>> {
        let found = job::Entity::find()
            .filter(job::Column::UserId.eq(&user.0))
            .apply_if(status, |jobs, status| {
                jobs.filter(job::Column::Status.eq(status.as_str()))
            })
            .apply_if(page.after, |jobs, after| jobs.filter(job::Column::Id.gt(after)))
            .order_by_asc(job::Column::Id)
            .limit(rows_of(page))
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(job_of).collect()
    }

    async fn update_job(&mut self, job: &Job) -> StoreResult<bool> {
        let written = job::Entity::update_many()
            .set(job_row(job).into_active_model().reset_all())
            .filter(job::Column::Id.eq(job.id.0))
            .filter(job::Column::UserId.eq(&job.user_id.0))
            .filter(job::Column::Version.eq(job.version - 1))
            .exec(&self.db)
            .await;
        Ok(written.map_err(store_error)?.rows_affected == 1)
    }

    async fn archive_job(&mut self, user: &UserId, id: JobId, at: Timestamp) -> StoreResult<bool> {
        let written = job::Entity::update_many()
            .col_expr(job::Column::Status, Expr::value(JobStatus::Archived.as_str()))
            .col_expr(job::Column::ArchivedAt, Expr::value(at))
            .col_expr(job::Column::UpdatedAt, Expr::value(at))
            .col_expr(job::Column::Version, Expr::col(job::Column::Version).add(1))
            .filter(job::Column::Id.eq(id.0))
            .filter(job::Column::UserId.eq(&user.0))
            .filter(job::Column::Status.ne(JobStatus::Archived.as_str()))
            .exec(&self.db)
            .await;
        Ok(written.map_err(store_error)?.rows_affected == 1)
    }

    async fn delete_job(&mut self, user: &UserId, id: JobId) -> StoreResult<bool> {
        let deleted = job::Entity::delete_many()
            .filter(job::Column::Id.eq(id.0))
            .filter(job::Column::UserId.eq(&user.0))
            .exec(&self.db)
            .await;
        Ok(deleted.map_err(store_error)?.rows_affected == 1)
    }

    async fn list_endpoints_by_job(&mut self, user: &UserId, job: JobId, page: Page) -> StoreResult<Vec<Endpoint>> {
        let found = job_endpoint::Entity::find()
            .filter(job_endpoint::Column::UserId.eq(&user.0))
            .filter(job_endpoint::Column::JobId.eq(job.0))
            .apply_if(page.after, |endpoints, after| {
                endpoints.filter(job_endpoint::Column::Id.gt(after))
            })
            .order_by_asc(job_endpoint::Column::Id)
            .limit(rows_of(page))
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(endpoint_of).collect()
    }
}
