//! A finished run on its way from the queue to the history: one statement for a batch, called by `finish`.
//!
//! Only what the end decides is sent; everything else moves as it stands in the queue.

use baton_domain::{run::Run, time::micros};
use tokio_postgres::types::Type;

use super::{columns::param, session::Step};
use crate::{
    entity::run_history,
    tables::{Table as _, quoted},
};

/// What the end of a run decides, each with the type of its array.
const DECIDED: [(&str, &str); 9] = [
    ("status", "text"),
    ("finished_at", "timestamptz"),
    ("duration_us", "int8"),
    ("attempt", "int8"),
    ("status_code", "int4"),
    ("error", "text"),
    ("response", "bytea"),
    ("response_truncated", "bool"),
    ("reason", "text"),
];

/// Moves the rows of these runs, whose endpoints are locked.
pub(super) fn move_to_history(runs: Vec<Run>) -> Step {
    let mut ids = Vec::with_capacity(runs.len());
    let (mut statuses, mut ends, mut durations, mut attempts) = (vec![], vec![], vec![], vec![]);
    let (mut codes, mut errors, mut responses, mut cut, mut reasons) = (vec![], vec![], vec![], vec![], vec![]);
    for run in runs {
        ids.push(run.id.0);
        statuses.push(run.status.as_str());
        ends.push(run.finished_at);
        durations.push(run.duration.map(micros));
        attempts.push(i64::from(run.attempt));
        codes.push(run.status_code.map(i32::from));
        errors.push(run.error);
        responses.push((!run.response.is_empty()).then_some(run.response));
        cut.push(run.response_truncated);
        reasons.push(run.reason);
    }
    let params = vec![
        param(ids, Type::UUID_ARRAY),
        param(statuses, Type::TEXT_ARRAY),
        param(ends, Type::TIMESTAMPTZ_ARRAY),
        param(durations, Type::INT8_ARRAY),
        param(attempts, Type::INT8_ARRAY),
        param(codes, Type::INT4_ARRAY),
        param(errors, Type::TEXT_ARRAY),
        param(responses, Type::BYTEA_ARRAY),
        param(cut, Type::BOOL_ARRAY),
        param(reasons, Type::TEXT_ARRAY),
    ];
    Step::new(statement(), params)
}

/// $1 are the ids, $2 and on what the ends decide.
fn statement() -> String {
    let decided = |column: &str| DECIDED.iter().any(|(name, _)| *name == column);
    let columns = run_history::Model::COLUMNS;
    let returned: Vec<String> = columns
        .iter()
        .map(|column| format!("{}.\"{column}\"", if decided(column) { "n" } else { "r" }))
        .collect();
    let names: Vec<&str> = DECIDED.iter().map(|(name, _)| *name).collect();
    let arrays: Vec<String> = (2..)
        .zip(DECIDED)
        .map(|(place, (_, kind))| format!("${place}::{kind}[]"))
        .collect();
    let (returned, quoted) = (returned.join(", "), quoted(columns));
    format!(
        "WITH gone AS (
            DELETE FROM live_runs r
             USING UNNEST($1::uuid[], {}) AS n (id, {})
             WHERE r.id = n.id
         RETURNING {returned}
         )
         INSERT INTO {} ({quoted}) SELECT * FROM gone",
        arrays.join(", "),
        names.join(", "),
        run_history::Model::TABLE,
    )
}
