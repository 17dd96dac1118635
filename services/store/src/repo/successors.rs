//! What came after a run and after a plan.

use async_trait::async_trait;
use baton_domain::{
    ids::{EndpointId, JobId, PlanId, RunId, UserId},
    ports::{StoreResult, SuccessorsRepo},
    run::Run,
};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    prelude::Uuid,
};

use super::runs::COLUMNS;
use crate::{
    entity::{plan, run_history},
    error::store_error,
    mapping::runs::run_of,
    tx::SqlTx,
};

/// The first run of endpoint $2 of user $1 beyond id $3, from both tables.
const NEXT_RUN: &str = "
    SELECT {columns}
      FROM (SELECT * FROM (SELECT {columns} FROM live_runs
                            WHERE user_id = $1 AND endpoint_id = $2 AND id > $3
                            ORDER BY id LIMIT 1) live
             UNION ALL
            SELECT * FROM (SELECT {columns} FROM run_history
                            WHERE user_id = $1 AND endpoint_id = $2 AND id > $3
                            ORDER BY id LIMIT 1) ended) both_tables
     ORDER BY id
     LIMIT 1";

#[derive(FromQueryResult)]
struct Found {
    id: Uuid,
}

#[async_trait]
impl SuccessorsRepo for SqlTx {
    async fn next_run(&mut self, user: &UserId, endpoint: EndpointId, after: RunId) -> StoreResult<Option<Run>> {
        let sql = NEXT_RUN.replace("{columns}", &format!("{COLUMNS}, response"));
        let values = vec![user.0.as_str().into(), endpoint.0.into(), after.0.into()];
        let found: Vec<run_history::Model> = self.rows(sql, values).await?;
        found.into_iter().next().map(run_of).transpose()
    }

    async fn replacing_plan(&mut self, job: JobId, id: PlanId) -> StoreResult<Option<PlanId>> {
        let replacing = plan::Entity::find()
            .select_only()
            .column(plan::Column::Id)
            .filter(plan::Column::JobId.eq(job.0))
            .filter(plan::Column::Replaces.eq(id.0))
            .order_by_asc(plan::Column::Id)
            .into_model::<Found>()
            .one(&self.db)
            .await;
        Ok(replacing.map_err(store_error)?.map(|found| PlanId(found.id)))
    }
}
