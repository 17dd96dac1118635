//! Plain ends (see [`Schedule::ends_plainly`]), without loading what they do not touch. Called by the queue before it loads
//! the rest.
//!
//! The domain's transition stays the one that counts: a test ends the same runs both ways and compares all that is left behind.
//!
//! [`Schedule::ends_plainly`]: baton_domain::schedule::Schedule::ends_plainly

use std::sync::LazyLock;

use baton_domain::{
    ids::RunId,
    ports::StoreResult,
    schedule::FinishedRun,
    time::{Timestamp, micros},
};
use rusqlite::{Statement, params};

use super::{
    cells::Cell as _,
    schedules::{DELETE_LIVE, Numbered, prepared},
};
use crate::{
    entity::run_history,
    error::rusqlite_error,
    hot::{ENDS_PLAINLY, FREED, PlainEnds, plain_of, plainly},
    tables::{Table as _, quoted},
};

/// Copies the run ?1 of the endpoint ?9 with the fence ?2 to the history, over at ?3, with what its call came to, by the
/// transaction ?8, if that is a plain end.
static RECORD: LazyLock<String> = LazyLock::new(|| {
    let columns = run_history::Model::COLUMNS;
    let ended: Vec<String> = columns.iter().map(|column| plainly(column)).collect();
    format!(
        "INSERT OR FAIL INTO run_history ({}, changed_in)
         SELECT {}, ?8
           FROM live_runs r, endpoint_state s,
                (SELECT ?3 AS finished_at, ?4 AS duration_us, ?5 AS status_code, ?6 AS response,
                        ?7 AS response_truncated) n
          WHERE r.id = ?1
            AND r.endpoint_id = ?9
            AND r.fence = ?2
            AND {}",
        quoted(columns),
        ended.join(", "),
        *ENDS_PLAINLY,
    )
});

static FREE: LazyLock<String> =
    LazyLock::new(|| format!("UPDATE OR FAIL endpoint_state SET {FREED} WHERE endpoint_id = ?1"));

/// Records what of the batch is a plain end.
pub(super) fn end_plainly(
    numbered: &mut Numbered<'_, '_>,
    reports: &[FinishedRun],
    now: Timestamp,
) -> StoreResult<PlainEnds> {
    let plain = plain_of(reports);
    if plain.is_empty() {
        return Ok(PlainEnds::default());
    }
    let (number, tx) = (numbered.number()?, numbered.tx);
    let (mut record, mut free, mut delete) = (prepared(tx, &RECORD)?, prepared(tx, &FREE)?, prepared(tx, DELETE_LIVE)?);
    let mut end = |report: &FinishedRun| -> rusqlite::Result<Option<RunId>> {
        if recorded(&mut record, report, now, number)? == 0 {
            return Ok(None);
        }
        free.execute([report.endpoint_id.0])?;
        delete.execute([report.run_id.0])?;
        Ok(Some(report.run_id))
    };
    let ended: rusqlite::Result<PlainEnds> = plain.into_iter().filter_map(|report| end(report).transpose()).collect();
    ended.map_err(|error| rusqlite_error(&error))
}

fn recorded(record: &mut Statement<'_>, report: &FinishedRun, now: Timestamp, number: i64) -> rusqlite::Result<usize> {
    let outcome = &report.outcome;
    record.execute(params![
        report.run_id.0,
        report.fence,
        now.stored()?,
        micros(outcome.duration),
        outcome.status_code.map(i32::from),
        (!outcome.response.is_empty()).then_some(&outcome.response),
        outcome.truncated,
        number,
        report.endpoint_id.0,
    ])
}
