//! The queue by lane: what a claim reads to give every user a share.

use sea_orm_migration::prelude::*;

use crate::columns::run_all;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = "CREATE INDEX live_runs_lane ON live_runs (lane, due_at, id) WHERE status = 'planned'";
        run_all(manager, &[index]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, &["DROP INDEX live_runs_lane"]).await
    }
}
