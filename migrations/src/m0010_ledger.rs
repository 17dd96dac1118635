//! The record of schedule changes, complete enough to audit from: whose endpoint, what was in force, which one-shot was
//! used up. And the index that finds the skipped row whose window covers a time.

use sea_orm_migration::{
    prelude::*,
    schema::{json_binary_null, string, uuid_null},
};

use crate::columns::run_all;

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// What running caused is in the history of runs and not recorded any more.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut user_id = string("user_id");
        add(manager, user_id.default("")).await?;
        add(manager, &mut json_binary_null("terms")).await?;
        add(manager, &mut uuid_null("hint_id")).await?;
        run_all(
            manager,
            &[
                "DELETE FROM schedule_changes WHERE \"trigger\" IN ('due', 'run-ended')",
                "UPDATE schedule_changes
                    SET user_id = COALESCE((SELECT e.user_id FROM job_endpoints e
                                             WHERE e.id = schedule_changes.endpoint_id), '')",
                "CREATE INDEX schedule_changes_user ON schedule_changes (user_id, endpoint_id)",
                "CREATE INDEX run_history_missed ON run_history (endpoint_id, missed_last)
                  WHERE missed_last IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run_all(
            manager,
            &["DROP INDEX run_history_missed", "DROP INDEX schedule_changes_user"],
        )
        .await?;
        for column in ["hint_id", "terms", "user_id"] {
            let drop = Table::alter().table("schedule_changes").drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}

/// SQLite takes one new column at a time.
async fn add(manager: &SchemaManager<'_>, column: &mut ColumnDef) -> Result<(), DbErr> {
    let alter = Table::alter().table("schedule_changes").add_column(column).to_owned();
    manager.alter_table(alter).await
}
