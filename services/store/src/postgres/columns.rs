//! The columns of the tables that the hot path reads and writes, each named once.
//!
//! A line here is a column in every statement: in the list of a SELECT, in an INSERT or UPDATE of many rows at once, and
//! in the reading of a row. Rows travel as one array a column.

use std::ops::RangeFrom;

use tokio_postgres::{
    Row,
    types::{FromSql, ToSql, Type},
};

use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run, run_attempt, run_history, schedule_change},
    mapping::runs::UNSTAMPED,
};

/// A value on its way to the server, with its type.
pub type Param = (Box<dyn ToSql + Sync + Send>, Type);

/// Any value as a [`Param`].
pub fn param(value: impl ToSql + Sync + Send + 'static, kind: Type) -> Param {
    (Box::new(value), kind)
}

/// A table of the hot path.
pub trait Table: Sized {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
}

/// A table that the hot path writes.
pub trait Written: Table {
    /// One array for each of the columns, in their order.
    fn arrays(rows: Vec<Self>) -> Vec<Param>;
}

/// A table that the hot path reads.
pub trait Read: Table {
    /// Reads a row whose first columns are these, in their order: to look for each by its name costs more than to read it.
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error>;
}

/// The columns as a list, each of the table or alias `of`. Never `*`: a column that a later version adds must not change
/// what a prepared statement returns.
pub fn list_of<T: Table>(of: &str) -> String {
    let names: Vec<String> = T::COLUMNS.iter().map(|column| format!("{of}.\"{column}\"")).collect();
    names.join(", ")
}

/// The rows of the table that the rest of the statement tells.
pub fn select_of<T: Table>(rest: &str) -> String {
    format!("SELECT {} FROM {} {rest}", list_of::<T>(T::TABLE), T::TABLE)
}

/// Adds rows: $1 and on are [`Written::arrays`].
pub fn insert_of<T: Written>() -> String {
    let columns = quoted::<T>();
    format!(
        "INSERT INTO {} ({columns}) SELECT * FROM {}",
        T::TABLE,
        arrays_of::<T>()
    )
}

/// Writes every column of the rows that `key` finds: $1 and on are [`Written::arrays`].
pub fn update_of<T: Written>(key: &str) -> String {
    update_and::<T>(key, "")
}

/// Like [`update_of`], for runs: the change feed tells of it. Rows that are added are stamped by their default.
pub fn change_of<T: Written>(key: &str) -> String {
    update_and::<T>(key, ", changed_in = pg_current_xact_id()::text::bigint")
}

fn update_and<T: Written>(key: &str, more: &str) -> String {
    let set: Vec<String> = T::COLUMNS
        .iter()
        .filter(|column| **column != key)
        .map(|column| format!("\"{column}\" = n.\"{column}\""))
        .collect();
    let (table, rows, set) = (T::TABLE, arrays_of::<T>(), set.join(", "));
    let columns = quoted::<T>();
    format!("UPDATE {table} t SET {set}{more} FROM {rows} AS n ({columns}) WHERE t.{key} = n.{key}")
}

/// The columns as a list.
fn quoted<T: Table>() -> String {
    let names: Vec<String> = T::COLUMNS.iter().map(|column| format!("\"{column}\"")).collect();
    names.join(", ")
}

fn arrays_of<T: Table>() -> String {
    let places: Vec<String> = (1..=T::COLUMNS.len()).map(|place| format!("${place}")).collect();
    format!("UNNEST({})", places.join(", "))
}

/// The value of a row's next column.
pub fn next<'r, T: FromSql<'r>>(row: &'r Row, place: &mut RangeFrom<usize>) -> Result<T, tokio_postgres::Error> {
    row.try_get(place.next().unwrap_or(usize::MAX))
}

macro_rules! table {
    ($table:literal: $module:ident { $($column:ident,)+ }) => {
        impl Table for $module::Model {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [&'static str] = &[$(stringify!($column)),+];
        }
    };
}

macro_rules! written {
    ($table:literal: $module:ident { $($column:ident: $array:ident,)+ }) => {
        table!($table: $module { $($column,)+ });

        impl Written for $module::Model {
            fn arrays(rows: Vec<Self>) -> Vec<Param> {
                $(let mut $column = Vec::with_capacity(rows.len());)+
                for row in rows {
                    $($column.push(row.$column);)+
                }
                vec![$(param($column, Type::$array)),+]
            }
        }
    };
}

macro_rules! read {
    ($module:ident { $($column:ident,)+ } $($unread:ident: $value:expr)?) => {
        impl Read for $module::Model {
            fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
                let mut place = 0..;
                // Fields of a struct are evaluated as they are written.
                Ok(Self {
                    $($column: next(row, &mut place)?,)+
                    $($unread: $value,)?
                })
            }
        }
    };
}

macro_rules! read_only {
    ($table:literal: $module:ident { $($column:ident,)+ }) => {
        table!($table: $module { $($column,)+ });
        read!($module { $($column,)+ });
    };
}

macro_rules! read_and_written {
    ($table:literal: $module:ident { $($column:ident: $array:ident,)+ } $($unread:ident: $value:expr)?) => {
        written!($table: $module { $($column: $array,)+ });
        read!($module { $($column,)+ } $($unread: $value)?);
    };
}

/// The queue, the history and the attempts share these columns; the table's own come first. `changed_in` is no column here:
/// it is the database's to give, and the hot path does not read it.
macro_rules! with_run_columns {
    ($form:ident! $table:literal: $module:ident { $($column:ident: $array:ident,)+ } $($unread:ident: $value:expr)?) => {
        $form!($table: $module {
            $($column: $array,)+
            endpoint_id: UUID_ARRAY,
            job_id: UUID_ARRAY,
            user_id: TEXT_ARRAY,
            status: TEXT_ARRAY,
            source: TEXT_ARRAY,
            cause: TEXT_ARRAY,
            clamped_from_us: INT8_ARRAY,
            clamped_from_at: TIMESTAMPTZ_ARRAY,
            planned_at: TIMESTAMPTZ_ARRAY,
            due_at: TIMESTAMPTZ_ARRAY,
            started_at: TIMESTAMPTZ_ARRAY,
            finished_at: TIMESTAMPTZ_ARRAY,
            duration_us: INT8_ARRAY,
            attempt: INT8_ARRAY,
            status_code: INT4_ARRAY,
            error: TEXT_ARRAY,
            response: BYTEA_ARRAY,
            response_truncated: BOOL_ARRAY,
            reason: TEXT_ARRAY,
            missed_first: TIMESTAMPTZ_ARRAY,
            missed_last: TIMESTAMPTZ_ARRAY,
            missed_count: INT8_ARRAY,
            hint_id: UUID_ARRAY,
            plan_id: UUID_ARRAY,
            step: INT8_ARRAY,
            plan_reason: TEXT_ARRAY,
        } $($unread: $value)?);
    };
}

with_run_columns!(read_and_written! "live_runs": live_run {
    id: UUID_ARRAY,
    slot: TEXT_ARRAY,
    lane: INT2_ARRAY,
    fence: INT8_ARRAY,
    losses: INT8_ARRAY,
    lease_owner: TEXT_ARRAY,
    lease_until: TIMESTAMPTZ_ARRAY,
    one_shot_id: UUID_ARRAY,
    trace_parent: TEXT_ARRAY,
    host: TEXT_ARRAY,
} changed_in: UNSTAMPED);

with_run_columns!(written! "run_history": run_history {
    id: UUID_ARRAY,
});

// The `id` is the database's to give.
with_run_columns!(written! "run_attempts": run_attempt {
    run_id: UUID_ARRAY,
});

// The `id` is the database's to give.
written!("schedule_changes": schedule_change {
    endpoint_id: UUID_ARRAY,
    user_id: TEXT_ARRAY,
    changed_at: TIMESTAMPTZ_ARRAY,
    trigger: TEXT_ARRAY,
    next_at: TIMESTAMPTZ_ARRAY,
    cause: TEXT_ARRAY,
    terms: JSONB_ARRAY,
    hint_id: UUID_ARRAY,
});

read_and_written!("endpoint_state": endpoint_state {
    endpoint_id: UUID_ARRAY,
    anchor_at: TIMESTAMPTZ_ARRAY,
    cursor_at: TIMESTAMPTZ_ARRAY,
    failures: INT8_ARRAY,
    last_planned_at: TIMESTAMPTZ_ARRAY,
    last_ai_start_at: TIMESTAMPTZ_ARRAY,
    last_outcome: TEXT_ARRAY,
    last_ai_planned_at: TIMESTAMPTZ_ARRAY,
    busy_runs: INT8_ARRAY,
    busy_cadences: INT8_ARRAY,
    busy_since: TIMESTAMPTZ_ARRAY,
    room: INT8_ARRAY,
    changed_at: TIMESTAMPTZ_ARRAY,
    slowed_since: TIMESTAMPTZ_ARRAY,
    slowed_until: TIMESTAMPTZ_ARRAY,
    cadence_owed: BOOL_ARRAY,
});

read_and_written!("hints": hint {
    id: UUID_ARRAY,
    endpoint_id: UUID_ARRAY,
    author: TEXT_ARRAY,
    kind: TEXT_ARRAY,
    interval_us: INT8_ARRAY,
    one_shot_at: TIMESTAMPTZ_ARRAY,
    written_at: TIMESTAMPTZ_ARRAY,
    expires_at: TIMESTAMPTZ_ARRAY,
    reason: TEXT_ARRAY,
    plan_id: UUID_ARRAY,
    held: BOOL_ARRAY,
});

read_only!("job_endpoints": job_endpoint {
    id,
    user_id,
    job_id,
    name,
    description,
    method,
    url,
    host,
    headers,
    body,
    cron_expression,
    cron_zone,
    interval_us,
    min_interval_us,
    max_interval_us,
    cooldown_us,
    timeout_us,
    retry_max_attempts,
    retry_base_delay_us,
    retry_max_delay_us,
    overlap,
    max_concurrency,
    max_response_bytes,
    status,
    paused_until_resumed,
    paused_until,
    version,
    created_at,
    updated_at,
});
