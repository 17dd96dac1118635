//! `plan_hints`: one hint that a plan wants in force.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plan_hints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub plan_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub endpoint_id: Uuid,
    pub kind: String,
    pub duration_us: i64,
    pub ttl_us: i64,
    pub reason: String,
    pub verdict_code: String,
    pub verdict_message: String,
    pub verdict_until: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
