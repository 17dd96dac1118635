//! Schedules on the hot path: loaded and locked by sets of rows, and written back by sets of rows.
//!
//! What happens to them in between is the domain's. Used by the ends of runs and by claims that plan at once.

use std::collections::BTreeMap;

use baton_domain::{
    ids::{EndpointId, RunId},
    ports::{StoreResult, Topic},
    schedule::Schedule,
    time::Timestamp,
};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    columns::{Param, Read, Width, Written, by_width, change_of, insert_of, param, update_of},
    moving::move_to_history,
    session::{Step, Work, clock, notify},
};
use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run},
    error::postgres_error,
    hot::{Loaded, Requests, Writes},
    mapping::{
        endpoints::{endpoint_of, hint_of, state_of},
        jobs::status_of,
        runs::live_of,
    },
    tables::{list_of, select_of},
    tx::unexpected,
};

/// The states of the endpoints $1, locked in id order as everybody does.
pub(super) const LOCK: &str = "WHERE endpoint_id = ANY($1) ORDER BY endpoint_id FOR UPDATE";

const REQUEST: [(&str, &str); 6] = [
    ("name", "''"),
    ("description", "''"),
    ("method", "''"),
    ("url", "''"),
    ("headers", "'[]'::jsonb"),
    ("body", "NULL::bytea"),
];

/// The endpoints $1, each with the status of its job.
fn select_endpoints(requests: Requests) -> String {
    let mut columns = list_of::<job_endpoint::Model>("e");
    if requests == Requests::Left {
        for (name, nothing) in REQUEST {
            columns = columns.replace(&format!("e.\"{name}\""), &format!("{nothing} AS {name}"));
        }
    }
    format!(
        "SELECT {columns}, j.status AS job_status
           FROM job_endpoints e
           LEFT JOIN jobs j ON j.id = e.job_id
          WHERE e.id = ANY($1)"
    )
}

/// The hints of the endpoints $1, oldest first.
const HINTS: &str = "WHERE endpoint_id = ANY($1) ORDER BY id";

/// The plan rows of the endpoints $1.
const PLAN_ROWS: &str = "WHERE endpoint_id = ANY($1) AND slot = 'plan'";

/// The live rows $1. Their endpoints are locked, and all that changes without that lock is how long a lease is.
const ROWS: &str = "WHERE id = ANY($1)";

const DELETE_HINTS: &str = "DELETE FROM hints WHERE endpoint_id = ANY($1)";
const DELETE_PLAN_ROWS: &str = "DELETE FROM live_runs WHERE endpoint_id = ANY($1) AND slot = 'plan'";

/// Locks and loads in one round trip. Every statement after the lock sees what the last holder committed.
///
/// `runs` are the rows of interest; `now` as in [`Hot::now`](super::session::Hot::now).
pub(crate) async fn load(
    work: &Work,
    requests: Requests,
    endpoints: Vec<EndpointId>,
    runs: Vec<RunId>,
    now: Option<Timestamp>,
) -> StoreResult<Loaded> {
    let endpoints: Vec<Uuid> = endpoints.into_iter().map(|id| id.0).collect();
    let runs: Vec<Uuid> = runs.into_iter().map(|id| id.0).collect();
    let of_endpoints = |sql: String| Step::new(sql, vec![ids(endpoints.clone())]);
    let steps = vec![
        of_endpoints(select_of::<endpoint_state::Model>(LOCK)),
        Step::new(select_of::<live_run::Model>(ROWS), vec![ids(runs)]),
        clock(now),
        of_endpoints(select_endpoints(requests)),
        of_endpoints(select_of::<hint::Model>(HINTS)),
        of_endpoints(select_of::<live_run::Model>(PLAN_ROWS)),
    ];
    let found: [Vec<Row>; 6] = work
        .all(steps)
        .await?
        .try_into()
        .map_err(|_| unexpected("as many answers as statements"))?;
    let [states, rows, clock, endpoints, hints, plan_rows] = found;
    let clock = clock
        .first()
        .ok_or_else(|| unexpected("the database did not tell the time"))?;
    let mut schedules = schedules_of(&endpoints, &states)?;
    for hint in each::<hint::Model>(&hints)? {
        if let Some(schedule) = schedules.get_mut(&EndpointId(hint.endpoint_id)) {
            schedule.hints.push(hint_of(hint)?);
        }
    }
    for row in each::<live_run::Model>(&plan_rows)? {
        if let Some(schedule) = schedules.get_mut(&EndpointId(row.endpoint_id)) {
            schedule.plan_row = Some(live_of(row)?);
        }
    }
    let rows = each::<live_run::Model>(&rows)?.into_iter().map(live_of);
    Ok(Loaded {
        now: clock.try_get("now").map_err(|error| postgres_error(&error))?,
        schedules,
        rows: rows
            .map(|row| row.map(|row| (row.run.id, row)))
            .collect::<Result<_, _>>()?,
    })
}

/// Endpoints whose state was locked; one that was deleted while the lock was waited for is in neither.
fn schedules_of(endpoints: &[Row], states: &[Row]) -> StoreResult<BTreeMap<EndpointId, Schedule>> {
    let mut states: BTreeMap<Uuid, endpoint_state::Model> = each::<endpoint_state::Model>(states)?
        .into_iter()
        .map(|state| (state.endpoint_id, state))
        .collect();
    let mut schedules = BTreeMap::new();
    for row in endpoints {
        let job_status: Option<String> = row.try_get("job_status").map_err(|error| postgres_error(&error))?;
        let endpoint = endpoint_of(job_endpoint::Model::read(row).map_err(|error| postgres_error(&error))?)?;
        let Some(state) = states.remove(&endpoint.id.0) else {
            continue;
        };
        let job_status = job_status.map(|status| status_of(&status)).transpose()?;
        schedules.insert(endpoint.id, Schedule::new(endpoint, job_status, state_of(state)?));
    }
    Ok(schedules)
}

fn each<T: Read>(rows: &[Row]) -> StoreResult<Vec<T>> {
    let read: Result<_, _> = rows.iter().map(T::read).collect();
    read.map_err(|error| postgres_error(&error))
}

fn ids(ids: Vec<Uuid>) -> Param {
    param(ids, Type::UUID_ARRAY)
}

/// Removals before what takes their place; nothing when nothing is to be written. A plan row that was claimed is `taken`
/// before plan rows are removed.
pub(crate) fn steps(writes: Writes) -> Vec<Step> {
    let mut steps = Vec::new();
    let update = |width| update_of::<endpoint_state::Model>("endpoint_id", width);
    write(&mut steps, update, writes.states);
    remove(&mut steps, DELETE_HINTS, writes.rehinted);
    add(&mut steps, writes.hints);
    write(
        &mut steps,
        |width| change_of::<live_run::Model>("id", width),
        writes.live,
    );
    remove(&mut steps, DELETE_PLAN_ROWS, writes.replanned);
    if !writes.over.is_empty() {
        steps.push(move_to_history(writes.over));
    }
    add(&mut steps, writes.plan_rows);
    add(&mut steps, writes.history);
    add(&mut steps, writes.attempts);
    add(&mut steps, writes.changes);
    if !steps.is_empty() {
        steps.push(notify(Topic::Queue));
    }
    steps
}

fn add<T: Written>(steps: &mut Vec<Step>, rows: Vec<T>) {
    write(steps, insert_of::<T>, rows);
}

fn write<T: Written>(steps: &mut Vec<Step>, sql: impl Fn(Width) -> String, rows: Vec<T>) {
    steps.extend(by_width(rows).map(|(width, rows)| Step::new(sql(width), T::arrays(rows, width))));
}

fn remove(steps: &mut Vec<Step>, sql: &str, rows: Vec<Uuid>) {
    if !rows.is_empty() {
        steps.push(Step::new(sql, vec![ids(rows)]));
    }
}
