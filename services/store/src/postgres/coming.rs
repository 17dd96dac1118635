//! What comes due next, without taking it.

use std::{sync::LazyLock, time::Duration};

use baton_domain::{ports::StoreResult, services::NextDue, time::Timestamp};
use tokio_postgres::{Row, types::FromSql};

use crate::{error::postgres_error, tx::unexpected};

/// One row: how many microseconds until the earliest waiting row that nothing blocks comes due, or a lease ends, after $1
/// or, when that is NULL, the database's clock. NULL when nothing will. And, when that is due already, until the earliest
/// after $2, the time of the claim, or that same time: what came due meanwhile is not what the claim passed over. Waiting
/// rows are looked for from $3 on, leases from $4 on, or all when those are NULL (see `floor`). With `per_host`, rows of
/// hosts to which $5 calls are in flight do not count.
pub fn next_due(per_host: bool) -> &'static str {
    static ALONE: LazyLock<String> = LazyLock::new(|| next_due_of(false));
    static WITHIN_HOSTS: LazyLock<String> = LazyLock::new(|| next_due_of(true));
    if per_host { &WITHIN_HOSTS } else { &ALONE }
}

fn next_due_of(per_host: bool) -> String {
    let full = "AND (SELECT e.host FROM job_endpoints e WHERE e.id = r.endpoint_id) NOT IN (
                    SELECT c.host
                      FROM live_runs c
                     WHERE c.status = 'running'
                       AND c.host IS NOT NULL
                     GROUP BY c.host
                    HAVING COUNT(*) >= $5::bigint)";
    let earliest = |due: &str, lease: &str| EARLIEST.replace("{due}", due).replace("{lease}", lease);
    let next = earliest(
        "AND r.due_at >= COALESCE($3::timestamptz, '-infinity')",
        "AND lease_until >= COALESCE($4::timestamptz, '-infinity')",
    );
    let later = earliest(
        "AND r.due_at > clock.claimed_at",
        "AND lease_until > GREATEST(clock.claimed_at, $4::timestamptz)",
    );
    NEXT_DUE
        .replace("{next}", &next)
        .replace("{later}", &later)
        .replace("{full}", if per_host { full } else { "" })
}

/// When the first row that nothing blocks comes due, or the first lease ends.
const EARLIEST: &str = "LEAST(
           (SELECT r.due_at
              FROM live_runs r
              JOIN endpoint_state s ON s.endpoint_id = r.endpoint_id
             WHERE r.status = 'planned'
               {due}
               AND (r.fence > 0 OR s.busy_runs < s.room)
               {full}
             ORDER BY r.due_at NULLS FIRST
             LIMIT 1),
           (SELECT lease_until
              FROM live_runs
             WHERE status = 'running'
               {lease}
             ORDER BY lease_until
             LIMIT 1))";

const NEXT_DUE: &str = "
WITH clock AS MATERIALIZED (
    SELECT clock.now, COALESCE($2::timestamptz, clock.now) AS claimed_at
      FROM (SELECT COALESCE($1::timestamptz, CLOCK_TIMESTAMP()) AS now) clock
), next AS MATERIALIZED (
    SELECT {next} AS at
), later AS MATERIALIZED (
    SELECT {later} AS at
      FROM clock, next
     WHERE next.at <= clock.now
)
SELECT next.at AS next_at,
       CAST(CEIL(EXTRACT(EPOCH FROM next.at - clock.now) * 1000000) AS BIGINT) AS next_due_us,
       CAST(CEIL(EXTRACT(EPOCH FROM later.at - clock.now) * 1000000) AS BIGINT) AS later_due_us
  FROM clock
 CROSS JOIN next
  LEFT JOIN later ON TRUE";

/// Reads the row of [`next_due`]. Nobody waits longer than `good`, and then not for what comes due.
pub(super) fn next_of(rows: &[Row], good: Option<Duration>) -> StoreResult<NextDue> {
    let next = due_in(rows, "next_due_us")?;
    let wait = next.into_iter().chain(good).min();
    let at: Option<Timestamp> = read(rows, "next_at")?;
    Ok(NextDue {
        wait,
        at: at.filter(|_| next == wait),
        later: due_in(rows, "later_due_us")?,
    })
}

fn read<T: for<'a> FromSql<'a>>(rows: &[Row], column: &str) -> StoreResult<Option<T>> {
    let row = rows.first().ok_or_else(|| unexpected("one row says what comes next"))?;
    row.try_get(column).map_err(|error| postgres_error(&error))
}

fn due_in(rows: &[Row], column: &str) -> StoreResult<Option<Duration>> {
    let wait: Option<i64> = read(rows, column)?;
    Ok(wait.map(|wait| Duration::from_micros(u64::try_from(wait).unwrap_or_default())))
}
