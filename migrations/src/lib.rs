//! The schema of Baton's database, as steps up and down that run on SQLite and on PostgreSQL alike.
//!
//! The binary `baton-migrations` runs them by hand; the store applies them to its SQLite file at start and asks
//! [`schema_state`] before it serves from PostgreSQL. One file a topic; a released file never changes, a new one follows.
//! Knows nothing of entities: those describe what the last step left behind.

use sea_orm_migration::{
    SchemaManager,
    prelude::{DbErr, MigrationTrait, MigratorTrait, async_trait},
    sea_orm::{
        ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, FromQueryResult, Statement,
        TransactionTrait as _,
    },
};

mod columns;
mod m0001_jobs;
mod m0002_endpoints;
mod m0003_runs;
mod m0004_flash_sales;
mod m0005_plans;
mod m0006_records;
mod m0007_history_partitions;
mod m0008_due_order;
mod m0009_lanes;
mod m0010_ledger;
mod m0011_overlap;
mod m0012_changes;
mod m0013_tokens;
mod m0014_planner_modes;
mod m0015_job_history;
mod m0016_endpoint_order;
mod m0017_runs_by_id;
mod m0018_due_only;

/// Every step, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_jobs::Migration),
            Box::new(m0002_endpoints::Migration),
            Box::new(m0003_runs::Migration),
            Box::new(m0004_flash_sales::Migration),
            Box::new(m0005_plans::Migration),
            Box::new(m0006_records::Migration),
            Box::new(m0007_history_partitions::Migration),
            Box::new(m0008_due_order::Migration),
            Box::new(m0009_lanes::Migration),
            Box::new(m0010_ledger::Migration),
            Box::new(m0011_overlap::Migration),
            Box::new(m0012_changes::Migration),
            Box::new(m0013_tokens::Migration),
            Box::new(m0014_planner_modes::Migration),
            Box::new(m0015_job_history::Migration),
            Box::new(m0016_endpoint_order::Migration),
            Box::new(m0017_runs_by_id::Migration),
            Box::new(m0018_due_only::Migration),
        ]
    }
}

/// Names of all steps, oldest first.
pub fn steps() -> Vec<String> {
    let steps = Migrator::migrations();
    steps.iter().map(|step| step.name().to_owned()).collect()
}

/// How a database's schema relates to the one this program was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaState {
    /// Exactly this program's schema.
    Current,
    /// These steps are still to be applied, oldest first.
    Behind(Vec<String>),
    /// These steps were applied by a program that knows more, or something else.
    Unknown(Vec<String>),
    /// Tables of Baton's names that no migration of Baton made.
    Foreign,
}

/// Compares the database with [`Migrator`]; writes nothing.
pub async fn schema_state(db: &DatabaseConnection) -> Result<SchemaState, DbErr> {
    let applied = applied(db).await?;
    if applied.is_empty() && SchemaManager::new(db).has_table("jobs").await? {
        return Ok(SchemaState::Foreign);
    }
    let known = steps();
    let unknown: Vec<String> = applied.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !unknown.is_empty() {
        return Ok(SchemaState::Unknown(unknown));
    }
    let pending: Vec<String> = known.into_iter().filter(|name| !applied.contains(name)).collect();
    Ok(if pending.is_empty() {
        SchemaState::Current
    } else {
        SchemaState::Behind(pending)
    })
}

/// Applies what is pending. On PostgreSQL one program at a time: others wait and then find nothing to do.
pub async fn migrate_up(db: &DatabaseConnection) -> Result<(), DbErr> {
    let turn = take_turn(db).await?;
    Migrator::up(db, None).await?;
    match turn {
        Some(turn) => turn.commit().await,
        None => Ok(()),
    }
}

/// On PostgreSQL a transaction of its own that holds the lock of all who migrate this database, until it ends.
async fn take_turn(db: &DatabaseConnection) -> Result<Option<DatabaseTransaction>, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let turn = db.begin().await?;
    turn.execute_unprepared("SELECT pg_advisory_xact_lock(hashtext('baton-migrations'))")
        .await?;
    Ok(Some(turn))
}

/// Takes back the last `steps` steps with all their data, or every step.
pub async fn migrate_down(db: &DatabaseConnection, steps: Option<u32>) -> Result<(), DbErr> {
    Migrator::down(db, steps).await
}

/// Names of the steps that were applied, oldest first; none when there is no record of any.
async fn applied(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    #[derive(FromQueryResult)]
    struct Applied {
        version: String,
    }
    if !SchemaManager::new(db).has_table("seaql_migrations").await? {
        return Ok(Vec::new());
    }
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), sql))
        .await?;
    rows.iter()
        .map(|row| Applied::from_query_result(row, "").map(|row| row.version))
        .collect()
}
