//! Two databases row by row: what two ways of doing the same thing leave behind.

use sea_orm::{ConnectionTrait as _, Statement};

use crate::databases::{Folder, OwnDatabase};

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

/// The same tables in a file.
const TABLES: [&str; 9] = [
    "live_runs",
    "run_history",
    "run_attempts",
    "schedule_changes",
    "endpoint_state",
    "hints",
    "job_planning",
    "request_keys",
    "job_endpoints",
];

/// The same as [`dump`]: as each value is stored, with its type.
pub async fn dump_file(folder: &Folder) -> Vec<String> {
    let db = sea_orm::Database::connect(format!("sqlite:{}", folder.file().display())).await;
    let db = db.expect("the file can be read");
    let texts = async |sql: String| -> Vec<String> {
        let rows = db
            .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
            .await;
        let rows = rows.expect("the tables can be read");
        let texts = rows.iter().map(|row| row.try_get("", "text").expect("a row is text"));
        texts.collect()
    };
    let mut dump = Vec::new();
    for table in TABLES {
        let names = texts(format!(
            "SELECT name AS text
               FROM pragma_table_info('{table}')
              WHERE name <> 'changed_in'
                AND NOT (name = 'id' AND type LIKE 'integer%')"
        ));
        let value = |name: &String| match name.as_str() {
            "id" => "' id: ' || CASE WHEN hex(id) LIKE '01%' THEN substr(hex(id), 1, 28) ELSE hex(id) END".to_owned(),
            name => format!("' {name}: ' || quote(\"{name}\")"),
        };
        let values: Vec<String> = names.await.iter().map(value).collect();
        dump.extend(
            texts(format!(
                "SELECT '{table}' || {} AS text FROM {table}",
                values.join(" || ")
            ))
            .await,
        );
    }
    dump.sort();
    dump
}

pub async fn assert_identical_rows(left: &OwnDatabase, right: &OwnDatabase) {
    assert_identical(&dump(left).await, &dump(right).await);
}

pub fn assert_identical(left: &[String], right: &[String]) {
    for (left, right) in left.iter().zip(right) {
        assert_eq!(left, right);
    }
    assert_eq!(left.len(), right.len());
}
