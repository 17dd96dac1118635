//! The index of what comes due next is in nobody else's order.
//!
//! A lane's first row is in an index of its own. But where one user has all that waits, the other lanes look to PostgreSQL as
//! full as that one, and any index in the same order as good: it walked the whole queue for each lane in which nothing waits.
//! No other statement asks for an order that has NULLs first. SQLite, which knows no statistics here, keeps its index.
//!
//! A scheduler of before, still serving from the database, sorts all that waits each time that it looks for what comes next:
//! it should be replaced soon.

use sea_orm_migration::prelude::*;

use crate::columns::tune_postgres;

const ITS_OWN: &[&str] = &[
    "DROP INDEX live_runs_due",
    "CREATE INDEX live_runs_due ON live_runs (due_at NULLS FIRST) WHERE status = 'planned'",
];

const IN_ORDER: &[&str] = &[
    "DROP INDEX live_runs_due",
    "CREATE INDEX live_runs_due ON live_runs (due_at, id) WHERE status = 'planned'",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tune_postgres(manager, ITS_OWN).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        tune_postgres(manager, IN_ORDER).await
    }
}
