//! The history, read as a ledger: by the audit, and to say what became of one time.
//!
//! A run's id sorts by its planned time, so bounds of time are bounds of ids.

use std::time::Duration;

use async_trait::async_trait;
use baton_domain::{
    ids::{EndpointId, UserId, uuid_floor},
    ports::{LedgerRepo, StoreResult, TimeRecord},
    run::Run,
    schedule::ScheduleChange,
    time::{Timestamp, after},
};
use sea_orm::{
    ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, FromQueryResult, QueryFilter as _, QueryOrder as _,
    QueryResult, Statement, Value, prelude::Uuid,
};

use super::runs::COLUMNS;
use crate::{
    entity::{run_history, schedule_change},
    error::store_error,
    mapping::{records::change_of, runs::run_of},
    tx::SqlTx,
};

/// No response is ever looked at.
const NO_RESPONSE: &str = "CAST(NULL AS {bytes}) AS response";

/// Runs of endpoint $1 with ids from $2 to before $3, and before those the last $4.
const RUNS: &str = "
    SELECT *
      FROM (SELECT {columns} FROM live_runs WHERE endpoint_id = $1 AND id >= $2 AND id < $3
             UNION ALL
            SELECT {columns} FROM run_history WHERE endpoint_id = $1 AND id >= $2 AND id < $3
             UNION ALL
            SELECT *
              FROM (SELECT *
                      FROM (SELECT {columns} FROM live_runs WHERE endpoint_id = $1 AND id < $2
                             UNION ALL
                            SELECT * FROM (SELECT {columns} FROM run_history
                                            WHERE endpoint_id = $1 AND id < $2
                                            ORDER BY id DESC LIMIT $4) over) both_tables
                     ORDER BY id DESC LIMIT $4) earlier) ledger
     ORDER BY id";

/// What became of $3 at endpoint $2 of user $1; ids from $4 to before $5 are planned for that very time. One row for each
/// run, or one without a run; each with the change that was in force.
const TIME: &str = "
    SELECT {run_names}, {change_names}, r.id IS NOT NULL AS r_is_there, c.id IS NOT NULL AS c_is_there
      FROM (SELECT 1 AS one) asked
      LEFT JOIN (SELECT {columns} FROM live_runs
                  WHERE user_id = $1 AND endpoint_id = $2 AND id >= $4 AND id < $5
                  UNION ALL
                 SELECT {columns} FROM run_history
                  WHERE user_id = $1 AND endpoint_id = $2 AND id >= $4 AND id < $5 AND missed_last IS NULL
                  UNION ALL
                 SELECT {columns} FROM run_history
                  WHERE user_id = $1 AND endpoint_id = $2 AND missed_first <= $3 AND missed_last >= $3) r ON 1 = 1
      LEFT JOIN (SELECT * FROM schedule_changes
                  WHERE user_id = $1 AND endpoint_id = $2 AND changed_at <= $3 AND hint_id IS NULL
                  ORDER BY id DESC LIMIT 1) c ON 1 = 1
     ORDER BY r.id";

const CHANGE_COLUMNS: &str = "id, endpoint_id, user_id, changed_at, \"trigger\", next_at, cause, terms, hint_id";

/// Endpoints after $1, of user $2 unless that is NULL.
const ENDPOINTS: &str = "
    SELECT DISTINCT endpoint_id
      FROM schedule_changes
     WHERE endpoint_id > $1
       AND ($2 IS NULL OR user_id = $2)
     ORDER BY endpoint_id
     LIMIT $3";

#[derive(FromQueryResult)]
struct Recorded {
    endpoint_id: Uuid,
}

#[async_trait]
impl LedgerRepo for SqlTx {
    async fn recorded_endpoints(
        &mut self,
        user: Option<&UserId>,
        after: Option<EndpointId>,
        limit: usize,
    ) -> StoreResult<Vec<EndpointId>> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let user = user.map(|user| user.0.clone());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = if self.is_postgres() {
            ENDPOINTS.replace("$2 IS", "$2::text IS")
        } else {
            ENDPOINTS.to_owned()
        };
        let found: Vec<Recorded> = self.rows(sql, vec![after.into(), user.into(), limit.into()]).await?;
        Ok(found.into_iter().map(|row| EndpointId(row.endpoint_id)).collect())
    }

    async fn recorded_changes(&mut self, id: EndpointId) -> StoreResult<Vec<ScheduleChange>> {
        let found = schedule_change::Entity::find()
            .filter(schedule_change::Column::EndpointId.eq(id.0))
            .order_by_asc(schedule_change::Column::Id)
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(change_of).collect()
    }

    async fn recorded_runs(
        &mut self,
        id: EndpointId,
        from: Timestamp,
        to: Timestamp,
        before: usize,
    ) -> StoreResult<Vec<Run>> {
        let sql = RUNS.replace("{columns}", &self.columns_without_response());
        let before = i64::try_from(before).unwrap_or(i64::MAX);
        let values: Vec<Value> = vec![
            id.0.into(),
            uuid_floor(from).into(),
            uuid_floor(to).into(),
            before.into(),
        ];
        let found: Vec<run_history::Model> = self.rows(sql, values).await?;
        found.into_iter().map(run_of).collect()
    }

    async fn time_record(&mut self, user: &UserId, id: EndpointId, at: Timestamp) -> StoreResult<TimeRecord> {
        let columns = self.columns_without_response();
        let sql = TIME
            .replace("{run_names}", &prefixed("r", &format!("{COLUMNS}, response")))
            .replace("{change_names}", &prefixed("c", CHANGE_COLUMNS))
            .replace("{columns}", &columns);
        let just_after = after(at, Duration::from_micros(1));
        let values: Vec<Value> = vec![
            user.0.as_str().into(),
            id.0.into(),
            at.into(),
            uuid_floor(at).into(),
            uuid_floor(just_after).into(),
        ];
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, values);
        let rows = self.db.query_all_raw(statement).await.map_err(store_error)?;
        let mut record = TimeRecord {
            runs: Vec::new(),
            change: None,
        };
        for row in &rows {
            record
                .runs
                .extend(optional::<run_history::Model>(row, "r")?.map(run_of).transpose()?);
            record.change = optional::<schedule_change::Model>(row, "c")?
                .map(change_of)
                .transpose()?;
        }
        Ok(record)
    }
}

impl SqlTx {
    fn columns_without_response(&self) -> String {
        let bytes = if self.is_postgres() { "bytea" } else { "blob" };
        format!("{COLUMNS}, {}", NO_RESPONSE.replace("{bytes}", bytes))
    }
}

/// `a, b` as `t.a AS t_a, t.b AS t_b`.
fn prefixed(table: &str, columns: &str) -> String {
    let names = columns.split(',').map(str::trim);
    let named = names.map(|name| format!("{table}.{name} AS {table}_{}", name.trim_matches('"')));
    named.collect::<Vec<_>>().join(", ")
}

/// The half of a joined row that may be missing.
fn optional<T: FromQueryResult>(row: &QueryResult, table: &str) -> StoreResult<Option<T>> {
    if row
        .try_get_by::<bool, _>(format!("{table}_is_there").as_str())
        .map_err(store_error)?
    {
        return T::from_query_result(row, &format!("{table}_"))
            .map(Some)
            .map_err(store_error);
    }
    Ok(None)
}
