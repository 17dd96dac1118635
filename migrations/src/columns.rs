//! Column definitions and statements that several steps share.

use sea_orm_migration::{
    SchemaManager,
    prelude::{ColumnDef, DbErr, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, Table},
    schema::{
        big_integer, big_integer_null, binary_null, boolean, integer_null, string, text_null, timestamp_with_time_zone,
        timestamp_with_time_zone_null, uuid, uuid_null,
    },
    sea_orm::{ConnectionTrait as _, DbBackend},
};

/// An instant; whole microseconds on both databases.
pub fn at(name: &'static str) -> ColumnDef {
    timestamp_with_time_zone(name)
}

/// An instant that may be missing.
pub fn at_null(name: &'static str) -> ColumnDef {
    timestamp_with_time_zone_null(name)
}

/// `table.column` names a row of `target` and goes with it.
pub fn cascade(table: &'static str, column: &'static str, target: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("{table}_{column}_fkey"))
        .from(table, column)
        .to(target, "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// What is known of a run from its planning on: the same columns in the queue, the history and the attempts.
pub fn run_columns() -> Vec<ColumnDef> {
    vec![
        uuid("endpoint_id"),
        uuid_null("job_id"),
        string("user_id"),
        string("status"),
        string("source"),
        string("cause"),
        big_integer_null("clamped_from_us"),
        at_null("clamped_from_at"),
        at("planned_at"),
        at("due_at"),
        at_null("started_at"),
        at_null("finished_at"),
        big_integer_null("duration_us"),
        big_integer("attempt"),
        integer_null("status_code"),
        text_null("error"),
        binary_null("response"),
        boolean("response_truncated"),
        text_null("reason"),
        at_null("missed_first"),
        at_null("missed_last"),
        big_integer_null("missed_count"),
        uuid_null("hint_id"),
        uuid_null("plan_id"),
        big_integer_null("step"),
        text_null("plan_reason"),
    ]
}

/// Runs each statement; they must mean the same on both databases.
pub async fn run_all(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

/// Runs each statement on PostgreSQL only.
pub async fn tune_postgres(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    if manager.get_database_backend() == DbBackend::Postgres {
        run_all(manager, statements).await?;
    }
    Ok(())
}

/// Drops tables in the order given.
pub async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&'static str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(*table).to_owned()).await?;
    }
    Ok(())
}
