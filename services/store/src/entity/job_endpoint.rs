//! `job_endpoints`: an endpoint as its owner wrote it; changed only by a write of its definition.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "job_endpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: String,
    pub job_id: Option<Uuid>,
    pub name: String,
    pub description: String,
    pub method: String,
    pub url: String,
    pub host: String,
    pub headers: Json,
    pub body: Option<Vec<u8>>,
    pub cron_expression: Option<String>,
    pub cron_zone: Option<String>,
    pub interval_us: Option<i64>,
    pub min_interval_us: i64,
    pub max_interval_us: Option<i64>,
    pub cooldown_us: Option<i64>,
    pub timeout_us: i64,
    pub retry_max_attempts: i64,
    pub retry_base_delay_us: i64,
    pub retry_max_delay_us: i64,
    pub overlap: String,
    pub max_concurrency: Option<i64>,
    pub max_response_bytes: i64,
    pub status: String,
    pub paused_until_resumed: bool,
    pub paused_until: Option<DateTimeUtc>,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
