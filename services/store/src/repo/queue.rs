//! The live queue, in the form that serves both databases.
//!
//! Engines claim through [`crate::postgres::queue`] and [`crate::sqlite::queue`] instead; what all leave behind must be the
//! same. SQLite's takes its statements from here, and on a limit of calls to one host comes here altogether.

use std::{collections::HashMap, sync::LazyLock};

use async_trait::async_trait;
use baton_domain::{
    ids::{EndpointId, PlanId, RunId},
    limits,
    ports::{Page, QueueRepo, StoreResult},
    run::{LiveRun, Run, RunStatus, Slot},
    time::Timestamp,
};
use sea_orm::{
    ActiveValue::NotSet,
    ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, FromQueryResult, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, Value,
    prelude::Uuid,
    sea_query::{Expr, ExprTrait as _},
};

use crate::{
    entity::{job_endpoint, live_run, run_attempt, run_history},
    error::store_error,
    mapping::runs::{attempt_of, attempt_row, history_row, live_of, live_row},
    postgres::claim::HOSTS_TURN,
    repo::rows_of,
    tables::list_of,
    tx::SqlTx,
};

/// The lanes in which something is due at $1.
pub(crate) const ACTIVE_LANES: &str = "
    WITH RECURSIVE lanes (lane) AS (
        SELECT 0
        UNION ALL
        SELECT lane + 1 FROM lanes WHERE lane < 63
    )
    SELECT CAST(lane AS BIGINT) AS lane
      FROM lanes
     WHERE EXISTS (SELECT 1
                     FROM live_runs r
                    WHERE r.lane = lanes.lane
                      AND r.status = 'planned'
                      AND r.due_at <= $1)";

/// Rows of lane $3 that may start at $1: due, with a place on their endpoint (`fence > 0`) or room for one more there. At
/// most one an endpoint: the row that no better one stands before; what has its place is best, then a due cadence row. At
/// most $2, earliest first.
const DUE: &str = "
    SELECT {columns}
      FROM live_runs r
      JOIN endpoint_state s ON s.endpoint_id = r.endpoint_id
     WHERE r.lane = $3
       AND r.status = 'planned'
       AND r.due_at <= $1
       AND (r.fence > 0 OR s.busy_runs < s.room){full}
       AND {best}
     ORDER BY r.due_at, r.id
     LIMIT $2";

/// Row `r`, due at `{now}`, is the one of its endpoint that no better one stands before; `s` is the endpoint's state.
///
/// An earlier row is better than any that is no cadence row, and is met at once: so of an endpoint's rows, however many wait,
/// only the first and the cadence row have the others looked at for one with a place, which is there only while the endpoint
/// is busy. `status <> 'running'` says of a live row what `status = 'planned'` does, but fits no index of planned rows: without
/// statistics those look like the cheapest way to find a single row, and are the dearest.
///
/// SQLite reads what bounds times from end to end, and a backlog may all be due at one time: so the first is asked for by its
/// order, and the plan row without its time. Rows with a place are looked for that way still, where an endpoint is busy and has
/// room. Nothing here is an `EXISTS`: PostgreSQL may answer that by reading the rows of all endpoints once, which statistics of
/// a time when there were few make look cheap.
const BEST: &str = "CASE
           WHEN r.fence > 0
           THEN r.id = (
                SELECT b.id
                  FROM live_runs b
                 WHERE b.endpoint_id = r.endpoint_id
                   AND b.status <> 'running'
                   AND b.fence > 0{earliest}
                 ORDER BY b.due_at, b.id
                 LIMIT 1)
           WHEN r.slot = 'plan' AND r.cause IN ('cron', 'interval', 'hint-interval')
           THEN NOT {placed}
           ELSE r.id = (
                SELECT b.id
                  FROM live_runs b
                 WHERE b.endpoint_id = r.endpoint_id
                   AND b.status <> 'running'{earliest}
                 ORDER BY b.due_at, b.id
                 LIMIT 1)
            AND COALESCE((
                SELECT b.due_at > {now}
                  FROM live_runs b
                 WHERE b.endpoint_id = r.endpoint_id
                   AND b.slot = 'plan'
                   AND b.cause IN ('cron', 'interval', 'hint-interval')), TRUE)
            AND NOT {placed}
           END";

/// A row of the endpoint is due that holds a place.
const PLACED: &str = "(s.busy_runs > 0 AND COALESCE((
                SELECT TRUE
                  FROM live_runs b
                 WHERE b.endpoint_id = r.endpoint_id
                   AND b.status <> 'running'
                   AND b.fence > 0
                   AND b.due_at <= {now}
                 LIMIT 1), FALSE))";

/// [`BEST`] at a time that is told by `now`. Rows that are due before `earliest` are no rivals: what is over has left its
/// entries there.
pub(crate) fn best(now: &str, earliest: Option<&str>) -> String {
    let earliest = earliest.map(|at| format!("\n                   AND b.due_at >= {at}"));
    BEST.replace("{placed}", PLACED)
        .replace("{now}", now)
        .replace("{earliest}", &earliest.unwrap_or_default())
}

/// Rows of `live_runs` whose lease ended by $1; at most $2.
const EXPIRED: &str = "
    SELECT r.*
      FROM live_runs r
      JOIN endpoint_state s ON s.endpoint_id = r.endpoint_id
     WHERE r.status = 'running'
       AND r.lease_until <= $1
     ORDER BY r.lease_until, r.id
     LIMIT $2";

/// Other claimers leave out what is locked. The endpoint is locked before the row, as everybody does, so nobody waits
/// for a row while holding what its owner wants. What the first row of an endpoint is, a snapshot says that may be older than
/// the lock: whoever claims looks at the rows again.
const SKIP_LOCKED: &str = " FOR UPDATE OF s, r SKIP LOCKED";

/// One row: when the earliest waiting row that nothing blocks comes due, and when the earliest lease ends.
const NEXT_DUE: &str = "
    SELECT (SELECT r.due_at
              FROM live_runs r
              JOIN endpoint_state s ON s.endpoint_id = r.endpoint_id
             WHERE r.status = 'planned'
               AND r.due_at > $1
               AND (r.fence > 0 OR s.busy_runs < s.room){full}
             ORDER BY r.due_at NULLS FIRST
             LIMIT 1) AS due_at,
           (SELECT lease_until
              FROM live_runs
             WHERE status = 'running'
               AND lease_until > $1
             ORDER BY lease_until
             LIMIT 1) AS lease_until";

/// Fewer calls than {most} are in flight to the host of row `r`.
const NOT_FULL: &str = "
       AND (SELECT e.host FROM job_endpoints e WHERE e.id = r.endpoint_id) NOT IN (
            SELECT c.host
              FROM live_runs c
             WHERE c.status = 'running'
               AND c.host IS NOT NULL
             GROUP BY c.host
            HAVING COUNT(*) >= {most})";

/// How many calls are in flight to each host.
const CALLS: &str = "
    SELECT host, COUNT(*) AS calls
      FROM live_runs
     WHERE status = 'running'
       AND host IS NOT NULL
     GROUP BY host";

#[derive(FromQueryResult)]
struct Calls {
    host: String,
    calls: i64,
}

#[derive(FromQueryResult)]
struct Lane {
    lane: i64,
}

#[derive(FromQueryResult)]
struct NextDue {
    due_at: Option<Timestamp>,
    lease_until: Option<Timestamp>,
}

#[async_trait]
impl QueueRepo for SqlTx {
    async fn enqueue(&mut self, rows: &[LiveRun]) -> StoreResult<()> {
        let rows = self.stamp_live(rows.iter().map(live_row).collect()).await?;
        self.insert::<live_run::Entity>(rows).await
    }

    async fn due_runs(&mut self, limit: usize, per_host: Option<u32>) -> StoreResult<Vec<LiveRun>> {
        if per_host.is_some() && self.is_postgres() {
            self.db.execute_unprepared(HOSTS_TURN).await.map_err(store_error)?;
        }
        let active: Vec<Lane> = self.rows(ACTIVE_LANES, vec![self.time().into()]).await?;
        let most = usize::from(limits::LANE_PER_CLAIM);
        let share = limit.div_ceil(active.len().max(1)).min(most);
        let (mut rows, cut) = self.due_in_lanes(&active, share, per_host).await?;
        // Few lanes have most of what is due: once more, with room in those for twice what is wanted.
        let wider = wider_share(limit, cut, most);
        if rows.len() < limit && wider > share {
            rows = self.due_in_lanes(&active, wider, per_host).await?.0;
        }
        rows.into_iter().take(limit).map(live_of).collect()
    }

    async fn expired_leases(&mut self, limit: usize) -> StoreResult<Vec<LiveRun>> {
        let found = self.take_rows(EXPIRED, limit, Vec::new()).await?;
        found.into_iter().map(live_of).collect()
    }

    async fn next_due(
        &mut self,
        later_than: Option<Timestamp>,
        per_host: Option<u32>,
    ) -> StoreResult<Option<Timestamp>> {
        let (sql, most) = within_hosts(NEXT_DUE, 2, per_host);
        let later_than = later_than.unwrap_or(Timestamp::UNIX_EPOCH);
        let params = [Value::from(later_than)].into_iter().chain(most);
        let found: Vec<NextDue> = self.rows(&sql, params.collect()).await?;
        Ok(found
            .into_iter()
            .flat_map(|next| [next.due_at, next.lease_until])
            .flatten()
            .min())
    }

    async fn live_runs(&mut self, ids: &[RunId]) -> StoreResult<Vec<LiveRun>> {
        let wanted = live_run::Entity::find().filter(live_run::Column::Id.is_in(ids.iter().map(|id| id.0)));
        let found = wanted.order_by_asc(live_run::Column::Id).all(&self.db).await;
        found.map_err(store_error)?.into_iter().map(live_of).collect()
    }

    async fn waiting_runs(&mut self, ids: &[EndpointId]) -> StoreResult<Vec<LiveRun>> {
        let found = live_run::Entity::find()
            .filter(live_run::Column::EndpointId.is_in(ids.iter().map(|id| id.0)))
            .filter(live_run::Column::Slot.ne(Slot::Plan.as_str()))
            .filter(live_run::Column::Status.eq(RunStatus::Planned.as_str()))
            .order_by_asc(live_run::Column::Id)
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(live_of).collect()
    }

    async fn live_runs_of_plan(&mut self, plan: PlanId) -> StoreResult<Vec<LiveRun>> {
        let of_plan = live_run::Entity::find().filter(live_run::Column::PlanId.eq(plan.0));
        let found = of_plan.order_by_asc(live_run::Column::Id).all(&self.db).await;
        found.map_err(store_error)?.into_iter().map(live_of).collect()
    }

    async fn update_live(&mut self, rows: &[LiveRun]) -> StoreResult<()> {
        // A plan row that its endpoint's save took out comes back as taken.
        let rows = self.stamp_live(rows.iter().map(live_row).collect()).await?;
        self.upsert::<live_run::Entity>(rows).await
    }

    async fn extend_leases(
        &mut self,
        leases: &[(RunId, i64)],
        soon: Timestamp,
        until: Timestamp,
    ) -> StoreResult<Vec<RunId>> {
        if leases.is_empty() {
            return Ok(Vec::new());
        }
        let claims = leases
            .iter()
            .map(|(id, fence)| Expr::tuple([Expr::value(id.0), Expr::value(*fence)]));
        let key = Expr::tuple([Expr::col(live_run::Column::Id), Expr::col(live_run::Column::Fence)]);
        let held = Condition::all()
            .add(key.is_in(claims))
            .add(live_run::Column::Status.eq(RunStatus::Running.as_str()));
        let ending = live_run::Entity::update_many()
            .col_expr(live_run::Column::LeaseUntil, Expr::value(until))
            .filter(held.clone())
            .filter(live_run::Column::LeaseUntil.lt(soon));
        ending.exec(&self.db).await.map_err(store_error)?;
        let ids = live_run::Entity::find()
            .select_only()
            .column(live_run::Column::Id)
            .filter(held);
        let ids: Vec<Uuid> = ids.into_tuple().all(&self.db).await.map_err(store_error)?;
        Ok(ids.into_iter().map(RunId).collect())
    }

    async fn move_to_history(&mut self, runs: &[Run]) -> StoreResult<()> {
        let ids = runs.iter().map(|run| run.id.0);
        let waiting = live_run::Entity::delete_many().filter(live_run::Column::Id.is_in(ids));
        waiting.exec(&self.db).await.map_err(store_error)?;
        let rows = self.stamp_history(runs.iter().map(history_row).collect()).await?;
        self.insert::<run_history::Entity>(rows).await
    }

    async fn keep_attempt(&mut self, run: &Run) -> StoreResult<()> {
        let mut row = attempt_row(run).into_active_model();
        row.id = NotSet;
        self.insert::<run_attempt::Entity>(vec![row]).await
    }

    async fn list_attempts(&mut self, id: RunId) -> StoreResult<Vec<Run>> {
        let of_run = run_attempt::Entity::find().filter(run_attempt::Column::RunId.eq(id.0));
        let found = of_run.order_by_asc(run_attempt::Column::Id).all(&self.db).await;
        found.map_err(store_error)?.into_iter().map(attempt_of).collect()
    }
}

impl SqlTx {
    /// Up to `share` due rows of each lane, the first of each before the second of any; and how many lanes have their share.
    async fn due_in_lanes(
        &self,
        lanes: &[Lane],
        share: usize,
        per_host: Option<u32>,
    ) -> StoreResult<(Vec<live_run::Model>, usize)> {
        let (sql, most) = within_hosts(&due_with("r.*"), 4, per_host);
        let mut found = Vec::with_capacity(lanes.len());
        for Lane { lane } in lanes {
            let more = [Value::from(*lane)].into_iter().chain(most.clone()).collect();
            found.push(self.take_rows(&sql, share, more).await?);
        }
        let (rows, cut) = in_turn(found, share);
        let rows = match per_host {
            Some(most) => self.fitting(rows, most).await?,
            None => rows,
        };
        Ok((rows, cut))
    }

    /// Of these rows as many of each host as it has room for, the first first.
    async fn fitting(&self, rows: Vec<live_run::Model>, most: u32) -> StoreResult<Vec<live_run::Model>> {
        let mut calls: HashMap<String, i64> = HashMap::new();
        for Calls { host, calls: count } in self.rows(CALLS, Vec::new()).await? {
            calls.insert(host, count);
        }
        let hosts = self.hosts_of(rows.iter().map(|row| row.endpoint_id)).await?;
        let mut fitting = rows;
        fitting.retain(|row| {
            let host = hosts.get(&row.endpoint_id).cloned().unwrap_or_default();
            let calls = calls.entry(host).or_default();
            *calls += 1;
            *calls <= i64::from(most)
        });
        Ok(fitting)
    }

    async fn hosts_of(&self, endpoints: impl Iterator<Item = Uuid>) -> StoreResult<HashMap<Uuid, String>> {
        let hosts = job_endpoint::Entity::find()
            .select_only()
            .columns([job_endpoint::Column::Id, job_endpoint::Column::Host])
            .filter(job_endpoint::Column::Id.is_in(endpoints))
            .into_tuple::<(Uuid, String)>()
            .all(&self.db)
            .await;
        Ok(hosts.map_err(store_error)?.into_iter().collect())
    }

    /// Rows that a query on (now, limit, and `more`) over `r` and `s` finds, locked.
    async fn take_rows(&self, sql: &str, limit: usize, more: Vec<Value>) -> StoreResult<Vec<live_run::Model>> {
        let sql = if self.is_postgres() {
            format!("{sql}{SKIP_LOCKED}")
        } else {
            sql.to_owned()
        };
        let limit = i64::try_from(rows_of(Page::first(limit))).unwrap_or(i64::MAX);
        let mut values = vec![self.time().into(), limit.into()];
        values.extend(more);
        self.rows(sql, values).await
    }
}

/// What SQLite's own queue looks for in a lane, whatever host is called: at $1, up to $2 rows of lane $3, whose columns are the
/// table's.
pub fn due() -> &'static str {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let columns = list_of::<live_run::Model>("r");
        within_hosts(&due_with(&columns), 4, None).0
    });
    &SQL
}

fn due_with(columns: &str) -> String {
    DUE.replace("{columns}", columns).replace("{best}", &best("$1", None))
}

/// [`NEXT_DUE`] for SQLite's own queue, whatever host is called.
pub(crate) fn next_due() -> &'static str {
    static SQL: LazyLock<String> = LazyLock::new(|| within_hosts(NEXT_DUE, 2, None).0);
    &SQL
}

/// The rows of all lanes, the first of each before the second of any; and how many lanes have their share.
pub(crate) fn in_turn(lanes: Vec<Vec<live_run::Model>>, share: usize) -> (Vec<live_run::Model>, usize) {
    let cut = lanes.iter().filter(|rows| rows.len() >= share).count();
    let ranked = lanes.into_iter().flat_map(|rows| rows.into_iter().enumerate());
    let mut ranked: Vec<(usize, live_run::Model)> = ranked.collect();
    ranked.sort_by_key(|(rank, row)| (*rank, row.due_at, row.id));
    (ranked.into_iter().map(|(_, row)| row).collect(), cut)
}

/// Rows of a lane at a second look, when a first one found too few: room for twice what is wanted in the lanes that may have
/// more, `cut` of them, but no more than `most` in each.
pub(crate) fn wider_share(limit: usize, cut: usize, most: usize) -> usize {
    most.min(limit.saturating_mul(2).checked_div(cut).map_or(0, |share| share + 1))
}

/// The statement with or without a look at hosts: `place` is that of the parameter with the most calls to each.
fn within_hosts(sql: &str, place: u8, per_host: Option<u32>) -> (String, Option<Value>) {
    let full = match per_host {
        Some(_) => NOT_FULL.replace("{most}", &format!("${place}")),
        None => String::new(),
    };
    (
        sql.replace("{full}", &full),
        per_host.map(|most| i64::from(most).into()),
    )
}
