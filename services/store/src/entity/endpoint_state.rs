//! `endpoint_state`: what moves with each run of an endpoint. Its row is the lock of everything that belongs to the endpoint.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "endpoint_state")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub endpoint_id: Uuid,
    pub anchor_at: DateTimeUtc,
    pub cursor_at: DateTimeUtc,
    pub failures: i64,
    pub last_planned_at: Option<DateTimeUtc>,
    pub last_ai_start_at: Option<DateTimeUtc>,
    pub last_outcome: Option<String>,
    pub last_ai_planned_at: Option<DateTimeUtc>,
    pub busy_runs: i64,
    pub busy_cadences: i64,
    pub busy_since: Option<DateTimeUtc>,
    pub room: i64,
    pub changed_at: DateTimeUtc,
    pub slowed_since: Option<DateTimeUtc>,
    pub slowed_until: Option<DateTimeUtc>,
    pub cadence_owed: bool,
}

impl ActiveModelBehavior for ActiveModel {}
