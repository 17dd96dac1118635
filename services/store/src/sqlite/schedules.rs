//! Schedules on the hot path: loaded by their keys and written back row by row, as a file is read and written best.
//!
//! What happens to them in between is the domain's. The one writer is the lock of all endpoints.

use std::{collections::BTreeMap, sync::LazyLock};

use baton_domain::{
    ids::{EndpointId, RunId},
    ports::StoreResult,
    run::LiveRun,
    schedule::Schedule,
    time::Timestamp,
};
use rusqlite::{CachedStatement, OptionalExtension as _, Params, Transaction};
use uuid::Uuid;

use super::cells::{Bound, Fetched, add_of, change_of, insert_of, next, update_of};
use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run, run_attempt, run_history, schedule_change},
    error::rusqlite_error,
    hot::{Loaded, Requests, Writes},
    mapping::{
        endpoints::{endpoint_of, hint_of, state_of},
        jobs::status_of,
        runs::{history_row, live_of},
    },
    tables::{list_of, select_of},
};

/// Columns of an endpoint that may be large, and what stands for each where it is not read.
const REQUEST: [(&str, &str); 6] = [
    ("name", "''"),
    ("description", "''"),
    ("method", "''"),
    ("url", "''"),
    ("headers", "'[]'"),
    ("body", "NULL"),
];

static ROW: LazyLock<String> = LazyLock::new(|| select_of::<live_run::Model>("WHERE id = ?1"));
static PLAN_ROW: LazyLock<String> =
    LazyLock::new(|| select_of::<live_run::Model>("WHERE endpoint_id = ?1 AND slot = 'plan'"));
static HINTS: LazyLock<String> = LazyLock::new(|| select_of::<hint::Model>("WHERE endpoint_id = ?1 ORDER BY id"));
static ENDPOINT: LazyLock<String> = LazyLock::new(|| select_endpoint(&list_of::<job_endpoint::Model>("e")));
static ENDPOINT_WITHOUT_REQUEST: LazyLock<String> = LazyLock::new(|| {
    let columns = REQUEST
        .iter()
        .fold(list_of::<job_endpoint::Model>("e"), |columns, (name, nothing)| {
            columns.replace(&format!("e.\"{name}\""), nothing)
        });
    select_endpoint(&columns)
});

static UPDATE_STATE: LazyLock<String> = LazyLock::new(|| update_of::<endpoint_state::Model>("endpoint_id"));
static ADD_HINT: LazyLock<String> = LazyLock::new(insert_of::<hint::Model>);
static CHANGE_LIVE: LazyLock<String> = LazyLock::new(|| change_of::<live_run::Model>("id", |_| true));
static CLAIM_LIVE: LazyLock<String> =
    LazyLock::new(|| change_of::<live_run::Model>("id", |column| CLAIMED.contains(&column)));
static ADD_LIVE: LazyLock<String> = LazyLock::new(add_of::<live_run::Model>);
static ADD_HISTORY: LazyLock<String> = LazyLock::new(add_of::<run_history::Model>);
static ADD_ATTEMPT: LazyLock<String> = LazyLock::new(insert_of::<run_attempt::Model>);
static ADD_CHANGE: LazyLock<String> = LazyLock::new(insert_of::<schedule_change::Model>);

/// What a claim writes of a row.
const CLAIMED: [&str; 14] = [
    "status",
    "slot",
    "attempt",
    "fence",
    "lease_owner",
    "lease_until",
    "started_at",
    "job_id",
    "host",
    "duration_us",
    "status_code",
    "error",
    "response",
    "response_truncated",
];

const DELETE_HINTS: &str = "DELETE FROM hints WHERE endpoint_id = ?1";
const DELETE_PLAN_ROW: &str = "DELETE FROM live_runs WHERE endpoint_id = ?1 AND slot = 'plan'";
pub(super) const DELETE_LIVE: &str = "DELETE FROM live_runs WHERE id = ?1";
/// See [`crate::repo`]: how the change feed numbers transactions.
const NEXT_NUMBER: &str = "UPDATE change_marks SET last = last + 1 RETURNING last";

/// An endpoint with its state, the status of its job, and whether it has hints and a plan row.
fn select_endpoint(columns: &str) -> String {
    let state = list_of::<endpoint_state::Model>("s");
    format!(
        "SELECT {columns}, {state}, j.status,
                EXISTS (SELECT 1 FROM hints h WHERE h.endpoint_id = e.id),
                EXISTS (SELECT 1 FROM live_runs p WHERE p.endpoint_id = e.id AND p.slot = 'plan')
           FROM job_endpoints e
           JOIN endpoint_state s ON s.endpoint_id = e.id
           LEFT JOIN jobs j ON j.id = e.job_id
          WHERE e.id = ?1"
    )
}

/// What has become of the rows that go on in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Live {
    Claimed,
    /// An attempt of theirs is over.
    Again,
}

/// Loads the endpoints and rows that are there.
pub(super) fn load(
    tx: &Transaction<'_>,
    requests: Requests,
    endpoints: impl Iterator<Item = EndpointId>,
    runs: impl Iterator<Item = RunId>,
    now: Timestamp,
) -> StoreResult<Loaded> {
    let mut loaded = Loaded {
        now,
        schedules: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    for id in endpoints {
        if let Some(schedule) = schedule(tx, requests, id)? {
            loaded.schedules.insert(id, schedule);
        }
    }
    for id in runs {
        if let Some(row) = live_row(tx, &ROW, id.0)? {
            loaded.rows.insert(id, row);
        }
    }
    Ok(loaded)
}

/// A row of [`select_endpoint`].
struct Found {
    endpoint: job_endpoint::Model,
    state: endpoint_state::Model,
    job_status: Option<String>,
    has_hints: bool,
    has_plan_row: bool,
}

/// An endpoint with all that belongs to it.
pub(super) fn schedule(tx: &Transaction<'_>, requests: Requests, id: EndpointId) -> StoreResult<Option<Schedule>> {
    let sql = match requests {
        Requests::Read => &ENDPOINT,
        Requests::Left => &ENDPOINT_WITHOUT_REQUEST,
    };
    let read = prepared(tx, sql)?
        .query_row([id.0], |row| {
            let mut place = 0..;
            Ok(Found {
                endpoint: job_endpoint::Model::fetch(row, &mut place)?,
                state: endpoint_state::Model::fetch(row, &mut place)?,
                job_status: next(row, &mut place)?,
                has_hints: next(row, &mut place)?,
                has_plan_row: next(row, &mut place)?,
            })
        })
        .optional();
    let Some(found) = read.map_err(|error| rusqlite_error(&error))? else {
        return Ok(None);
    };
    let job_status = found.job_status.map(|status| status_of(&status)).transpose()?;
    let mut schedule = Schedule::new(endpoint_of(found.endpoint)?, job_status, state_of(found.state)?);
    if found.has_hints {
        let hints = fetch_all::<hint::Model>(tx, &HINTS, [id.0])?;
        schedule.hints = hints.into_iter().map(hint_of).collect::<Result<_, _>>()?;
    }
    if found.has_plan_row {
        schedule.plan_row = live_row(tx, &PLAN_ROW, id.0)?;
    }
    Ok(Some(schedule))
}

fn live_row(tx: &Transaction<'_>, sql: &str, id: Uuid) -> StoreResult<Option<LiveRun>> {
    fetch_all::<live_run::Model>(tx, sql, [id])?
        .pop()
        .map(live_of)
        .transpose()
}

/// The rows of a statement that is kept ready.
pub(super) fn fetch_all<T: Fetched>(tx: &Transaction<'_>, sql: &str, params: impl Params) -> StoreResult<Vec<T>> {
    let mut statement = prepared(tx, sql)?;
    let rows = statement.query_map(params, |row| T::fetch(row, &mut (0..)));
    let rows: Result<Vec<T>, rusqlite::Error> = rows.and_then(Iterator::collect);
    rows.map_err(|error| rusqlite_error(&error))
}

pub(super) fn prepared<'a>(tx: &'a Transaction<'_>, sql: &str) -> StoreResult<CachedStatement<'a>> {
    tx.prepare_cached(sql).map_err(|error| rusqlite_error(&error))
}

/// Removals before what takes their place. A plan row that was claimed is `taken` before plan rows are removed. True when
/// something was written.
pub(super) fn write(numbered: &mut Numbered<'_, '_>, writes: Writes, as_live: Live) -> StoreResult<bool> {
    let tx = numbered.tx;
    let Writes {
        states,
        rehinted,
        hints,
        replanned,
        plan_rows,
        live,
        over,
        history,
        attempts,
        changes,
    } = writes;
    let (gone, ended): (Vec<Uuid>, Vec<run_history::Model>) =
        over.iter().map(|run| (run.id.0, history_row(run))).unzip();
    let change = match as_live {
        Live::Claimed => &CLAIM_LIVE,
        Live::Again => &CHANGE_LIVE,
    };
    let mut written = run_each(tx, &UPDATE_STATE, &states, None)?;
    written |= remove_each(tx, DELETE_HINTS, rehinted)?;
    written |= run_each(tx, &ADD_HINT, &hints, None)?;
    written |= numbered.run_each(change, &live)?;
    written |= remove_each(tx, DELETE_PLAN_ROW, replanned)?;
    written |= remove_each(tx, DELETE_LIVE, gone)?;
    written |= numbered.run_each(&ADD_HISTORY, &ended)?;
    written |= numbered.run_each(&ADD_LIVE, &plan_rows)?;
    written |= numbered.run_each(&ADD_HISTORY, &history)?;
    written |= run_each(tx, &ADD_ATTEMPT, &attempts, None)?;
    written |= run_each(tx, &ADD_CHANGE, &changes, None)?;
    Ok(written)
}

/// A transaction that writes runs with its number, which is taken when the first is written.
pub(super) struct Numbered<'a, 'c> {
    pub tx: &'a Transaction<'c>,
    number: Option<i64>,
}

impl<'a, 'c> Numbered<'a, 'c> {
    pub fn new(tx: &'a Transaction<'c>) -> Self {
        Self { tx, number: None }
    }

    pub fn number(&mut self) -> StoreResult<i64> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let taken = prepared(self.tx, NEXT_NUMBER)?.query_row([], |row| row.get(0));
        Ok(*self.number.insert(taken.map_err(|error| rusqlite_error(&error))?))
    }

    fn run_each<T: Bound>(&mut self, sql: &str, rows: &[T]) -> StoreResult<bool> {
        if rows.is_empty() {
            return Ok(false);
        }
        let number = self.number()?;
        run_each(self.tx, sql, rows, Some(number))
    }
}

/// Runs a statement that is kept ready for each row, with what stands behind its parameters. True when there is one.
fn run_each<T: Bound>(tx: &Transaction<'_>, sql: &str, rows: &[T], behind: Option<i64>) -> StoreResult<bool> {
    if rows.is_empty() {
        return Ok(false);
    }
    let mut statement = prepared(tx, sql)?;
    let mut run = |row: &T| {
        row.bind(&mut statement)?;
        if let Some(behind) = behind {
            statement.raw_bind_parameter(T::COLUMNS.len() + 1, behind)?;
        }
        statement.raw_execute()
    };
    for row in rows {
        run(row).map_err(|error| rusqlite_error(&error))?;
    }
    Ok(true)
}

fn remove_each(tx: &Transaction<'_>, sql: &str, ids: Vec<Uuid>) -> StoreResult<bool> {
    if ids.is_empty() {
        return Ok(false);
    }
    let mut statement = prepared(tx, sql)?;
    for id in ids {
        statement.execute([id]).map_err(|error| rusqlite_error(&error))?;
    }
    Ok(true)
}
