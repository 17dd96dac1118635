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
    /// The last of the columns, which most rows leave NULL.
    const RARE: &'static [&'static str];

    /// True when all of those are NULL.
    fn is_bare(&self) -> bool;

    /// One array for each of the columns, in their order.
    fn arrays(rows: Vec<Self>, width: Width) -> Vec<Param>;
}

/// Which columns travel. An array of NULLs costs the server as much as one of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// All but the rare ones, which become NULL.
    Bare,
    Full,
}

impl Width {
    fn columns<T: Written>(self) -> &'static [&'static str] {
        match self {
            Self::Bare => &T::COLUMNS[..T::COLUMNS.len() - T::RARE.len()],
            Self::Full => T::COLUMNS,
        }
    }
}

/// Rows by what they need; no empty group.
pub fn by_width<T: Written>(rows: Vec<T>) -> impl Iterator<Item = (Width, Vec<T>)> {
    let (bare, full) = rows.into_iter().partition(T::is_bare);
    let groups = [(Width::Bare, bare), (Width::Full, full)];
    groups.into_iter().filter(|(_, rows): &(_, Vec<T>)| !rows.is_empty())
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
pub fn insert_of<T: Written>(width: Width) -> String {
    let columns = width.columns::<T>();
    format!(
        "INSERT INTO {} ({}) SELECT * FROM {}",
        T::TABLE,
        quoted(columns),
        arrays_of(columns)
    )
}

/// Writes every column of the rows that `key` finds: $1 and on are [`Written::arrays`].
pub fn update_of<T: Written>(key: &str, width: Width) -> String {
    update_and::<T>(key, width, "")
}

/// Like [`update_of`], for runs: the change feed tells of it. Rows that are added are stamped by their default.
pub fn change_of<T: Written>(key: &str, width: Width) -> String {
    update_and::<T>(key, width, ", changed_in = pg_current_xact_id()::text::bigint")
}

fn update_and<T: Written>(key: &str, width: Width, more: &str) -> String {
    let columns = width.columns::<T>();
    let written = columns
        .iter()
        .filter(|column| **column != key)
        .map(|column| format!("\"{column}\" = n.\"{column}\""));
    let emptied = T::COLUMNS[columns.len()..]
        .iter()
        .map(|column| format!("\"{column}\" = NULL"));
    let set: Vec<String> = written.chain(emptied).collect();
    let (table, rows, set) = (T::TABLE, arrays_of(columns), set.join(", "));
    let columns = quoted(columns);
    format!("UPDATE {table} t SET {set}{more} FROM {rows} AS n ({columns}) WHERE t.{key} = n.{key}")
}

/// The columns as a list.
fn quoted(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    names.join(", ")
}

fn arrays_of(columns: &[&str]) -> String {
    let places: Vec<String> = (1..=columns.len()).map(|place| format!("${place}")).collect();
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
    ($table:literal: $module:ident { $($column:ident: $array:ident,)+ } rarely { $($rare:ident: $kind:ident,)* }) => {
        table!($table: $module { $($column,)+ $($rare,)* });

        impl Written for $module::Model {
            const RARE: &'static [&'static str] = &[$(stringify!($rare)),*];

            fn is_bare(&self) -> bool {
                true $(&& self.$rare.is_none())*
            }

            fn arrays(rows: Vec<Self>, width: Width) -> Vec<Param> {
                $(let mut $column = Vec::with_capacity(rows.len());)+
                $(let mut $rare = Vec::new();)*
                for row in rows {
                    $($column.push(row.$column);)+
                    if width == Width::Full {
                        $($rare.push(row.$rare);)*
                    }
                }
                let mut arrays = vec![$(param($column, Type::$array)),+];
                if width == Width::Full {
                    arrays.extend([$(param($rare, Type::$kind)),*]);
                }
                arrays
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
    (
        $table:literal: $module:ident { $($column:ident: $array:ident,)+ } rarely { $($rare:ident: $kind:ident,)* }
        $($unread:ident: $value:expr)?
    ) => {
        written!($table: $module { $($column: $array,)+ } rarely { $($rare: $kind,)* });
        read!($module { $($column,)+ $($rare,)* } $($unread: $value)?);
    };
}

/// The queue, the history and the attempts share these columns; the table's own come first. `changed_in` is no column here:
/// it is the database's to give, and the hot path does not read it.
macro_rules! with_run_columns {
    (
        $form:ident! $table:literal: $module:ident { $($column:ident: $array:ident,)+ }
        rarely { $($rare:ident: $kind:ident,)* } $($unread:ident: $value:expr)?
    ) => {
        $form!($table: $module {
            $($column: $array,)+
            endpoint_id: UUID_ARRAY,
            job_id: UUID_ARRAY,
            user_id: TEXT_ARRAY,
            status: TEXT_ARRAY,
            source: TEXT_ARRAY,
            cause: TEXT_ARRAY,
            planned_at: TIMESTAMPTZ_ARRAY,
            due_at: TIMESTAMPTZ_ARRAY,
            attempt: INT8_ARRAY,
            response_truncated: BOOL_ARRAY,
        } rarely {
            $($rare: $kind,)*
            clamped_from_us: INT8_ARRAY,
            clamped_from_at: TIMESTAMPTZ_ARRAY,
            started_at: TIMESTAMPTZ_ARRAY,
            finished_at: TIMESTAMPTZ_ARRAY,
            duration_us: INT8_ARRAY,
            status_code: INT4_ARRAY,
            error: TEXT_ARRAY,
            response: BYTEA_ARRAY,
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
    trace_parent: TEXT_ARRAY,
} rarely {
    lease_owner: TEXT_ARRAY,
    lease_until: TIMESTAMPTZ_ARRAY,
    one_shot_id: UUID_ARRAY,
    host: TEXT_ARRAY,
} changed_in: UNSTAMPED);

with_run_columns!(written! "run_history": run_history {
    id: UUID_ARRAY,
} rarely {});

// The `id` is the database's to give.
with_run_columns!(written! "run_attempts": run_attempt {
    run_id: UUID_ARRAY,
} rarely {});

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
} rarely {});

read_and_written!("endpoint_state": endpoint_state {
    endpoint_id: UUID_ARRAY,
    anchor_at: TIMESTAMPTZ_ARRAY,
    cursor_at: TIMESTAMPTZ_ARRAY,
    failures: INT8_ARRAY,
    last_planned_at: TIMESTAMPTZ_ARRAY,
    last_outcome: TEXT_ARRAY,
    busy_runs: INT8_ARRAY,
    busy_cadences: INT8_ARRAY,
    room: INT8_ARRAY,
    changed_at: TIMESTAMPTZ_ARRAY,
    cadence_owed: BOOL_ARRAY,
} rarely {
    last_ai_start_at: TIMESTAMPTZ_ARRAY,
    last_ai_planned_at: TIMESTAMPTZ_ARRAY,
    busy_since: TIMESTAMPTZ_ARRAY,
    slowed_since: TIMESTAMPTZ_ARRAY,
    slowed_until: TIMESTAMPTZ_ARRAY,
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
} rarely {});

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
