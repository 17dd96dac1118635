//! The history of a job, without the runs that have none: they are never looked for by it, and each would cost an entry.

use sea_orm_migration::prelude::*;

use crate::columns::run_all;

const OF_JOBS: &[&str] = &[
    "DROP INDEX run_history_job",
    "CREATE INDEX run_history_job ON run_history (job_id, id) WHERE job_id IS NOT NULL",
];

const OF_ALL: &[&str] = &[
    "DROP INDEX run_history_job",
    "CREATE INDEX run_history_job ON run_history (job_id, id)",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, OF_JOBS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, OF_ALL).await
    }
}
