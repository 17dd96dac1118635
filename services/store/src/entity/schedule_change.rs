//! `schedule_changes`: that the next run of an endpoint was decided anew. Append-only, without foreign keys.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule_changes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub endpoint_id: Uuid,
    pub changed_at: DateTimeUtc,
    pub trigger: String,
    pub next_at: Option<DateTimeUtc>,
    pub cause: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
