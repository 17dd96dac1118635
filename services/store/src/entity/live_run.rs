//! `live_runs`: a run that waits or is being called: one row of the live queue.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "live_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub endpoint_id: Uuid,
    pub job_id: Option<Uuid>,
    pub user_id: String,
    pub status: String,
    pub source: String,
    pub cause: String,
    pub clamped_from_us: Option<i64>,
    pub clamped_from_at: Option<DateTimeUtc>,
    pub planned_at: DateTimeUtc,
    pub due_at: DateTimeUtc,
    pub started_at: Option<DateTimeUtc>,
    pub finished_at: Option<DateTimeUtc>,
    pub duration_us: Option<i64>,
    pub attempt: i64,
    pub status_code: Option<i32>,
    pub error: Option<String>,
    pub response: Option<Vec<u8>>,
    pub response_truncated: bool,
    pub reason: Option<String>,
    pub missed_first: Option<DateTimeUtc>,
    pub missed_last: Option<DateTimeUtc>,
    pub missed_count: Option<i64>,
    pub hint_id: Option<Uuid>,
    pub plan_id: Option<Uuid>,
    pub step: Option<i64>,
    pub plan_reason: Option<String>,
    /// The transaction that wrote the row last. The database's to give on PostgreSQL.
    pub changed_in: i64,
    pub slot: String,
    pub lane: i16,
    pub fence: i64,
    pub losses: i64,
    pub lease_owner: Option<String>,
    pub lease_until: Option<DateTimeUtc>,
    pub one_shot_id: Option<Uuid>,
    pub trace_parent: Option<String>,
    pub host: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
