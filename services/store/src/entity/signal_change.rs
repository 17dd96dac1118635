//! `signal_changes`: one signal that got another value, or went away. Append-only.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "signal_changes")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub flash_sale_id: Uuid,
    pub name: String,
    pub value: Option<f64>,
    pub changed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
