//! Flash sales, the jobs they concern, and every change of their signals.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_pk_auto, double_null, json_binary, pk_uuid, string, text, uuid},
};

use crate::columns::{at, cascade, drop_tables, run_all};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(flash_sales()).await?;
        manager.create_table(flash_sale_jobs()).await?;
        manager.create_table(signal_changes()).await?;
        run_all(
            manager,
            &[
                "CREATE INDEX flash_sales_user_id ON flash_sales (user_id, id)",
                "CREATE INDEX flash_sale_jobs_job_id ON flash_sale_jobs (job_id)",
                "CREATE INDEX signal_changes_sale ON signal_changes (flash_sale_id, id)",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["signal_changes", "flash_sale_jobs", "flash_sales"]).await
    }
}

fn flash_sales() -> TableCreateStatement {
    Table::create()
        .table("flash_sales")
        .col(pk_uuid("id"))
        .col(string("user_id"))
        .col(text("name"))
        .col(text("description"))
        .col(at("starts_at"))
        .col(at("ends_at"))
        .col(text("phase"))
        .col(json_binary("signals"))
        .col(big_integer("version"))
        .col(at("created_at"))
        .col(at("updated_at"))
        .to_owned()
}

fn flash_sale_jobs() -> TableCreateStatement {
    Table::create()
        .table("flash_sale_jobs")
        .col(uuid("flash_sale_id"))
        .col(uuid("job_id"))
        .col(big_integer("position"))
        .primary_key(Index::create().col("flash_sale_id").col("job_id"))
        .foreign_key(&mut cascade("flash_sale_jobs", "flash_sale_id", "flash_sales"))
        .foreign_key(&mut cascade("flash_sale_jobs", "job_id", "jobs"))
        .to_owned()
}

fn signal_changes() -> TableCreateStatement {
    Table::create()
        .table("signal_changes")
        .col(big_pk_auto("id"))
        .col(uuid("flash_sale_id"))
        .col(text("name"))
        .col(double_null("value"))
        .col(at("changed_at"))
        .foreign_key(&mut cascade("signal_changes", "flash_sale_id", "flash_sales"))
        .to_owned()
}
