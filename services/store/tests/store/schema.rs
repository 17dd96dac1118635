//! The migrations, up and down, and what the schema promises. Here because the databases for tests are.

use baton_migrations::{SchemaState, migrate_down, migrate_up, schema_state, steps};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};

use crate::databases::{Folder, OwnDatabase};

const TABLES: [&str; 19] = [
    "api_tokens",
    "change_marks",
    "denials",
    "endpoint_state",
    "flash_sale_jobs",
    "flash_sales",
    "hints",
    "job_endpoints",
    "job_planning",
    "jobs",
    "live_runs",
    "plan_hints",
    "plan_steps",
    "plans",
    "request_keys",
    "run_attempts",
    "run_history",
    "schedule_changes",
    "signal_changes",
];

async fn names(db: &DatabaseConnection, query: &str) -> Vec<String> {
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), query))
        .await;
    rows.expect("the catalogue can be read")
        .iter()
        .map(|row| row.try_get("", "name").expect("a name"))
        .collect()
}

/// Up, down, up: each leaves exactly what it should.
async fn there_and_back(db: &DatabaseConnection, tables: &str) {
    assert!(matches!(schema_state(db).await.unwrap(), SchemaState::Behind(pending) if pending == steps()));
    for _ in 0..2 {
        migrate_up(db).await.expect("up");
        assert_eq!(schema_state(db).await.unwrap(), SchemaState::Current);
        assert_eq!(names(db, tables).await, TABLES);
        migrate_down(db, Some(1)).await.expect("one down");
        let SchemaState::Behind(pending) = schema_state(db).await.unwrap() else {
            panic!("one step is pending")
        };
        assert_eq!(pending, steps()[steps().len() - 1..]);
        migrate_down(db, None).await.expect("all down");
        assert!(names(db, tables).await.is_empty());
    }
}

#[tokio::test]
async fn sqlite_goes_up_and_down() {
    let folder = Folder::new();
    let db = Database::connect(format!("sqlite://{}?mode=rwc", folder.file().display()))
        .await
        .unwrap();
    let tables = "SELECT name FROM sqlite_master
                   WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations'
                   ORDER BY name";
    there_and_back(&db, tables).await;

    migrate_up(&db).await.unwrap();
    let job_id = "SELECT name FROM pragma_table_info('job_endpoints') WHERE name = 'job_id' AND \"notnull\" = 0";
    assert_eq!(names(&db, job_id).await, ["job_id"], "job_id is nullable");
    let cascade = "SELECT \"table\" AS name FROM pragma_foreign_key_list('job_endpoints') WHERE on_delete = 'CASCADE'";
    assert_eq!(names(&db, cascade).await, ["jobs"], "endpoints go with their job");
    let foreign = "SELECT DISTINCT m.name FROM sqlite_master m, pragma_foreign_key_list(m.name) k
                    WHERE m.type = 'table' AND k.on_delete = 'CASCADE' ORDER BY m.name";
    assert_eq!(names(&db, foreign).await, CHILDREN);
    let all = "SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c
                WHERE c.name IN ('tier', 'depends_on', 'dependencies')";
    assert!(names(&db, all).await.is_empty());
}

#[tokio::test]
async fn postgres_goes_up_and_down() {
    let database = OwnDatabase::empty().await;
    let db = Database::connect(database.url()).await.unwrap();
    let tables = "SELECT tablename::text AS name FROM pg_tables
                   WHERE schemaname = 'public' AND tablename NOT IN ('seaql_migrations', 'run_history_rest')
                   ORDER BY tablename";
    there_and_back(&db, tables).await;

    migrate_up(&db).await.unwrap();
    let job_id = "SELECT column_name::text AS name FROM information_schema.columns
                   WHERE table_name = 'job_endpoints' AND column_name = 'job_id' AND is_nullable = 'YES'";
    assert_eq!(names(&db, job_id).await, ["job_id"], "job_id is nullable");
    let foreign = "SELECT DISTINCT conrelid::regclass::text AS name FROM pg_constraint
                    WHERE contype = 'f' AND confdeltype = 'c' ORDER BY name";
    assert_eq!(names(&db, foreign).await, CHILDREN);
    let not_cascading = "SELECT conname::text AS name FROM pg_constraint WHERE contype = 'f' AND confdeltype <> 'c'";
    assert!(names(&db, not_cascading).await.is_empty());
    let tuned =
        "SELECT relname::text AS name FROM pg_class WHERE reloptions::text LIKE '%fillfactor%' ORDER BY relname";
    assert_eq!(names(&db, tuned).await, ["endpoint_state", "live_runs"]);
    let all = "SELECT column_name::text AS name FROM information_schema.columns
                WHERE table_schema = 'public' AND column_name IN ('tier', 'depends_on', 'dependencies')";
    assert!(names(&db, all).await.is_empty());
}

/// The steps take several statements each: whoever comes second waits, and then finds nothing to do.
#[tokio::test]
async fn two_may_migrate_at_once() {
    let database = OwnDatabase::empty().await;
    let [one, two] = [
        Database::connect(database.url()).await.unwrap(),
        Database::connect(database.url()).await.unwrap(),
    ];
    let (first, second) = tokio::join!(migrate_up(&one), migrate_up(&two));
    first.expect("one of them migrates");
    second.expect("the other one waits");
    assert_eq!(schema_state(&one).await.unwrap(), SchemaState::Current);
}

/// What the history was before its partitions is kept through them and back.
#[tokio::test]
async fn the_history_survives_its_partitions() {
    let database = OwnDatabase::migrated().await;
    let db = Database::connect(database.url()).await.unwrap();
    let insert =
        "INSERT INTO run_history (id, endpoint_id, user_id, status, source, cause, planned_at, due_at, attempt,
                                           response_truncated)
                  VALUES ('01900000-0000-7000-8000-000000000000', '01900000-0000-7000-8000-000000000000', 'ada',
                          'succeeded', 'manual', 'manual', NOW(), NOW(), 1, FALSE)";
    db.execute_unprepared(insert).await.unwrap();
    let ids = "SELECT id::text AS name FROM run_history";
    let kept = names(&db, ids).await;
    assert_eq!(kept.len(), 1);
    let since = steps()
        .iter()
        .skip_while(|step| *step != "m0007_history_partitions")
        .count();
    let since = u32::try_from(since).unwrap();
    let whole = "SELECT relkind::text AS name FROM pg_class WHERE relname = 'run_history'";
    for kind in ["r", "p"] {
        match kind {
            "r" => migrate_down(&db, Some(since)).await.unwrap(),
            _ => migrate_up(&db).await.unwrap(),
        }
        assert_eq!(names(&db, whole).await, [kind]);
        assert_eq!(names(&db, ids).await, kept);
    }
}

/// Tables whose rows go with what they belong to. History, plans and schedule changes stay.
const CHILDREN: [&str; 7] = [
    "endpoint_state",
    "flash_sale_jobs",
    "hints",
    "job_endpoints",
    "job_planning",
    "live_runs",
    "signal_changes",
];
