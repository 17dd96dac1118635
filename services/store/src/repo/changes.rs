//! The change feed of runs: how rows get their numbers, and how they are read in order.
//!
//! PostgreSQL numbers its transactions itself and stamps rows by the column's default. SQLite has one writer: a count in
//! `change_marks`, taken once a transaction, gives the same order.

use async_trait::async_trait;
use baton_domain::{
    ids::UserId,
    ports::{ChangeCursor, ChangeQuery, ChangedRun, Changes, ChangesRepo, Feed, RUN_BYTES, StoreResult},
};
use sea_orm::{
    ActiveValue::{self, NotSet, Set},
    FromQueryResult, IntoActiveModel as _, Value,
    prelude::Uuid,
};

use super::runs::COLUMNS;
use crate::{
    entity::{live_run, run_history},
    mapping::runs::run_of,
    tx::{SqlTx, unexpected},
};

/// One row: the number of the oldest transaction that may still write, and the highest one of a row that was removed.
const MARKS_ON_POSTGRES: &str = "
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS head, dropped
      FROM change_marks";
const MARKS_ON_SQLITE: &str = "SELECT last + 1 AS head, dropped FROM change_marks";

const NEXT_NUMBER: &str = "UPDATE change_marks SET last = last + 1 RETURNING last AS number";

/// The changes beyond ($1, $2), below number $3 and up to ($4, $5), in order; at most $6. Two arms of the same columns.
const STRETCH: &str = "
    SELECT {columns}
      FROM ({arms}) both_tables
     ORDER BY changed_in, id
     LIMIT $6";
const ARM: &str = "
    SELECT * FROM (
        SELECT {columns}
          FROM {table}
         WHERE (changed_in, id) > ($1, $2)
           AND changed_in >= $1
           AND changed_in < $3
           AND (changed_in, id) <= ($4, $5)
           AND {more}
         ORDER BY changed_in, id
         LIMIT $6) {table}_arm";

/// One row: the place of the last change of the stretch that still fits into $7 bytes together with those of `{users}`
/// before it, how many changes there are up to it, and how many in the whole stretch. None when there are none.
const BOUND: &str = "
    WITH stretch AS ({stretch}),
    weighed AS (
        SELECT changed_in, id,
               ROW_NUMBER() OVER (ORDER BY changed_in, id) AS place,
               COUNT(*) OVER () AS total,
               CASE WHEN user_id IN ({users}) THEN bytes ELSE 0 END AS own,
               SUM(CASE WHEN user_id IN ({users}) THEN bytes ELSE 0 END) OVER (ORDER BY changed_in, id) AS sum
          FROM stretch)
    SELECT changed_in, id, place, total, CAST(sum AS BIGINT) AS sum
      FROM weighed
     WHERE sum <= $7
        OR sum = own
     ORDER BY place DESC
     LIMIT 1";

#[derive(FromQueryResult)]
struct Marks {
    head: i64,
    dropped: i64,
}

#[derive(FromQueryResult)]
struct Number {
    number: i64,
}

#[derive(FromQueryResult)]
struct Bound {
    changed_in: i64,
    id: Uuid,
    place: i64,
    total: i64,
    sum: i64,
}

impl SqlTx {
    /// The rows as they go into the queue.
    pub(crate) async fn stamp_live(&mut self, rows: Vec<live_run::Model>) -> StoreResult<Vec<live_run::ActiveModel>> {
        let number = self.number(rows.is_empty()).await?;
        let stamp = |row: live_run::Model| live_run::ActiveModel {
            changed_in: number.clone(),
            ..row.into_active_model()
        };
        Ok(rows.into_iter().map(stamp).collect())
    }

    /// The rows as they go into the history.
    pub(crate) async fn stamp_history(
        &mut self,
        rows: Vec<run_history::Model>,
    ) -> StoreResult<Vec<run_history::ActiveModel>> {
        let number = self.number(rows.is_empty()).await?;
        let stamp = |row: run_history::Model| run_history::ActiveModel {
            changed_in: number.clone(),
            ..row.into_active_model()
        };
        Ok(rows.into_iter().map(stamp).collect())
    }

    /// What this transaction's rows are stamped with; nothing on PostgreSQL, whose columns have it as their default.
    async fn number(&mut self, is_unused: bool) -> StoreResult<ActiveValue<i64>> {
        if self.is_postgres() || is_unused {
            return Ok(NotSet);
        }
        if self.number.is_none() {
            let taken: Vec<Number> = self.rows(NEXT_NUMBER, Vec::new()).await?;
            self.number = taken.first().map(|taken| taken.number);
        }
        self.number
            .map(Set)
            .ok_or_else(|| unexpected("one row counts transactions"))
    }

    async fn marks(&self) -> StoreResult<Marks> {
        let sql = if self.is_postgres() {
            MARKS_ON_POSTGRES
        } else {
            MARKS_ON_SQLITE
        };
        let found: Vec<Marks> = self.rows(sql, Vec::new()).await?;
        found.into_iter().next().ok_or_else(|| unexpected("one row of marks"))
    }

    /// Where this reading ends; `None` when there is nothing to look at.
    async fn bound(&self, query: &ChangeQuery, until: ChangeCursor, head: i64) -> StoreResult<Option<Bound>> {
        let mut values = places(query, until, head);
        values.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
        values.push(i64::try_from(query.bytes).unwrap_or(i64::MAX).into());
        let users = bind(&mut values, &query.users);
        let columns = format!(
            "changed_in, id, user_id, {} + COALESCE(LENGTH(response), 0) AS bytes",
            RUN_BYTES
        );
        let names = "changed_in, id, user_id, bytes";
        let stretch = stretch(query, &columns, names, "TRUE");
        let sql = BOUND.replace("{stretch}", &stretch).replace("{users}", &users);
        Ok(self.rows::<Bound>(sql, values).await?.pop())
    }

    /// The changes of the users up to that place.
    async fn changes_until(&self, query: &ChangeQuery, until: ChangeCursor) -> StoreResult<Vec<ChangedRun>> {
        let mut values = places(query, until, i64::MAX);
        values.push(i64::try_from(query.limit).unwrap_or(i64::MAX).into());
        let users = bind(&mut values, &query.users);
        let columns = format!("{COLUMNS}, response");
        let sql = stretch(query, &columns, &columns, &format!("user_id IN ({users})"));
        let found: Vec<run_history::Model> = self.rows(sql, values).await?;
        let changed = |row: run_history::Model| {
            let at = ChangeCursor {
                number: row.changed_in,
                run: row.id,
            };
            run_of(row).map(|run| ChangedRun { at, run })
        };
        found.into_iter().map(changed).collect()
    }
}

#[async_trait]
impl ChangesRepo for SqlTx {
    async fn change_head(&mut self) -> StoreResult<ChangeCursor> {
        Ok(ChangeCursor::before(self.marks().await?.head))
    }

    async fn read_changes(&mut self, query: &ChangeQuery) -> StoreResult<Feed> {
        let Marks { head, dropped } = self.marks().await?;
        let end = ChangeCursor::before(head);
        if query.after > end {
            return Ok(Feed::Ahead);
        }
        if !query.live_only && dropped > 0 && query.after.number <= dropped {
            return Ok(Feed::Dropped);
        }
        let until = query.until.map_or(end, |until| until.min(end));
        let Some(bound) = self.bound(query, until, head).await? else {
            return Ok(Feed::Changes(Changes {
                runs: Vec::new(),
                next: until,
                is_last: true,
            }));
        };
        let last = ChangeCursor {
            number: bound.changed_in,
            run: bound.id,
        };
        let is_last = bound.place == bound.total && usize::try_from(bound.total).is_ok_and(|all| all < query.limit);
        let runs = if bound.sum == 0 {
            Vec::new()
        } else {
            self.changes_until(query, last).await?
        };
        let next = if is_last { until } else { last };
        Ok(Feed::Changes(Changes { runs, next, is_last }))
    }
}

/// The first five parameters of a stretch.
fn places(query: &ChangeQuery, until: ChangeCursor, head: i64) -> Vec<Value> {
    vec![
        query.after.number.into(),
        query.after.run.into(),
        head.into(),
        until.number.into(),
        until.run.into(),
    ]
}

fn stretch(query: &ChangeQuery, columns: &str, names: &str, more: &str) -> String {
    let arm = |table: &str, more: String| {
        ARM.replace("{columns}", columns)
            .replace("{table}", table)
            .replace("{more}", &more)
    };
    let mut arms = vec![arm("live_runs", format!("slot <> 'plan' AND {more}"))];
    if !query.live_only {
        arms.push(arm("run_history", more.to_owned()));
    }
    STRETCH
        .replace("{columns}", names)
        .replace("{arms}", &arms.join(" UNION ALL "))
}

/// Adds the users to the parameters and returns the list that names them.
fn bind(values: &mut Vec<Value>, users: &[UserId]) -> String {
    let first = values.len() + 1;
    values.extend(users.iter().map(|user| Value::from(user.0.as_str())));
    let names: Vec<String> = (first..=values.len()).map(|place| format!("${place}")).collect();
    names.join(", ")
}
