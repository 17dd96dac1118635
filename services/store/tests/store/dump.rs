//! Two databases row by row: what two ways of doing the same thing leave behind.

use sea_orm::{ConnectionTrait as _, Statement};

use crate::databases::OwnDatabase;

/// Everything that a run touches. Numbers that the database gives are left out, and so are the last digits of ids that
/// were minted on the way: they say in which order.
const ROWS: &str = r#"
    SELECT regexp_replace(row, '("id": "01[0-9a-f-]{30})[0-9a-f]{4}', '\1', 'g') AS row
      FROM (SELECT 'live_runs ' || (to_jsonb(r) - 'changed_in')::text AS row FROM live_runs r
            UNION ALL SELECT 'run_history ' || (to_jsonb(r) - 'changed_in')::text FROM run_history r
            UNION ALL SELECT 'run_attempts ' || (to_jsonb(r) - 'id')::text FROM run_attempts r
            UNION ALL SELECT 'schedule_changes ' || (to_jsonb(c) - 'id')::text FROM schedule_changes c
            UNION ALL SELECT 'endpoint_state ' || to_jsonb(s)::text FROM endpoint_state s
            UNION ALL SELECT 'hints ' || to_jsonb(h)::text FROM hints h
            UNION ALL SELECT 'job_planning ' || to_jsonb(p)::text FROM job_planning p
            UNION ALL SELECT 'request_keys ' || to_jsonb(k)::text FROM request_keys k
            UNION ALL SELECT 'job_endpoints ' || to_jsonb(e)::text FROM job_endpoints e) everything
     ORDER BY 1"#;

pub async fn dump(database: &OwnDatabase) -> Vec<String> {
    let db = database.connect().await;
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), ROWS))
        .await;
    rows.expect("the tables can be read")
        .iter()
        .map(|row| row.try_get("", "row").expect("a row is text"))
        .collect()
}

pub async fn assert_identical_rows(left: &OwnDatabase, right: &OwnDatabase) {
    let (left, right) = (dump(left).await, dump(right).await);
    for (left, right) in left.iter().zip(&right) {
        assert_eq!(left, right);
    }
    assert_eq!(left.len(), right.len());
}
