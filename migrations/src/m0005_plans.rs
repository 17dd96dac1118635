//! Plans with their steps and hints: plain ids without foreign keys, so that they outlive what they planned.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, json_binary, pk_uuid, string, text, uuid, uuid_null},
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
        manager.create_table(plans()).await?;
        manager.create_table(plan_steps()).await?;
        manager.create_table(plan_hints()).await?;
        run_all(
            manager,
            &[
                "CREATE INDEX plans_user_id ON plans (user_id, id)",
                "CREATE INDEX plans_job_id ON plans (job_id, id)",
                "CREATE INDEX plans_job_age ON plans (job_id, created_at)",
                "CREATE INDEX plan_steps_run_id ON plan_steps (run_id) WHERE run_id IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["plan_hints", "plan_steps", "plans"]).await
    }
}

fn plans() -> TableCreateStatement {
    Table::create()
        .table("plans")
        .col(pk_uuid("id"))
        .col(uuid("job_id"))
        .col(string("user_id"))
        .col(string("state"))
        .col(big_integer("definition_revision"))
        .col(big_integer("context_revision"))
        .col(json_binary("ask_reasons"))
        .col(uuid_null("replaces"))
        .col(text("planner"))
        .col(at("lease_until"))
        .col(text("rationale"))
        .col(big_integer("wave"))
        .col(big_integer("waves"))
        .col(text("model"))
        .col(text("prompt_digest"))
        .col(big_integer("input_tokens"))
        .col(big_integer("output_tokens"))
        .col(big_integer("latency_us"))
        .col(big_integer("requests"))
        .col(text("raw_answer"))
        .col(text("verdict"))
        .col(text("detail"))
        .col(at("created_at"))
        .col(at_null("answered_at"))
        .col(at_null("ended_at"))
        .col(at_null("review_at"))
        .col(text("context_digest"))
        .col(text("context"))
        .col(big_integer("charged"))
        .to_owned()
}

fn plan_steps() -> TableCreateStatement {
    Table::create()
        .table("plan_steps")
        .col(uuid("plan_id"))
        .col(big_integer("step"))
        .col(big_integer("wave"))
        .col(uuid("endpoint_id"))
        .col(big_integer("delay_us"))
        .col(text("reason"))
        .col(string("verdict_code"))
        .col(text("verdict_message"))
        .col(at_null("verdict_until"))
        .col(uuid_null("run_id"))
        .primary_key(Index::create().col("plan_id").col("step"))
        .to_owned()
}

fn plan_hints() -> TableCreateStatement {
    Table::create()
        .table("plan_hints")
        .col(uuid("plan_id"))
        .col(big_integer("position"))
        .col(uuid("endpoint_id"))
        .col(string("kind"))
        .col(big_integer("duration_us"))
        .col(big_integer("ttl_us"))
        .col(text("reason"))
        .col(string("verdict_code"))
        .col(text("verdict_message"))
        .col(at_null("verdict_until"))
        .primary_key(Index::create().col("plan_id").col("position"))
        .to_owned()
}
