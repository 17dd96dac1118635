//! The rows of an endpoint in the queue's order: whether an earlier one waits is met at the first entry, however many wait.

use sea_orm_migration::prelude::*;

use crate::columns::run_all;

const BY_TIME_AND_ID: &[&str] = &[
    "DROP INDEX live_runs_endpoint",
    "CREATE INDEX live_runs_endpoint ON live_runs (endpoint_id, due_at, id)",
];

const BY_TIME: &[&str] = &[
    "DROP INDEX live_runs_endpoint",
    "CREATE INDEX live_runs_endpoint ON live_runs (endpoint_id, due_at)",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_TIME_AND_ID).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_TIME).await
    }
}
