//! Ends of runs, a batch in one transaction of sets of rows.
//!
//! What an end means is decided by the domain, in [`settle`]; here is only how its rows are loaded and written: locks and
//! loads are one round trip, all writes another. Ends that concern planners touch rows that are not the hot path's; they
//! are left to the general way, an endpoint at a time, so that reports of one endpoint are never reordered.

use std::collections::BTreeMap;

use baton_domain::{
    error::StoreError,
    ids::{Chance, EndpointId, RunId},
    ports::{StoreResult, Topic},
    run::{LiveRun, Run},
    schedule::{FinishedRun, Schedule, Settled},
    services::{Ends, settle},
    time::Timestamp,
};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    columns::{Param, Read, Written, change_of, insert_of, list_of, param, select_of, update_of},
    session::{Hot, Step, Work, clock, notify},
};
use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run},
    error::postgres_error,
    mapping::{
        endpoints::{endpoint_of, hint_of, hint_row, state_of, state_row},
        jobs::status_of,
        records::change_row,
        runs::{attempt_row, history_row, live_of, live_row},
    },
    tx::unexpected,
};

/// The states of the endpoints $1, locked in id order as everybody does.
const LOCK: &str = "WHERE endpoint_id = ANY($1) ORDER BY endpoint_id FOR UPDATE";

/// The endpoints $1, each with the status of its job.
fn select_endpoints() -> String {
    let columns = list_of::<job_endpoint::Model>("e");
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

/// The live rows $1, locked in id order: leases are renewed without a lock on the endpoint.
const ROWS: &str = "WHERE id = ANY($1) ORDER BY id FOR UPDATE";

const DELETE_HINTS: &str = "DELETE FROM hints WHERE endpoint_id = ANY($1)";
const DELETE_PLAN_ROWS: &str = "DELETE FROM live_runs WHERE endpoint_id = ANY($1) AND slot = 'plan'";
const DELETE_ROWS: &str = "DELETE FROM live_runs WHERE id = ANY($1)";

/// What became of a batch: an answer for each report, `None` for those that are left to the general way.
pub(crate) type Answers = Vec<Option<Settled>>;

/// Records what can be recorded here, in one transaction. Fails as a whole.
pub(crate) async fn finish(hot: &Hot, reports: &[FinishedRun], chance: &dyn Chance) -> StoreResult<Answers> {
    let mut client = hot.connection().await?;
    let work = hot.begin(&mut client).await?;
    let mut loaded = load(&work, reports, hot.now()).await?;
    let mut answers: Answers = vec![None; reports.len()];
    let mut writes = Writes::default();
    for positions in by_endpoint(reports).into_values() {
        let theirs: Vec<FinishedRun> = positions.iter().map(|position| reports[*position].clone()).collect();
        let now = loaded.now;
        let (settled, ends) = settle(&theirs, &mut loaded.schedules, &mut loaded.rows, now, chance);
        let schedule = loaded.schedules.remove(&theirs[0].endpoint_id);
        let elsewhere = ends.over.iter().any(|over| over.concerns_planners())
            || schedule.as_ref().is_some_and(|schedule| schedule.dirty.endpoint);
        if elsewhere {
            continue;
        }
        for (position, settled) in positions.into_iter().zip(settled) {
            answers[position] = Some(settled);
        }
        writes.add(schedule.as_ref(), ends);
    }
    let steps = writes.into_steps();
    if steps.is_empty() {
        return Ok(answers);
    }
    work.all(steps).await?;
    work.commit().await?;
    hot.wake(Topic::Queue);
    Ok(answers)
}

/// The positions of the reports of each endpoint, in order.
fn by_endpoint(reports: &[FinishedRun]) -> BTreeMap<EndpointId, Vec<usize>> {
    let mut positions: BTreeMap<EndpointId, Vec<usize>> = BTreeMap::new();
    for (position, report) in reports.iter().enumerate() {
        positions.entry(report.endpoint_id).or_default().push(position);
    }
    positions
}

struct Loaded {
    now: Timestamp,
    schedules: BTreeMap<EndpointId, Schedule>,
    rows: BTreeMap<RunId, LiveRun>,
}

/// Locks and loads in one round trip. Every statement after the lock sees what the last holder committed.
async fn load(work: &Work<'_>, reports: &[FinishedRun], now: Option<Timestamp>) -> StoreResult<Loaded> {
    let endpoints: Vec<Uuid> = by_endpoint(reports).into_keys().map(|id| id.0).collect();
    let runs: Vec<Uuid> = reports.iter().map(|report| report.run_id.0).collect();
    let of_endpoints = |sql: String| Step::new(sql, vec![ids(endpoints.clone())]);
    let steps = vec![
        of_endpoints(select_of::<endpoint_state::Model>(LOCK)),
        Step::new(select_of::<live_run::Model>(ROWS), vec![ids(runs)]),
        clock(now),
        of_endpoints(select_endpoints()),
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

/// What a batch writes, by table.
#[derive(Default)]
struct Writes {
    states: Vec<endpoint_state::Model>,
    rehinted: Vec<Uuid>,
    hints: Vec<hint::Model>,
    replanned: Vec<Uuid>,
    plan_rows: Vec<live_run::Model>,
    again: Vec<live_run::Model>,
    over: Vec<Uuid>,
    history: Vec<crate::entity::run_history::Model>,
    attempts: Vec<crate::entity::run_attempt::Model>,
    changes: Vec<crate::entity::schedule_change::Model>,
}

impl Writes {
    fn add(&mut self, schedule: Option<&Schedule>, ends: Ends) {
        if let Some(schedule) = schedule {
            self.add_schedule(schedule);
        }
        self.attempts.extend(ends.kept_attempts().map(attempt_row));
        self.again.extend(ends.again.iter().map(live_row));
        self.over.extend(ends.over.iter().map(|over| over.run.id.0));
        let over = ends.over.into_iter().map(|over| over.run);
        self.history.extend(over.map(|run: Run| history_row(&run)));
    }

    fn add_schedule(&mut self, schedule: &Schedule) {
        let id = schedule.endpoint.id;
        if schedule.dirty.state {
            self.states.push(state_row(id, &schedule.state));
        }
        if schedule.dirty.hints {
            self.rehinted.push(id.0);
            self.hints.extend(schedule.hints.iter().map(hint_row));
        }
        if schedule.dirty.plan_row {
            self.replanned.push(id.0);
            self.plan_rows.extend(schedule.plan_row.iter().map(live_row));
        }
        self.history.extend(schedule.ended.iter().map(history_row));
        self.changes.extend(schedule.changes.iter().map(change_row));
    }

    /// Removals before what takes their place; nothing when nothing is to be written.
    fn into_steps(self) -> Vec<Step> {
        let mut steps = Vec::new();
        write(
            &mut steps,
            update_of::<endpoint_state::Model>("endpoint_id"),
            self.states,
        );
        remove(&mut steps, DELETE_HINTS, self.rehinted);
        add(&mut steps, self.hints);
        remove(&mut steps, DELETE_PLAN_ROWS, self.replanned);
        remove(&mut steps, DELETE_ROWS, self.over);
        write(&mut steps, change_of::<live_run::Model>("id"), self.again);
        add(&mut steps, self.plan_rows);
        add(&mut steps, self.history);
        add(&mut steps, self.attempts);
        add(&mut steps, self.changes);
        if !steps.is_empty() {
            steps.push(notify(Topic::Queue));
        }
        steps
    }
}

fn add<T: Written>(steps: &mut Vec<Step>, rows: Vec<T>) {
    write(steps, insert_of::<T>(), rows);
}

fn write<T: Written>(steps: &mut Vec<Step>, sql: String, rows: Vec<T>) {
    if !rows.is_empty() {
        steps.push(Step::new(sql, T::arrays(rows)));
    }
}

fn remove(steps: &mut Vec<Step>, sql: &str, rows: Vec<Uuid>) {
    if !rows.is_empty() {
        steps.push(Step::new(sql, vec![ids(rows)]));
    }
}

/// True when the same batch may fail again for what one of its reports carries; not when the database is away.
pub(crate) fn is_about_rows(error: &StoreError) -> bool {
    match error {
        StoreError::Unavailable(_) => false,
        StoreError::Conflict(_) | StoreError::Broken(_) => true,
    }
}
