//! How far a job's planner may go, the suggestions that wait for a person, and what asks cost.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer_null, string, text, uuid_null},
};

use crate::columns::{at_null, run_all};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// What a planner was allowed until now is `act`. The index holds only plans that used tokens: the budget bounds them.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "jobs", string("planner_mode").default("act")).await?;
        add(manager, "job_planning", &mut uuid_null("suggested_plan_id")).await?;
        add(manager, "plans", &mut at_null("decided_at")).await?;
        add(manager, "plans", text("decision_reason").default("")).await?;
        add(manager, "plans", &mut big_integer_null("cost_micros")).await?;
        run_all(
            manager,
            &[
                "CREATE INDEX plans_job_decided ON plans (job_id, decided_at) WHERE decided_at IS NOT NULL",
                "CREATE INDEX plans_user_tokens ON plans (user_id, created_at) WHERE input_tokens + output_tokens > 0",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(
            manager,
            &["DROP INDEX plans_user_tokens", "DROP INDEX plans_job_decided"],
        )
        .await?;
        for (table, column) in [
            ("plans", "cost_micros"),
            ("plans", "decision_reason"),
            ("plans", "decided_at"),
            ("job_planning", "suggested_plan_id"),
            ("jobs", "planner_mode"),
        ] {
            let drop = Table::alter().table(table).drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}

/// SQLite takes one new column at a time.
async fn add(manager: &SchemaManager<'_>, table: &'static str, column: &mut ColumnDef) -> Result<(), DbErr> {
    let alter = Table::alter().table(table).add_column(column).to_owned();
    manager.alter_table(alter).await
}
