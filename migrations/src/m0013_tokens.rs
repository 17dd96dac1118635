//! API tokens by the hash of their secret, and what known callers were denied.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, json_binary, json_binary_null, pk_uuid, string, string_uniq, text},
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
        manager.create_table(api_tokens()).await?;
        manager.create_table(denials()).await?;
        run_all(manager, &["CREATE INDEX denials_age ON denials (last_at)"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["denials", "api_tokens"]).await
    }
}

/// `users` is NULL for a planner that reaches all of them.
fn api_tokens() -> TableCreateStatement {
    Table::create()
        .table("api_tokens")
        .col(pk_uuid("id"))
        .col(text("name"))
        .col(string_uniq("prefix"))
        .col(string_uniq("digest"))
        .col(json_binary("scopes"))
        .col(json_binary_null("users"))
        .col(at("created_at"))
        .col(at_null("expires_at"))
        .col(at_null("revoked_at"))
        .to_owned()
}

fn denials() -> TableCreateStatement {
    Table::create()
        .table("denials")
        .col(string("credential"))
        .col(string("method"))
        .col(string("reason"))
        .col(big_integer("count"))
        .col(at("first_at"))
        .col(at("last_at"))
        .primary_key(Index::create().col("credential").col("method").col("reason"))
        .to_owned()
}
