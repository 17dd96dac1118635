//! Runs, live and over.
//!
//! Every read covers queue and history in one statement: two would skip or repeat a run that is being moved.

use std::collections::BTreeMap;

use async_trait::async_trait;
use baton_domain::{
    ids::{EndpointId, RunId, UserId, uuid_floor},
    ports::{Page, RUN_BYTES, RunFilter, RunPage, RunsRepo, StoreResult},
    run::{Run, Source},
    time::Timestamp,
};
use sea_orm::{FromQueryResult, Value, prelude::Uuid};

use crate::{entity::run_history, mapping::runs::run_of, tx::SqlTx};

/// The columns that queue and history share, in the order of [`run_history::Model`], without the response.
pub(super) const COLUMNS: &str =
    "id, endpoint_id, job_id, user_id, status, source, cause, clamped_from_us, clamped_from_at,
    planned_at, due_at, started_at, finished_at, duration_us, attempt, status_code, error, response_truncated, reason,
    missed_first, missed_last, missed_count, hint_id, plan_id, step, plan_reason, changed_in";

/// Both tables; the order of the arms does not matter.
const TABLES: [&str; 2] = ["live_runs", "run_history"];

/// The last $1 runs of one endpoint that started, the last planned first, with $2 bytes of their responses. Those under way
/// are few, and in a part of their own: in the order of ids PostgreSQL would look for them through the whole queue.
const RECENT_OF_ONE: &str = "
      WITH live AS MATERIALIZED (
           SELECT {columns}, response FROM live_runs
            WHERE endpoint_id = {endpoint} AND started_at IS NOT NULL)
    SELECT {columns}, SUBSTR(response, 1, CAST($2 AS INTEGER)) AS response
      FROM (SELECT * FROM live
             UNION ALL
            SELECT * FROM (SELECT {columns}, response FROM run_history
                            WHERE endpoint_id = {endpoint} AND started_at IS NOT NULL
                            ORDER BY id DESC LIMIT $1) ended) one
     ORDER BY id DESC
     LIMIT $1";

/// The same for each endpoint of `{ids}`, in one statement. SQLite has no LATERAL, and a round trip costs it nothing.
const RECENT_OF_EACH: &str = "
    SELECT r.*
      FROM UNNEST(ARRAY[{ids}]::uuid[]) AS e (id)
     CROSS JOIN LATERAL ({of_one}) r
     ORDER BY e.id, r.id DESC";

/// One row for each endpoint of `{ids}` with runs that started, their ids from $1 on.
const STARTS: &str = "
    SELECT endpoint_id, COUNT(*) AS starts
      FROM (SELECT endpoint_id FROM live_runs WHERE endpoint_id IN ({ids}) AND id >= $1 AND started_at IS NOT NULL
             UNION ALL
            SELECT endpoint_id FROM run_history WHERE endpoint_id IN ({ids}) AND id >= $1 AND started_at IS NOT NULL) started
     GROUP BY endpoint_id";

/// How large the runs of one table are, newest first.
const SIZES: &str = "
    SELECT * FROM (SELECT id, {run_bytes} + COALESCE(LENGTH(response), 0) AS bytes
                     FROM {table}
                    WHERE {conditions}
                    ORDER BY id DESC
                    LIMIT {peek}) {table}_sizes";

/// One row: the last run of both tables that still fits into the bytes together with those before it, its place among
/// them, and how many there are, up to one beyond the limit.
const PAGE_END: &str = "
    SELECT id, place, total
      FROM (SELECT id, bytes,
                   ROW_NUMBER() OVER (ORDER BY id DESC) AS place,
                   COUNT(*) OVER () AS total,
                   SUM(bytes) OVER (ORDER BY id DESC) AS sum
              FROM (SELECT id, bytes FROM ({arms}) both_tables ORDER BY id DESC LIMIT {peek}) sizes) weighed
     WHERE place <= {limit}
       AND (sum <= {bytes} OR place = 1)
     ORDER BY place DESC
     LIMIT 1";

#[derive(FromQueryResult)]
struct PageEnd {
    id: Uuid,
    place: i64,
    total: i64,
}

#[derive(FromQueryResult)]
struct Starts {
    endpoint_id: Uuid,
    starts: i64,
}

#[async_trait]
impl RunsRepo for SqlTx {
    async fn list_runs(&mut self, filter: &RunFilter, page: Page, bytes: usize) -> StoreResult<RunPage> {
        let mut conditions = Conditions::of(filter);
        if let Some(after) = page.after {
            conditions.and("id < ", after);
        }
        let Some(end) = self.page_end(&conditions, page.limit, bytes).await? else {
            return Ok(RunPage {
                runs: Vec::new(),
                has_more: false,
            });
        };
        conditions.and("id >= ", end.id);
        Ok(RunPage {
            runs: self.find_runs(conditions, page.limit).await?,
            has_more: end.place < end.total,
        })
    }

    async fn get_run_details(&mut self, user: &UserId, id: RunId) -> StoreResult<Option<Run>> {
        let mut conditions = Conditions::of(&RunFilter::of_user(user.clone()));
        conditions.and("id = ", id.0);
        Ok(self.find_runs(conditions, 1).await?.pop())
    }

    async fn recent_runs(&mut self, ids: &[EndpointId], limit: usize, response_bytes: usize) -> StoreResult<Vec<Run>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut found: Vec<run_history::Model> = Vec::new();
        if self.is_postgres() {
            let mut values = vec![number(limit), number(response_bytes)];
            let ids = bind_all(&mut values, ids);
            let sql = RECENT_OF_EACH
                .replace("{ids}", &ids)
                .replace("{of_one}", &recent_of_one("e.id"));
            found = self.rows(sql, values).await?;
        } else {
            let sql = recent_of_one("$3");
            for id in ids {
                let values = vec![number(limit), number(response_bytes), id.0.into()];
                found.extend(self.rows::<run_history::Model>(&sql, values).await?);
            }
        }
        found.into_iter().map(run_of).collect()
    }

    async fn count_starts(&mut self, ids: &[EndpointId], since: Timestamp) -> StoreResult<BTreeMap<EndpointId, u32>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut values = vec![uuid_floor(since).into()];
        let sql = STARTS.replace("{ids}", &bind_all(&mut values, ids));
        let found: Vec<Starts> = self.rows(sql, values).await?;
        let count = |row: Starts| {
            (
                EndpointId(row.endpoint_id),
                u32::try_from(row.starts).unwrap_or(u32::MAX),
            )
        };
        Ok(found.into_iter().map(count).collect())
    }
}

impl SqlTx {
    /// The last run that fits on the page; `None` when there is none at all.
    async fn page_end(&self, conditions: &Conditions, limit: usize, bytes: usize) -> StoreResult<Option<PageEnd>> {
        let mut values = conditions.values.clone();
        values.extend([number(limit.saturating_add(1)), number(limit), number(bytes)]);
        let [peek, limit, bytes] = [2, 1, 0].map(|back| format!("${}", values.len() - back));
        let arms = TABLES.map(|table| {
            SIZES
                .replace("{table}", table)
                .replace("{conditions}", &conditions.text)
                .replace("{run_bytes}", &RUN_BYTES.to_string())
                .replace("{peek}", &peek)
        });
        let sql = PAGE_END
            .replace("{arms}", &arms.join(" UNION ALL "))
            .replace("{peek}", &peek)
            .replace("{limit}", &limit)
            .replace("{bytes}", &bytes);
        Ok(self.rows::<PageEnd>(sql, values).await?.pop())
    }

    /// By descending id. The conditions go into both arms, and so does the limit: neither sorts more than it gives.
    async fn find_runs(&self, conditions: Conditions, limit: usize) -> StoreResult<Vec<Run>> {
        let Conditions { text, mut values } = conditions;
        values.push(number(limit));
        let last = values.len();
        let arms = TABLES.map(|table| {
            format!(
                "SELECT * FROM (SELECT {COLUMNS}, response FROM {table} WHERE {text} ORDER BY id DESC LIMIT ${last}) {table}_arm"
            )
        });
        let sql = format!("{} ORDER BY id DESC LIMIT ${last}", arms.join(" UNION ALL "));
        let found: Vec<run_history::Model> = self.rows(sql, values).await?;
        found.into_iter().map(run_of).collect()
    }
}

/// Conditions joined by AND, with the parameters they name.
pub(super) struct Conditions {
    pub text: String,
    pub values: Vec<Value>,
}

impl Conditions {
    pub(super) fn of(filter: &RunFilter) -> Self {
        let mut conditions = Self {
            text: "user_id = $1".to_owned(),
            values: vec![filter.user_id.0.as_str().into()],
        };
        conditions.and_some("job_id = ", filter.job_id.map(|job| job.0));
        conditions.and_some("endpoint_id = ", filter.endpoint_id.map(|endpoint| endpoint.0));
        conditions.and_some("source = ", filter.source.as_ref().map(Source::as_str));
        conditions.and_some("plan_id = ", filter.plan_id.map(|plan| plan.0));
        // An id begins with the planned time, and finds the partition.
        conditions.and_some("id >= ", filter.from.map(uuid_floor));
        conditions.and_some("id < ", filter.to.map(uuid_floor));
        if !filter.statuses.is_empty() {
            let words = filter.statuses.iter().map(|status| format!("'{}'", status.as_str()));
            conditions.text += &format!(" AND status IN ({})", words.collect::<Vec<_>>().join(", "));
        }
        conditions
    }

    pub(super) fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        self.text += &format!(" AND {condition}${}", self.values.len());
    }

    fn and_some(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.and(condition, value);
        }
    }
}

fn recent_of_one(endpoint: &str) -> String {
    RECENT_OF_ONE
        .replace("{columns}", COLUMNS)
        .replace("{endpoint}", endpoint)
}

fn number(count: usize) -> Value {
    i64::try_from(count).unwrap_or(i64::MAX).into()
}

/// Adds the ids to the parameters and returns the list that names them.
fn bind_all(values: &mut Vec<Value>, ids: &[EndpointId]) -> String {
    let first = values.len() + 1;
    values.extend(ids.iter().map(|id| Value::from(id.0)));
    let names: Vec<String> = (first..=values.len()).map(|position| format!("${position}")).collect();
    names.join(", ")
}
