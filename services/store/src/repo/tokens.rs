//! API tokens, and what known callers were denied.

use async_trait::async_trait;
use baton_domain::{
    credential::{Denial, DenialRecord, Token, TokenName},
    ports::{Page, StoreResult, TokensRepo},
    time::Timestamp,
};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Statement, sea_query::Expr,
};

use crate::{
    entity::{api_token, denial},
    error::store_error,
    mapping::tokens::{denial_of, token_of, token_row},
    repo::rows_of,
    tx::SqlTx,
};

/// One more of the same. One row for each credential, method and reason.
const COUNT_DENIAL: &str = "
    INSERT INTO denials (credential, method, reason, count, first_at, last_at)
    VALUES ($1, $2, $3, 1, $4, $4)
    ON CONFLICT (credential, method, reason)
    DO UPDATE SET count = denials.count + 1, last_at = excluded.last_at";

#[async_trait]
impl TokensRepo for SqlTx {
    async fn insert_token(&mut self, token: &Token) -> StoreResult<()> {
        self.insert::<api_token::Entity>(vec![token_row(token)]).await
    }

    async fn token_by_digest(&mut self, digest: &str) -> StoreResult<Option<Token>> {
        let found = api_token::Entity::find()
            .filter(api_token::Column::Digest.eq(digest))
            .one(&self.db)
            .await;
        found.map_err(store_error)?.map(token_of).transpose()
    }

    async fn list_tokens(&mut self, page: Page) -> StoreResult<Vec<Token>> {
        let found = api_token::Entity::find()
            .apply_if(page.after, |tokens, after| {
                tokens.filter(api_token::Column::Id.gt(after))
            })
            .order_by_asc(api_token::Column::Id)
            .limit(rows_of(page))
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(token_of).collect()
    }

    async fn revoke_token(&mut self, name: &TokenName, at: Timestamp) -> StoreResult<Option<Token>> {
        let meant = Condition::all().add(match name {
            TokenName::Id(id) => api_token::Column::Id.eq(id.0),
            TokenName::Prefix(prefix) => api_token::Column::Prefix.eq(prefix),
        });
        let revoked = api_token::Entity::update_many()
            .col_expr(api_token::Column::RevokedAt, Expr::value(at))
            .filter(meant.clone())
            .filter(api_token::Column::RevokedAt.is_null())
            .exec(&self.db)
            .await;
        revoked.map_err(store_error)?;
        let found = api_token::Entity::find().filter(meant).one(&self.db).await;
        found.map_err(store_error)?.map(token_of).transpose()
    }

    async fn record_denial(&mut self, denial: &Denial, at: Timestamp) -> StoreResult<()> {
        let values = [
            denial.credential.as_str().into(),
            denial.method.as_str().into(),
            denial.reason.as_str().into(),
            at.into(),
        ];
        let count = Statement::from_sql_and_values(self.db.get_database_backend(), COUNT_DENIAL, values);
        self.db.execute_raw(count).await.map(drop).map_err(store_error)
    }

    async fn list_denials(&mut self, limit: usize) -> StoreResult<Vec<DenialRecord>> {
        let found = denial::Entity::find()
            .order_by_desc(denial::Column::LastAt)
            .limit(u64::try_from(limit).unwrap_or(u64::MAX))
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(denial_of).collect()
    }
}
