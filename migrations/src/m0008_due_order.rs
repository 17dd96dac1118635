//! The index of what is due, in the very order in which claims take it.
//!
//! Many rows come due at the same instant (every cron of the full hour). An index on the time alone would have a claim
//! read and sort all of them to take the first hundred.

use sea_orm_migration::prelude::*;

use crate::columns::run_all;

const IN_ORDER: &[&str] = &[
    "DROP INDEX live_runs_due",
    "CREATE INDEX live_runs_due ON live_runs (due_at, id) WHERE status = 'planned'",
];

const BY_TIME: &[&str] = &[
    "DROP INDEX live_runs_due",
    "CREATE INDEX live_runs_due ON live_runs (due_at) WHERE status = 'planned'",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, IN_ORDER).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_TIME).await
    }
}
