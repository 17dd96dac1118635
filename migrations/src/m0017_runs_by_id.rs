//! The last runs of an endpoint are those with the highest ids, which are in the order of their planned times: one index less
//! that every end of a run writes.

use sea_orm_migration::prelude::*;

use crate::columns::run_all;

const BY_ID: &[&str] = &["DROP INDEX run_history_started"];

const BY_START: &[&str] =
    &["CREATE INDEX run_history_started ON run_history (endpoint_id, started_at) WHERE started_at IS NOT NULL"];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_ID).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_START).await
    }
}
