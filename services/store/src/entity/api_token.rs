//! `api_tokens`: credentials of callers, without their secrets.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    /// Unique.
    pub prefix: String,
    /// SHA-256 of the token in hex; unique.
    pub digest: String,
    /// Words of a closed set.
    #[sea_orm(column_type = "JsonBinary")]
    pub scopes: Json,
    /// Names of users; NULL is all of them.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub users: Option<Json>,
    pub created_at: DateTimeUtc,
    pub expires_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
