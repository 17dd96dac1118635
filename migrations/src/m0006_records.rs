//! Idempotency keys of requests, and the append-only record of every change of a schedule.

use sea_orm_migration::{
    prelude::*,
    schema::{big_pk_auto, string, string_null, uuid},
};

use crate::columns::{at, at_null, drop_tables, run_all};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(request_keys()).await?;
        manager.create_table(schedule_changes()).await?;
        run_all(
            manager,
            &[
                "CREATE INDEX request_keys_age ON request_keys (created_at)",
                "CREATE INDEX schedule_changes_endpoint ON schedule_changes (endpoint_id, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["schedule_changes", "request_keys"]).await
    }
}

fn request_keys() -> TableCreateStatement {
    Table::create()
        .table("request_keys")
        .col(string("user_id"))
        .col(string("method"))
        .col(string("request_id"))
        .col(string("digest"))
        .col(uuid("resource_id"))
        .col(at("created_at"))
        .primary_key(Index::create().col("user_id").col("method").col("request_id"))
        .to_owned()
}

fn schedule_changes() -> TableCreateStatement {
    Table::create()
        .table("schedule_changes")
        .col(big_pk_auto("id"))
        .col(uuid("endpoint_id"))
        .col(at("changed_at"))
        .col(string("trigger"))
        .col(at_null("next_at"))
        .col(string_null("cause"))
        .to_owned()
}
