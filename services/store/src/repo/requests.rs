//! Idempotency keys of requests.

use async_trait::async_trait;
use baton_domain::ports::{RequestKey, RequestsRepo, StoreResult, StoredRequest};
use sea_orm::{ConnectionTrait as _, EntityTrait as _, Statement, prelude::Uuid};

use crate::{
    entity::request_key,
    error::store_error,
    tx::{SqlTx, unexpected},
};

/// Adds the key unless it is there. On PostgreSQL it waits for another transaction that is just adding it.
const CLAIM: &str = "
    INSERT INTO request_keys (user_id, method, request_id, digest, resource_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (user_id, method, request_id) DO NOTHING";

#[async_trait]
impl RequestsRepo for SqlTx {
    async fn claim_request(&mut self, key: &RequestKey, resource_id: Uuid) -> StoreResult<Option<StoredRequest>> {
        let values = [
            key.user_id.0.as_str().into(),
            key.method.into(),
            key.request_id.as_str().into(),
            key.digest.as_str().into(),
            resource_id.into(),
            self.time().into(),
        ];
        let claim = Statement::from_sql_and_values(self.db.get_database_backend(), CLAIM, values);
        if self.db.execute_raw(claim).await.map_err(store_error)?.rows_affected() == 1 {
            return Ok(None);
        }
        let place = (key.user_id.0.clone(), key.method.to_owned(), key.request_id.clone());
        let stored = request_key::Entity::find_by_id(place)
            .one(&self.db)
            .await
            .map_err(store_error)?;
        let stored = stored.ok_or_else(|| unexpected("a request key is neither new nor there"))?;
        Ok(Some(StoredRequest {
            digest: stored.digest,
            resource_id: stored.resource_id,
        }))
    }
}
