//! `schedule_changes`: what people and planners changed about the schedule of an endpoint. Append-only, without foreign
//! keys. `terms` is the JSON form of the domain's `Terms`.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule_changes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub endpoint_id: Uuid,
    pub user_id: String,
    pub changed_at: DateTimeUtc,
    pub trigger: String,
    pub next_at: Option<DateTimeUtc>,
    pub cause: Option<String>,
    pub terms: Option<Json>,
    pub hint_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
