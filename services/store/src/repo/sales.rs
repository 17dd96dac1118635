//! Flash sales and the history of their signals.

use std::collections::HashMap;

use async_trait::async_trait;
use baton_domain::{
    ids::{FlashSaleId, JobId, UserId},
    ports::{FlashSalesRepo, Page, StoreResult},
    sale::{FlashSale, SignalChange},
    time::Timestamp,
};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::NotSet, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, prelude::Uuid,
};

use crate::{
    entity::{flash_sale, flash_sale_job, signal_change},
    error::store_error,
    mapping::sales::{sale_job_rows, sale_of, sale_row, signal_of, signal_row},
    repo::rows_of,
    tx::SqlTx,
};

/// Rows of `flash_sales` that concern job $1 and end after $2, by start.
const OF_JOB: &str = "
    SELECT f.*
      FROM flash_sales f
      JOIN flash_sale_jobs j ON j.flash_sale_id = f.id
     WHERE j.job_id = $1
       AND f.ends_at > $2
     ORDER BY f.starts_at, f.id";

/// Rows of `signal_changes` of sale $1: all since $2, and of each signal at least the last $3. Oldest first.
const CHANGES: &str = "
    SELECT id, flash_sale_id, name, value, changed_at
      FROM (SELECT c.*, ROW_NUMBER() OVER (PARTITION BY c.name ORDER BY c.id DESC) AS newest
              FROM signal_changes c
             WHERE c.flash_sale_id = $1) ranked
     WHERE changed_at >= $2
        OR newest <= $3
     ORDER BY id";

#[async_trait]
impl FlashSalesRepo for SqlTx {
    async fn create_sale(&mut self, sale: &FlashSale, changes: &[SignalChange]) -> StoreResult<()> {
        self.insert::<flash_sale::Entity>(vec![sale_row(sale)]).await?;
        self.insert::<flash_sale_job::Entity>(sale_job_rows(sale)).await?;
        self.append_changes(sale.id, changes).await
    }

    async fn get_sale(&mut self, user: &UserId, id: FlashSaleId) -> StoreResult<Option<FlashSale>> {
        let mine = flash_sale::Entity::find_by_id(id.0).filter(flash_sale::Column::UserId.eq(&user.0));
        let found = mine.all(&self.db).await.map_err(store_error)?;
        Ok(self.with_jobs(found).await?.pop())
    }

    async fn list_sales(&mut self, user: &UserId, page: Page) -> StoreResult<Vec<FlashSale>> {
        let found = flash_sale::Entity::find()
            .filter(flash_sale::Column::UserId.eq(&user.0))
            .apply_if(page.after, |sales, after| {
                sales.filter(flash_sale::Column::Id.gt(after))
            })
            .order_by_asc(flash_sale::Column::Id)
            .limit(rows_of(page))
            .all(&self.db)
            .await;
        self.with_jobs(found.map_err(store_error)?).await
    }

    async fn update_sale(&mut self, sale: &FlashSale, changes: &[SignalChange]) -> StoreResult<bool> {
        let written = flash_sale::Entity::update_many()
            .set(sale_row(sale).into_active_model().reset_all())
            .filter(flash_sale::Column::Id.eq(sale.id.0))
            .filter(flash_sale::Column::UserId.eq(&sale.user_id.0))
            .filter(flash_sale::Column::Version.eq(sale.version - 1))
            .exec(&self.db)
            .await;
        if written.map_err(store_error)?.rows_affected != 1 {
            return Ok(false);
        }
        let jobs = flash_sale_job::Entity::delete_many().filter(flash_sale_job::Column::FlashSaleId.eq(sale.id.0));
        jobs.exec(&self.db).await.map_err(store_error)?;
        self.insert::<flash_sale_job::Entity>(sale_job_rows(sale)).await?;
        self.append_changes(sale.id, changes).await?;
        Ok(true)
    }

    async fn sales_of_job(&mut self, job: JobId, ended_after: Timestamp) -> StoreResult<Vec<FlashSale>> {
        let found = self.rows(OF_JOB, vec![job.0.into(), ended_after.into()]).await?;
        self.with_jobs(found).await
    }

    async fn signal_changes(
        &mut self,
        id: FlashSaleId,
        since: Timestamp,
        keep: usize,
    ) -> StoreResult<Vec<SignalChange>> {
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        let found: Vec<signal_change::Model> = self.rows(CHANGES, vec![id.0.into(), since.into(), keep.into()]).await?;
        Ok(found.into_iter().map(signal_of).collect())
    }
}

impl SqlTx {
    async fn append_changes(&self, sale: FlashSaleId, changes: &[SignalChange]) -> StoreResult<()> {
        let rows = changes.iter().map(|change| {
            let mut row = signal_row(sale, change).into_active_model();
            row.id = NotSet;
            row
        });
        self.insert::<signal_change::Entity>(rows.collect::<Vec<_>>()).await
    }

    /// The sales of these rows, in their order.
    async fn with_jobs(&self, sales: Vec<flash_sale::Model>) -> StoreResult<Vec<FlashSale>> {
        let ids: Vec<Uuid> = sales.iter().map(|sale| sale.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let found = flash_sale_job::Entity::find()
            .filter(flash_sale_job::Column::FlashSaleId.is_in(ids))
            .order_by_asc(flash_sale_job::Column::Position)
            .all(&self.db)
            .await;
        let mut jobs: HashMap<Uuid, Vec<JobId>> = HashMap::new();
        for row in found.map_err(store_error)? {
            jobs.entry(row.flash_sale_id).or_default().push(JobId(row.job_id));
        }
        let with_its = |sale: flash_sale::Model| {
            let its = jobs.remove(&sale.id).unwrap_or_default();
            sale_of(sale, its)
        };
        sales.into_iter().map(with_its).collect()
    }
}
