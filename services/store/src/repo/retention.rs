//! The end of what has been kept long enough, row by row.
//!
//! On PostgreSQL the history goes by partitions instead ([`crate::postgres::partitions`]); rows are removed there only
//! from the partition that takes what no other covers.

use async_trait::async_trait;
use baton_domain::{
    ids::uuid_floor,
    ports::{Kept, Pruned, RetentionRepo, StoreResult},
};
use sea_orm::{ConnectionTrait as _, FromQueryResult, Statement, Value, prelude::Uuid};

use crate::{error::store_error, tx::SqlTx};

/// Rows of the history whose id is below $1; at most $2. `{table}` is the history, or a part of it.
const RUNS: &str = "
    DELETE FROM {table}
     WHERE id IN (SELECT id FROM {table} WHERE id < $1 ORDER BY id LIMIT $2)";

/// Notes the highest number among the rows that [`RUNS`] would remove.
const NOTE_DROPPED: &str = "
    UPDATE change_marks
       SET dropped = (SELECT CASE WHEN MAX(changed_in) > dropped THEN MAX(changed_in) ELSE dropped END
                        FROM (SELECT changed_in FROM {table} WHERE id < $1 ORDER BY id LIMIT $2) gone)";

/// Attempts of runs below $1 that are not in the queue; at most $2.
const ATTEMPTS: &str = "
    DELETE FROM run_attempts
     WHERE id IN (SELECT a.id
                    FROM run_attempts a
                   WHERE a.run_id < $1
                     AND NOT EXISTS (SELECT 1 FROM live_runs l WHERE l.id = a.run_id)
                   LIMIT $2)";

/// Plans that ended before $1 and that no job stands on; at most $2.
const OLD_PLANS: &str = "
    SELECT p.id
      FROM plans p
     WHERE p.ended_at < $1
       AND NOT EXISTS (SELECT 1
                         FROM job_planning j
                        WHERE j.job_id = p.job_id
                          AND p.id IN (j.accepted_plan_id, j.asking_plan_id, j.suggested_plan_id))
     ORDER BY p.id
     LIMIT $2";

/// The tables of a plan and the column that names it, the plan itself last.
const PLAN_TABLES: [(&str, &str); 3] = [("plan_steps", "plan_id"), ("plan_hints", "plan_id"), ("plans", "id")];

/// Changes before $1 that another change of the same endpoint before $1 has followed, one that says what is in force and
/// not just which hint was used up; at most $2.
const SCHEDULE_CHANGES: &str = "
    DELETE FROM schedule_changes
     WHERE id IN (SELECT c.id
                    FROM schedule_changes c
                   WHERE c.changed_at < $1
                     AND EXISTS (SELECT 1
                                   FROM schedule_changes n
                                  WHERE n.endpoint_id = c.endpoint_id
                                    AND n.id > c.id
                                    AND n.hint_id IS NULL
                                    AND n.changed_at < $1)
                   LIMIT $2)";

/// Changes of the signals of sales that ended before $1; at most $2.
const SIGNAL_CHANGES: &str = "
    DELETE FROM signal_changes
     WHERE id IN (SELECT c.id
                    FROM signal_changes c
                    JOIN flash_sales s ON s.id = c.flash_sale_id
                   WHERE c.changed_at < $1
                     AND s.ends_at < $1
                   LIMIT $2)";

/// Keys stored before $1; at most $2.
const REQUEST_KEYS: &str = "
    DELETE FROM request_keys
     WHERE (user_id, method, request_id) IN (
               SELECT user_id, method, request_id FROM request_keys WHERE created_at < $1 LIMIT $2)";

/// Denials that last happened before $1; at most $2.
const DENIALS: &str = "
    DELETE FROM denials
     WHERE (credential, method, reason) IN (
               SELECT credential, method, reason FROM denials WHERE last_at < $1 LIMIT $2)";

#[async_trait]
impl RetentionRepo for SqlTx {
    async fn prune(&mut self, kept: &Kept, limit: usize) -> StoreResult<Pruned> {
        let history = if self.is_postgres() {
            crate::postgres::partitions::REST
        } else {
            "run_history"
        };
        let floor = uuid_floor(kept.records_from);
        let from = kept.records_from;
        self.remove(&NOTE_DROPPED.replace("{table}", history), floor, limit)
            .await?;
        Ok(Pruned {
            runs: self.remove(&RUNS.replace("{table}", history), floor, limit).await?,
            attempts: self.remove(ATTEMPTS, floor, limit).await?,
            plans: self.remove_plans(from.into(), limit).await?,
            schedule_changes: self.remove(SCHEDULE_CHANGES, from, limit).await?,
            signal_changes: self.remove(SIGNAL_CHANGES, from, limit).await?,
            request_keys: self.remove(REQUEST_KEYS, kept.request_keys_from, limit).await?,
            denials: self.remove(DENIALS, from, limit).await?,
        })
    }
}

impl SqlTx {
    /// Runs a statement with the bound as $1 and the number of rows as $2; returns how many rows it hit.
    async fn remove(&self, sql: &str, bound: impl Into<Value>, limit: usize) -> StoreResult<u64> {
        self.hit(sql, vec![bound.into(), rows(limit)]).await
    }

    async fn remove_plans(&self, before: Value, limit: usize) -> StoreResult<u64> {
        #[derive(FromQueryResult)]
        struct Old {
            id: Uuid,
        }
        let old: Vec<Old> = self.rows(OLD_PLANS, vec![before, rows(limit)]).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let places: Vec<String> = (1..=old.len()).map(|place| format!("${place}")).collect();
        let mut removed = 0;
        for (table, column) in PLAN_TABLES {
            let sql = format!("DELETE FROM {table} WHERE {column} IN ({})", places.join(", "));
            removed = self.hit(&sql, old.iter().map(|plan| plan.id.into()).collect()).await?;
        }
        Ok(removed)
    }

    async fn hit(&self, sql: &str, values: Vec<Value>) -> StoreResult<u64> {
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, values);
        let done = self.db.execute_raw(statement).await.map_err(store_error)?;
        Ok(done.rows_affected())
    }
}

fn rows(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}
