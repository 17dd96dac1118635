//! The history in partitions by planned day on PostgreSQL, and the indexes that retention reads.
//!
//! A run's id begins with its planned time, so a range of ids is a range of planned times and the key stays the id alone.
//! This step makes the parent and a partition for whatever no other covers; the store makes one a day ahead of time and
//! drops those that retention has passed. SQLite keeps its table: it prunes rows instead.

use sea_orm_migration::prelude::*;

use crate::columns::{run_all, tune_postgres};

/// In one transaction: nobody sees a history without its rows.
const PARTITIONED: &[&str] = &[
    "ALTER TABLE run_history RENAME TO run_history_whole",
    "CREATE TABLE run_history (LIKE run_history_whole INCLUDING DEFAULTS) PARTITION BY RANGE (id)",
    "CREATE TABLE run_history_rest PARTITION OF run_history DEFAULT",
    "INSERT INTO run_history SELECT * FROM run_history_whole",
    "DROP TABLE run_history_whole",
];

const WHOLE: &[&str] = &[
    "ALTER TABLE run_history RENAME TO run_history_parts",
    "CREATE TABLE run_history (LIKE run_history_parts INCLUDING DEFAULTS)",
    "INSERT INTO run_history SELECT * FROM run_history_parts",
    "DROP TABLE run_history_parts",
];

/// As step 3 made them; the parent's are those of every partition.
const HISTORY_INDEXES: &[&str] = &[
    "ALTER TABLE run_history ADD CONSTRAINT run_history_pkey PRIMARY KEY (id)",
    "CREATE INDEX run_history_user ON run_history (user_id, id)",
    "CREATE INDEX run_history_endpoint ON run_history (endpoint_id, id)",
    "CREATE INDEX run_history_started ON run_history (endpoint_id, started_at) WHERE started_at IS NOT NULL",
    "CREATE INDEX run_history_job ON run_history (job_id, id)",
    "CREATE INDEX run_history_plan ON run_history (plan_id, id) WHERE plan_id IS NOT NULL",
];

const RETENTION_INDEXES: &[&str] = &[
    "CREATE INDEX schedule_changes_age ON schedule_changes (changed_at)",
    "CREATE INDEX plans_ended ON plans (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX signal_changes_age ON signal_changes (changed_at)",
];

const NO_RETENTION_INDEXES: &[&str] = &[
    "DROP INDEX signal_changes_age",
    "DROP INDEX plans_ended",
    "DROP INDEX schedule_changes_age",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tune_postgres(manager, PARTITIONED).await?;
        tune_postgres(manager, HISTORY_INDEXES).await?;
        run_all(manager, RETENTION_INDEXES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, NO_RETENTION_INDEXES).await?;
        tune_postgres(manager, WHOLE).await?;
        tune_postgres(manager, HISTORY_INDEXES).await
    }
}
