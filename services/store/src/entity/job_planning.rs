//! `job_planning`: what is known about the asks of the model for one job; goes with its job.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_planning")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub job_id: Uuid,
    pub definition_revision: i64,
    pub context_revision: i64,
    pub pending: Json,
    pub pending_since: Option<DateTimeUtc>,
    pub asked_at: Option<DateTimeUtc>,
    pub asking_plan_id: Option<Uuid>,
    pub asking_until: Option<DateTimeUtc>,
    pub accepted_plan_id: Option<Uuid>,
    pub suggested_plan_id: Option<Uuid>,
    pub review_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
