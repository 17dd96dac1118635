//! Runs: the live queue, the append-only history, and the attempts that did not end their run.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_pk_auto, pk_uuid, small_integer, string, string_null, uuid, uuid_null},
};

use crate::columns::{at_null, cascade, drop_tables, run_all, run_columns, tune_postgres};

/// The queue has few rows and is written all the time: its indexes cover what is waited for, and little else.
/// The history is read by owner, endpoint, job and plan, newest first; a run's id sorts by its planned time.
const INDEXES: &[&str] = &[
    "CREATE UNIQUE INDEX live_runs_one_plan_row ON live_runs (endpoint_id) WHERE slot = 'plan'",
    "CREATE INDEX live_runs_due ON live_runs (due_at) WHERE status = 'planned'",
    "CREATE INDEX live_runs_lease ON live_runs (lease_until) WHERE status = 'running'",
    "CREATE INDEX live_runs_endpoint ON live_runs (endpoint_id)",
    "CREATE INDEX live_runs_plan ON live_runs (plan_id) WHERE plan_id IS NOT NULL",
    "CREATE INDEX run_history_user ON run_history (user_id, id)",
    "CREATE INDEX run_history_endpoint ON run_history (endpoint_id, id)",
    "CREATE INDEX run_history_started ON run_history (endpoint_id, started_at) WHERE started_at IS NOT NULL",
    "CREATE INDEX run_history_job ON run_history (job_id, id)",
    "CREATE INDEX run_history_plan ON run_history (plan_id, id) WHERE plan_id IS NOT NULL",
    "CREATE INDEX run_attempts_run ON run_attempts (run_id, id)",
];

/// The queue turns over many times its size in an hour: dead rows and stale statistics must not outlive a burst.
const TUNING: &[&str] = &["ALTER TABLE live_runs SET (
    fillfactor = 60,
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.01, autovacuum_analyze_threshold = 500)"];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(live_runs()).await?;
        manager.create_table(run_history()).await?;
        manager.create_table(run_attempts()).await?;
        run_all(manager, INDEXES).await?;
        tune_postgres(manager, TUNING).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["run_attempts", "run_history", "live_runs"]).await
    }
}

/// `lane` is a hash of the user, 0 to 63.
fn live_runs() -> TableCreateStatement {
    with_run_columns(Table::create().table("live_runs").col(pk_uuid("id")))
        .col(string("slot"))
        .col(small_integer("lane"))
        .col(big_integer("fence"))
        .col(big_integer("losses"))
        .col(string_null("lease_owner"))
        .col(at_null("lease_until"))
        .col(uuid_null("one_shot_id"))
        .col(string_null("trace_parent"))
        .foreign_key(&mut cascade("live_runs", "endpoint_id", "job_endpoints"))
        .to_owned()
}

/// Plain ids without foreign keys: it outlives what it tells of.
fn run_history() -> TableCreateStatement {
    with_run_columns(Table::create().table("run_history").col(pk_uuid("id"))).to_owned()
}

/// The same columns as the history, once for each attempt.
fn run_attempts() -> TableCreateStatement {
    with_run_columns(
        Table::create()
            .table("run_attempts")
            .col(big_pk_auto("id"))
            .col(uuid("run_id")),
    )
    .to_owned()
}

fn with_run_columns(table: &mut TableCreateStatement) -> &mut TableCreateStatement {
    run_columns().into_iter().fold(table, |table, column| table.col(column))
}
