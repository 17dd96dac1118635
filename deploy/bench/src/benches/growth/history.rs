//! Finished runs of earlier days, made by the server: a partition a day, as the store has them.
//!
//! A partition is filled by itself and attached then, which makes its indexes: of a million rows that takes a fraction of
//! what inserting into them would. Rows are like one that a real run has left, but for ids, times and endpoint.

use std::time::Duration;

use anyhow::Result;
use baton_domain::{
    ids::uuid_floor,
    time::{Clock as _, Timestamp, after, before, from_micros},
};
use baton_runtime::clock::SystemClock;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use crate::server::Database;

/// Bytes that a row takes, with its part of the indexes.
pub const ROW_BYTES: usize = 500;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Finished runs of one day.
const A_DAY: usize = 1_000_000;
/// Partitions that are filled at once.
const AT_ONCE: usize = 2;

/// What rows are made from: a run that an earlier step has left, and the endpoints by turns.
const MOULDS: &str = "
    DROP TABLE IF EXISTS growth_template, growth_endpoints;
    CREATE TABLE growth_template AS SELECT * FROM run_history WHERE status = 'succeeded' LIMIT 1;
    CREATE TABLE growth_endpoints AS
    SELECT ROW_NUMBER() OVER (ORDER BY id) - 1 AS place, id, user_id FROM job_endpoints;
    ANALYZE growth_endpoints";

/// The finished runs that there are. Midnight may pass while they become more.
pub struct History {
    today: Timestamp,
    runs: usize,
}

impl History {
    /// None yet.
    pub fn none() -> Self {
        let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
        Self {
            today: from_micros(SystemClock.now().timestamp_micros() / day * day),
            runs: 0,
        }
    }

    /// Goes on to so many, one day after the other into the past.
    pub async fn grow(&mut self, database: &Database, to: usize) -> Result<()> {
        if to == self.runs {
            return Ok(());
        }
        database.execute(MOULDS).await?;
        let days = self.runs.div_ceil(A_DAY)..to.div_ceil(A_DAY);
        let fill = |day: usize| self.fill(database, day, A_DAY.min(to - day * A_DAY));
        let filled = stream::iter(days.map(fill)).buffer_unordered(AT_ONCE);
        filled.try_collect::<()>().await?;
        self.runs = to;
        Ok(())
    }

    /// A day's partition, counted back from yesterday. In two transactions: what fills the one must not wait for what
    /// attaches another.
    async fn fill(&self, database: &Database, day: usize, rows: usize) -> Result<()> {
        let from = before(self.today, DAY * u32::try_from(day + 1)?);
        database.execute(&table(from, rows)).await?;
        database.execute(&attach(from)).await
    }
}

fn name(from: Timestamp) -> String {
    from.format("run_history_%Y%m%d").to_string()
}

fn table(from: Timestamp, rows: usize) -> String {
    let apart = DAY.as_micros() / rows as u128;
    format!(
        "SET synchronous_commit = off;
         SET work_mem = '256MB';
         CREATE TABLE {name} (LIKE run_history INCLUDING DEFAULTS);
         WITH numbered AS (SELECT n % (SELECT count(*) FROM growth_endpoints) AS place,
                                  '{begins}'::timestamptz + n * {apart}::bigint * INTERVAL '1 microsecond' AS at
                             FROM GENERATE_SERIES(0, {rows} - 1) n)
         INSERT INTO {name} (id, endpoint_id, user_id, status, source, cause, planned_at, due_at, started_at,
                             finished_at, duration_us, attempt, status_code, response, response_truncated)
         SELECT (LPAD(TO_HEX((EXTRACT(EPOCH FROM at) * 1000)::bigint), 12, '0') || '7'
                  || SUBSTR(MD5(RANDOM()::text), 1, 3) || '8' || SUBSTR(MD5(RANDOM()::text), 1, 15))::uuid,
                e.id, e.user_id, t.status, t.source, t.cause, at, at, at + INTERVAL '1 millisecond',
                at + INTERVAL '3 milliseconds', t.duration_us, t.attempt, t.status_code, t.response,
                t.response_truncated
           FROM numbered JOIN growth_endpoints e USING (place), growth_template t
          ORDER BY at",
        name = name(from),
        begins = from.to_rfc3339(),
    )
}

fn attach(from: Timestamp) -> String {
    format!(
        "SET synchronous_commit = off;
         SET maintenance_work_mem = '256MB';
         ALTER TABLE run_history ATTACH PARTITION {} FOR VALUES FROM ('{}') TO ('{}')",
        name(from),
        uuid_floor(from),
        uuid_floor(after(from, DAY)),
    )
}
