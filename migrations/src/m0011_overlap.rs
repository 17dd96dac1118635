//! Runs of one endpoint that may be in flight together, and where they go: places are counted instead of naming the one
//! run that has the endpoint to itself, and the host of each call stands beside it.

use sea_orm_migration::{
    prelude::*,
    schema::{big_integer, big_integer_null, boolean, string, string_null, uuid_null},
    sea_orm::{FromQueryResult, Statement, Value},
};

use crate::columns::{at_null, run_all};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "job_endpoints", string("overlap").default("skip")).await?;
        add(manager, "job_endpoints", &mut big_integer_null("max_concurrency")).await?;
        add(manager, "job_endpoints", string("host").default("")).await?;
        add(manager, "live_runs", &mut string_null("host")).await?;
        add(manager, "endpoint_state", &mut at_null("last_ai_planned_at")).await?;
        add(manager, "endpoint_state", big_integer("busy_runs").default(0)).await?;
        add(manager, "endpoint_state", big_integer("busy_cadences").default(0)).await?;
        add(manager, "endpoint_state", big_integer("room").default(1)).await?;
        run_all(
            manager,
            &[
                "UPDATE endpoint_state
                    SET busy_runs     = 1,
                        busy_cadences = CASE WHEN busy_cadence THEN 1 ELSE 0 END
                  WHERE busy_run_id IS NOT NULL",
                "UPDATE endpoint_state SET last_ai_planned_at = last_ai_start_at",
            ],
        )
        .await?;
        drop_columns(manager, "endpoint_state", &["busy_run_id", "busy_cadence"]).await?;
        name_hosts(manager).await
    }

    /// Of several runs in flight the earliest is named: the others end as if they were alone.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "endpoint_state", &mut uuid_null("busy_run_id")).await?;
        add(manager, "endpoint_state", boolean("busy_cadence").default(false)).await?;
        run_all(
            manager,
            &["UPDATE endpoint_state
                  SET busy_cadence = busy_cadences > 0,
                      busy_run_id  = (SELECT r.id
                                        FROM live_runs r
                                       WHERE r.endpoint_id = endpoint_state.endpoint_id
                                         AND r.fence > 0
                                       ORDER BY r.due_at, r.id
                                       LIMIT 1)
                WHERE busy_runs > 0"],
        )
        .await?;
        let state = ["last_ai_planned_at", "busy_runs", "busy_cadences", "room"];
        drop_columns(manager, "endpoint_state", &state).await?;
        drop_columns(manager, "live_runs", &["host"]).await?;
        drop_columns(manager, "job_endpoints", &["overlap", "max_concurrency", "host"]).await
    }
}

/// SQLite takes one new column at a time.
async fn add(manager: &SchemaManager<'_>, table: &'static str, column: &mut ColumnDef) -> Result<(), DbErr> {
    let alter = Table::alter().table(table).add_column(column).to_owned();
    manager.alter_table(alter).await
}

async fn drop_columns(manager: &SchemaManager<'_>, table: &'static str, columns: &[&'static str]) -> Result<(), DbErr> {
    for column in columns {
        let alter = Table::alter().table(table).drop_column(*column).to_owned();
        manager.alter_table(alter).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Address {
    id: uuid::Uuid,
    url: String,
}

/// Hosts as the program reads them out of addresses: no SQL does it alike.
async fn name_hosts(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let db = manager.get_connection();
    let backend = manager.get_database_backend();
    let rows = db
        .query_all_raw(Statement::from_string(backend, "SELECT id, url FROM job_endpoints"))
        .await?;
    for row in rows {
        let Address { id, url } = Address::from_query_result(&row, "")?;
        let host = url::Url::parse(&url).ok();
        let host = host
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default();
        let values: [Value; 2] = [host.into(), id.into()];
        let write = "UPDATE job_endpoints SET host = $1 WHERE id = $2";
        db.execute_raw(Statement::from_sql_and_values(backend, write, values))
            .await?;
    }
    Ok(())
}
