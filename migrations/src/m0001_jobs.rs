//! Jobs, and beside each what the scheduler knows about the asks of the model for it.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, json_binary, pk_uuid, string, text, uuid_null},
};

use crate::columns::{at, at_null, cascade, drop_tables, run_all};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(jobs()).await?;
        manager.create_table(job_planning()).await?;
        run_all(manager, &["CREATE INDEX jobs_user_id ON jobs (user_id, id)"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["job_planning", "jobs"]).await
    }
}

fn jobs() -> TableCreateStatement {
    Table::create()
        .table("jobs")
        .col(pk_uuid("id"))
        .col(string("user_id"))
        .col(text("name"))
        .col(text("description"))
        .col(string("status"))
        .col(big_integer("version"))
        .col(at("created_at"))
        .col(at("updated_at"))
        .col(at_null("archived_at"))
        .to_owned()
}

fn job_planning() -> TableCreateStatement {
    Table::create()
        .table("job_planning")
        .col(pk_uuid("job_id"))
        .col(big_integer("definition_revision"))
        .col(big_integer("context_revision"))
        .col(json_binary("pending"))
        .col(at_null("pending_since"))
        .col(at_null("asked_at"))
        .col(uuid_null("asking_plan_id"))
        .col(at_null("asking_until"))
        .col(uuid_null("accepted_plan_id"))
        .col(at_null("review_at"))
        .foreign_key(&mut cascade("job_planning", "job_id", "jobs"))
        .to_owned()
}
