//! Plain ends (see [`Schedule::ends_plainly`]), a batch in one statement that loads nothing. Called by `finish`, which has the
//! rest.
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
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{
    columns::param,
    schedules::LOCK,
    session::{Step, Work},
};
use crate::{
    entity::run_history,
    error::postgres_error,
    hot::{ENDS_PLAINLY, FREED, PlainEnds, plain_of, plainly},
    tables::{Table as _, quoted},
};

/// Ends at $1 or, when that is NULL, by the database's clock, of the runs $2 of the endpoints $3, which are locked, with the
/// fences $4 and what their calls came to. What is no plain end is left alone. Returns the ids of those that are over.
///
/// `IS NOT DISTINCT FROM` fits no index: an endpoint may have many rows, and by them PostgreSQL would look.
pub static END: LazyLock<String> = LazyLock::new(|| {
    let columns = run_history::Model::COLUMNS;
    let ended: Vec<String> = columns
        .iter()
        .map(|column| format!("{} AS \"{column}\"", plainly(column)))
        .collect();
    END_OF
        .replace("{plain}", &ENDS_PLAINLY)
        .replace("{freed}", FREED)
        .replace("{ended}", &ended.join(", "))
        .replace("{columns}", &quoted(columns))
});

const END_OF: &str = "
WITH gone AS (
    DELETE FROM live_runs r
     USING (SELECT n.*, clock.now AS finished_at
              FROM (SELECT COALESCE($1::timestamptz, CLOCK_TIMESTAMP()) AS now) clock,
                   UNNEST($2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::integer[], $7::bytea[], $8::boolean[])
                       AS n (id, endpoint_id, fence, duration_us, status_code, response, response_truncated)) n,
           endpoint_state s
     WHERE r.id = n.id
       AND r.endpoint_id IS NOT DISTINCT FROM n.endpoint_id
       AND r.fence = n.fence
       AND {plain}
 RETURNING {ended}, s.ctid AS place
), freed AS (
    UPDATE endpoint_state s
       SET {freed}
      FROM gone
     WHERE s.ctid = gone.place
       AND s.endpoint_id IS NOT DISTINCT FROM gone.endpoint_id
)
INSERT INTO run_history ({columns})
SELECT {columns}
  FROM gone
RETURNING id";

/// Records what of the batch is a plain end, and leaves all of its endpoints locked.
pub(super) async fn end_plainly(
    work: &Work,
    reports: &[FinishedRun],
    now: Option<Timestamp>,
) -> StoreResult<PlainEnds> {
    let plain = plain_of(reports);
    if plain.is_empty() {
        return Ok(PlainEnds::default());
    }
    let endpoints: Vec<Uuid> = reports.iter().map(|report| report.endpoint_id.0).collect();
    // A statement of its own: what it waited for is in the next one's snapshot.
    let lock = Step::new(
        format!("SELECT 1 FROM endpoint_state {LOCK}"),
        vec![param(endpoints, Type::UUID_ARRAY)],
    );
    let answers = work.all(vec![lock, end(&plain, now)]).await?;
    let ended = answers.iter().skip(1).flatten();
    let ended: Result<PlainEnds, _> = ended.map(|row| row.try_get(0).map(RunId)).collect();
    ended.map_err(|error| postgres_error(&error))
}

fn end(reports: &[&FinishedRun], now: Option<Timestamp>) -> Step {
    let (mut ids, mut endpoints) = (Vec::with_capacity(reports.len()), Vec::with_capacity(reports.len()));
    let (mut fences, mut durations, mut codes) = (vec![], vec![], vec![]);
    let (mut responses, mut truncated) = (vec![], vec![]);
    for report in reports {
        let outcome = &report.outcome;
        ids.push(report.run_id.0);
        endpoints.push(report.endpoint_id.0);
        fences.push(report.fence);
        durations.push(micros(outcome.duration));
        codes.push(outcome.status_code.map(i32::from));
        responses.push((!outcome.response.is_empty()).then(|| outcome.response.clone()));
        truncated.push(outcome.truncated);
    }
    let params = vec![
        param(now, Type::TIMESTAMPTZ),
        param(ids, Type::UUID_ARRAY),
        param(endpoints, Type::UUID_ARRAY),
        param(fences, Type::INT8_ARRAY),
        param(durations, Type::INT8_ARRAY),
        param(codes, Type::INT4_ARRAY),
        param(responses, Type::BYTEA_ARRAY),
        param(truncated, Type::BOOL_ARRAY),
    ];
    Step::new(END.as_str(), params)
}
