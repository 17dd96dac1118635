//! `hints`: a hint; at most one of each author and kind on an endpoint.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "hints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub endpoint_id: Uuid,
    pub author: String,
    pub kind: String,
    pub interval_us: Option<i64>,
    pub one_shot_at: Option<DateTimeUtc>,
    pub written_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub reason: String,
    pub plan_id: Option<Uuid>,
    pub held: bool,
}

impl ActiveModelBehavior for ActiveModel {}
