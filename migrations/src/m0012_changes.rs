//! The change feed of runs: every row of the queue and the history says which transaction wrote it last.
//!
//! On PostgreSQL that is the transaction's own number, stamped by the column's default, so that no writer pays a round
//! trip for it; on SQLite, which has one writer, a count that the store keeps in `change_marks`. `dropped` is the highest
//! number among the rows that retention has removed: who has not read that far has missed something.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, small_integer},
};

use crate::columns::{drop_tables, run_all, tune_postgres};

const TABLES: [&str; 2] = ["live_runs", "run_history"];

/// All rows of a transaction have the same number, so the entries of a batch are folded into a few bytes. An endpoint's
/// plan row is no change that anybody is told of: replanning stays out of the index.
const INDEXES: &[&str] = &[
    "CREATE INDEX live_runs_changes ON live_runs (changed_in) WHERE slot <> 'plan'",
    "CREATE INDEX run_history_changes ON run_history (changed_in)",
    "INSERT INTO change_marks (id, last, dropped) VALUES (1, 0, 0)",
];

/// Rows from before keep 0, the number of no transaction, without being rewritten.
const STAMPED_BY_DEFAULT: &[&str] = &[
    "ALTER TABLE live_runs ALTER COLUMN changed_in SET DEFAULT (pg_current_xact_id()::text::bigint)",
    "ALTER TABLE run_history ALTER COLUMN changed_in SET DEFAULT (pg_current_xact_id()::text::bigint)",
];

const NO_INDEXES: &[&str] = &["DROP INDEX run_history_changes", "DROP INDEX live_runs_changes"];

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(change_marks()).await?;
        for table in TABLES {
            let mut changed_in = big_integer("changed_in");
            let add = Table::alter().table(table).add_column(changed_in.default(0)).to_owned();
            manager.alter_table(add).await?;
        }
        run_all(manager, INDEXES).await?;
        tune_postgres(manager, STAMPED_BY_DEFAULT).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(manager, NO_INDEXES).await?;
        for table in TABLES {
            let drop = Table::alter().table(table).drop_column("changed_in").to_owned();
            manager.alter_table(drop).await?;
        }
        drop_tables(manager, &["change_marks"]).await
    }
}

/// One row.
fn change_marks() -> TableCreateStatement {
    let mut id = small_integer("id");
    Table::create()
        .table("change_marks")
        .col(id.primary_key())
        .col(big_integer("last"))
        .col(big_integer("dropped"))
        .to_owned()
}
