//! Runs counted, in one statement for both databases.

use std::collections::BTreeMap;

use async_trait::async_trait;
use baton_domain::{
    ids::EndpointId,
    ports::{EndpointSummary, Page, Percentiles, RunFilter, RunSummary, StoreResult, SummariesRepo},
    run::{RunStatus, Source},
};
use sea_orm::{FromQueryResult, Value, prelude::Uuid};

use super::{rows_of, runs::Conditions};
use crate::{
    mapping::{duration, number},
    tx::SqlTx,
};

/// The runs of one table; `{late_us}` is the start after the due time.
const ARM: &str = "
    SELECT endpoint_id, source, status, missed_count,
           CASE WHEN status IN ('succeeded', 'failed') THEN duration_us END AS duration_us,
           CASE WHEN status IN ('running', 'succeeded', 'failed') THEN {late_us} END AS late_us
      FROM {table}
     WHERE {conditions}";

/// Whole microseconds.
const LATE_ON_POSTGRES: &str = "CAST(EXTRACT(EPOCH FROM started_at - due_at) * 1000000 AS BIGINT)";

/// Instants are texts such as `2026-03-01T12:00:00.123456+00:00`, the fraction as long as it needs to be. Dates of SQLite
/// have milliseconds only, so the fraction is read apart.
const MICROS_ON_SQLITE: &str = "(CAST(STRFTIME('%s', SUBSTR({at}, 1, 19)) AS INTEGER) * 1000000
           + CASE WHEN SUBSTR({at}, 20, 1) = '.'
                  THEN CAST(SUBSTR(SUBSTR({at}, 21, INSTR(SUBSTR({at}, 21), '+') - 1) || '000000', 1, 6) AS INTEGER)
                  ELSE 0 END)";

/// One row for each source of the first endpoints, as many as the last parameter says. A percentile is the first of the
/// ranked values that enough of them do not exceed.
const SUMMARIES: &str = "
WITH runs AS ({arms}),
ranked AS (
    SELECT endpoint_id, source, status, missed_count, duration_us, late_us,
           ROW_NUMBER() OVER (PARTITION BY endpoint_id, source, duration_us IS NULL ORDER BY duration_us) AS duration_rank,
           COUNT(*) OVER (PARTITION BY endpoint_id, source, duration_us IS NULL) AS durations,
           ROW_NUMBER() OVER (PARTITION BY endpoint_id, source, late_us IS NULL ORDER BY late_us) AS late_rank,
           COUNT(*) OVER (PARTITION BY endpoint_id, source, late_us IS NULL) AS lates
      FROM runs
),
grouped AS (
    SELECT endpoint_id, source,
           CAST(SUM(CASE WHEN status = 'planned' THEN 1 ELSE 0 END) AS BIGINT) AS planned,
           CAST(SUM(CASE WHEN status = 'running' THEN 1 ELSE 0 END) AS BIGINT) AS running,
           CAST(SUM(CASE WHEN status = 'succeeded' THEN 1 ELSE 0 END) AS BIGINT) AS succeeded,
           CAST(SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS BIGINT) AS failed,
           CAST(SUM(CASE WHEN status = 'cancelled' THEN 1 ELSE 0 END) AS BIGINT) AS cancelled,
           CAST(SUM(CASE WHEN status = 'skipped' THEN 1 ELSE 0 END) AS BIGINT) AS skipped,
           CAST(SUM(CASE WHEN status = 'skipped' THEN COALESCE(missed_count, 1) ELSE 0 END) AS BIGINT) AS skipped_times,
           MIN(CASE WHEN duration_rank * 100 >= durations * 50 THEN duration_us END) AS p50_duration,
           MIN(CASE WHEN duration_rank * 100 >= durations * 95 THEN duration_us END) AS p95_duration,
           MIN(CASE WHEN late_rank * 100 >= lates * 50 THEN late_us END) AS p50_late,
           MIN(CASE WHEN late_rank * 100 >= lates * 95 THEN late_us END) AS p95_late
      FROM ranked
     GROUP BY endpoint_id, source
),
placed AS (
    SELECT endpoint_id, source, planned, running, succeeded, failed, cancelled, skipped, skipped_times,
           p50_duration, p95_duration, p50_late, p95_late,
           DENSE_RANK() OVER (ORDER BY endpoint_id) AS place
      FROM grouped
)
SELECT endpoint_id, source, planned, running, succeeded, failed, cancelled, skipped, skipped_times,
       p50_duration, p95_duration, p50_late, p95_late
  FROM placed
 WHERE place <= ${limit}
 ORDER BY endpoint_id";

#[derive(FromQueryResult)]
struct Row {
    endpoint_id: Uuid,
    source: String,
    planned: i64,
    running: i64,
    succeeded: i64,
    failed: i64,
    cancelled: i64,
    skipped: i64,
    skipped_times: i64,
    p50_duration: Option<i64>,
    p95_duration: Option<i64>,
    p50_late: Option<i64>,
    p95_late: Option<i64>,
}

#[async_trait]
impl SummariesRepo for SqlTx {
    async fn summarize_runs(&mut self, filter: &RunFilter, page: Page) -> StoreResult<Vec<EndpointSummary>> {
        let mut conditions = Conditions::of(filter);
        if let Some(after) = page.after {
            conditions.and("endpoint_id > ", after);
        }
        let sql = self.summaries_of(&conditions);
        let mut values = conditions.values;
        values.push(Value::from(i64::try_from(rows_of(page)).unwrap_or(i64::MAX)));
        let mut summaries: Vec<EndpointSummary> = Vec::new();
        for row in self.rows::<Row>(sql, values).await? {
            let endpoint_id = EndpointId(row.endpoint_id);
            if summaries.last().is_none_or(|last| last.endpoint_id != endpoint_id) {
                let sources = Vec::new();
                summaries.push(EndpointSummary { endpoint_id, sources });
            }
            if let Some(last) = summaries.last_mut() {
                last.sources.push(summary_of(row)?);
            }
        }
        for summary in &mut summaries {
            summary.sources.sort_by(|one, other| one.source.cmp(&other.source));
        }
        Ok(summaries)
    }
}

impl SqlTx {
    fn summaries_of(&self, conditions: &Conditions) -> String {
        let late = if self.is_postgres() {
            LATE_ON_POSTGRES.to_owned()
        } else {
            let [started, due] = ["started_at", "due_at"].map(|at| MICROS_ON_SQLITE.replace("{at}", at));
            format!("{started} - {due}")
        };
        let arm = |table: &str, more: &str| {
            ARM.replace("{late_us}", &late)
                .replace("{table}", table)
                .replace("{conditions}", &format!("{}{more}", conditions.text))
        };
        let arms = [arm("live_runs", " AND slot <> 'plan'"), arm("run_history", "")];
        SUMMARIES
            .replace("{arms}", &arms.join(" UNION ALL "))
            .replace("{limit}", &(conditions.values.len() + 1).to_string())
    }
}

fn summary_of(row: Row) -> StoreResult<RunSummary> {
    let counts = [
        (RunStatus::Planned, row.planned),
        (RunStatus::Running, row.running),
        (RunStatus::Succeeded, row.succeeded),
        (RunStatus::Failed, row.failed),
        (RunStatus::Cancelled, row.cancelled),
        (RunStatus::Skipped, row.skipped),
    ];
    let counts: StoreResult<BTreeMap<RunStatus, u64>> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(status, count)| Ok((status, number("a count of runs", count)?)))
        .collect();
    Ok(RunSummary {
        source: Source::parse(&row.source),
        counts: counts?,
        skipped_times: number("runs.missed_count", row.skipped_times)?,
        duration: percentiles(row.p50_duration, row.p95_duration)?,
        lateness: percentiles(row.p50_late, row.p95_late)?,
    })
}

/// A start is never before its due time; clocks that were set back are not told of here.
fn percentiles(p50: Option<i64>, p95: Option<i64>) -> StoreResult<Option<Percentiles>> {
    let (Some(p50), Some(p95)) = (p50, p95) else {
        return Ok(None);
    };
    Ok(Some(Percentiles {
        p50: duration("a percentile", p50.max(0))?,
        p95: duration("a percentile", p95.max(0))?,
    }))
}
