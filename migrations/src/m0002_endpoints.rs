//! Endpoints, the narrow state that moves with each run, and hints.

use sea_orm_migration::{
    prelude::*,
    schema::{
        big_integer, big_integer_null, binary_null, boolean, json_binary, pk_uuid, string, string_null, text, uuid,
        uuid_null,
    },
};

use crate::columns::{at, at_null, cascade, drop_tables, run_all, tune_postgres};

/// Each author has at most one hint of each kind on an endpoint.
const INDEXES: &[&str] = &[
    "CREATE INDEX job_endpoints_user_id ON job_endpoints (user_id, id)",
    "CREATE INDEX job_endpoints_job_id ON job_endpoints (job_id, id)",
    "CREATE UNIQUE INDEX hints_one_of_a_kind ON hints (endpoint_id, author, kind)",
];

/// Every run updates the state twice; room in the page and no index on what moves keep the updates within the page.
const TUNING: &[&str] = &["ALTER TABLE endpoint_state SET (
    fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0)"];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(job_endpoints()).await?;
        manager.create_table(endpoint_state()).await?;
        manager.create_table(hints()).await?;
        run_all(manager, INDEXES).await?;
        tune_postgres(manager, TUNING).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["hints", "endpoint_state", "job_endpoints"]).await
    }
}

fn job_endpoints() -> TableCreateStatement {
    Table::create()
        .table("job_endpoints")
        .col(pk_uuid("id"))
        .col(string("user_id"))
        .col(uuid_null("job_id"))
        .col(text("name"))
        .col(text("description"))
        .col(string("method"))
        .col(text("url"))
        .col(json_binary("headers"))
        .col(binary_null("body"))
        .col(string_null("cron_expression"))
        .col(string_null("cron_zone"))
        .col(big_integer_null("interval_us"))
        .col(big_integer("min_interval_us"))
        .col(big_integer_null("max_interval_us"))
        .col(big_integer_null("cooldown_us"))
        .col(big_integer("timeout_us"))
        .col(big_integer("retry_max_attempts"))
        .col(big_integer("retry_base_delay_us"))
        .col(big_integer("retry_max_delay_us"))
        .col(big_integer("max_response_bytes"))
        .col(string("status"))
        .col(boolean("paused_until_resumed"))
        .col(at_null("paused_until"))
        .col(big_integer("version"))
        .col(at("created_at"))
        .col(at("updated_at"))
        .foreign_key(&mut cascade("job_endpoints", "job_id", "jobs"))
        .to_owned()
}

fn endpoint_state() -> TableCreateStatement {
    Table::create()
        .table("endpoint_state")
        .col(pk_uuid("endpoint_id"))
        .col(at("anchor_at"))
        .col(at("cursor_at"))
        .col(big_integer("failures"))
        .col(at_null("last_planned_at"))
        .col(at_null("last_ai_start_at"))
        .col(string_null("last_outcome"))
        .col(uuid_null("busy_run_id"))
        .col(at_null("busy_since"))
        .col(boolean("busy_cadence"))
        .col(at("changed_at"))
        .col(at_null("slowed_since"))
        .col(at_null("slowed_until"))
        .col(boolean("cadence_owed"))
        .foreign_key(&mut cascade("endpoint_state", "endpoint_id", "job_endpoints"))
        .to_owned()
}

fn hints() -> TableCreateStatement {
    Table::create()
        .table("hints")
        .col(pk_uuid("id"))
        .col(uuid("endpoint_id"))
        .col(string("author"))
        .col(string("kind"))
        .col(big_integer_null("interval_us"))
        .col(at_null("one_shot_at"))
        .col(at("written_at"))
        .col(at("expires_at"))
        .col(text("reason"))
        .col(uuid_null("plan_id"))
        .col(boolean("held"))
        .foreign_key(&mut cascade("hints", "endpoint_id", "job_endpoints"))
        .to_owned()
}
