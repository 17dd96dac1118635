//! `plans`: the record of one ask of the model.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub job_id: Uuid,
    pub user_id: String,
    pub state: String,
    pub definition_revision: i64,
    pub context_revision: i64,
    pub ask_reasons: Json,
    pub replaces: Option<Uuid>,
    pub planner: String,
    pub lease_until: DateTimeUtc,
    pub rationale: String,
    pub wave: i64,
    pub waves: i64,
    pub model: String,
    pub prompt_digest: String,
    pub input_tokens: i64,
    pub output_tokens: i64,
    pub latency_us: i64,
    pub requests: i64,
    pub raw_answer: String,
    pub verdict: String,
    pub detail: String,
    pub created_at: DateTimeUtc,
    pub answered_at: Option<DateTimeUtc>,
    pub ended_at: Option<DateTimeUtc>,
    pub review_at: Option<DateTimeUtc>,
    pub context_digest: String,
    pub context: String,
    pub charged: i64,
    pub decided_at: Option<DateTimeUtc>,
    pub decision_reason: String,
    pub cost_micros: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
