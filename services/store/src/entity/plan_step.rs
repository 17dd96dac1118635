//! `plan_steps`: one run that a plan wants, and the run it became: the idempotency key of the step.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plan_steps")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub plan_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub step: i64,
    pub wave: i64,
    pub endpoint_id: Uuid,
    pub delay_us: i64,
    pub reason: String,
    pub verdict_code: String,
    pub verdict_message: String,
    pub verdict_until: Option<DateTimeUtc>,
    pub run_id: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
