//! The queue by lane: what a claim reads to give every user a share.

use sea_orm_migration::prelude::*;

use crate::columns::run_all;

/// The rows of an endpoint also by time: with that, no plan is cheaper than looking at this endpoint's few.
const BY_LANE: &[&str] = &[
    "CREATE INDEX live_runs_lane ON live_runs (lane, due_at, id) WHERE status = 'planned'",
    "DROP INDEX live_runs_endpoint",
    "CREATE INDEX live_runs_endpoint ON live_runs (endpoint_id, due_at)",
];

const BY_TIME: &[&str] = &[
    "DROP INDEX live_runs_endpoint",
    "CREATE INDEX live_runs_endpoint ON live_runs (endpoint_id)",
    "DROP INDEX live_runs_lane",
];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_LANE).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, BY_TIME).await
    }
}
