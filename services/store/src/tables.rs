//! The columns of the tables that the hot paths read and write, each named once.
//!
//! A line here is a column in every statement of both drivers: in the list of a SELECT, in an INSERT or UPDATE, and in the
//! reading of a row. [`columns`] has what becomes of it on tokio-postgres, [`cells`] on rusqlite.

use std::ops::RangeFrom;

use tokio_postgres::types::Type;

use crate::{
    entity::{endpoint_state, hint, job_endpoint, live_run, run_attempt, run_history, schedule_change},
    mapping::runs::UNSTAMPED,
    postgres::columns::{self, Param, Read, Width, Written, param},
    sqlite::cells::{self, Bound, Fetched},
};

/// A table of the hot paths.
pub trait Table: Sized {
    const TABLE: &'static str;
    const COLUMNS: &'static [&'static str];
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

/// The columns as a list.
pub fn quoted(columns: &[&str]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{column}\"")).collect();
    names.join(", ")
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

        impl Bound for $module::Model {
            fn bind(&self, statement: &mut rusqlite::Statement<'_>) -> rusqlite::Result<()> {
                let mut place = 1..;
                $(cells::bind(statement, &mut place, &self.$column)?;)+
                $(cells::bind(statement, &mut place, &self.$rare)?;)*
                Ok(())
            }
        }

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
            fn read(row: &tokio_postgres::Row) -> Result<Self, tokio_postgres::Error> {
                let mut place = 0..;
                // Fields of a struct are evaluated as they are written.
                Ok(Self {
                    $($column: columns::next(row, &mut place)?,)+
                    $($unread: $value,)?
                })
            }
        }

        impl Fetched for $module::Model {
            fn fetch(row: &rusqlite::Row<'_>, place: &mut RangeFrom<usize>) -> rusqlite::Result<Self> {
                Ok(Self {
                    $($column: cells::next(row, place)?,)+
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
