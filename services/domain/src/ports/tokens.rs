//! API tokens, and what known callers were denied.

use async_trait::async_trait;

use crate::{
    credential::{Denial, DenialRecord, Token, TokenName},
    time::Timestamp,
};

use super::{Page, StoreResult};

/// Tokens are never deleted: a revoked one stays as a record.
#[async_trait]
pub trait TokensRepo {
    async fn insert_token(&mut self, token: &Token) -> StoreResult<()>;
    /// Whatever its standing.
    async fn token_by_digest(&mut self, digest: &str) -> StoreResult<Option<Token>>;
    /// Oldest first.
    async fn list_tokens(&mut self, page: Page) -> StoreResult<Vec<Token>>;
    /// Writes when it was revoked, unless it was before. Returns it as it is then.
    async fn revoke_token(&mut self, name: &TokenName, at: Timestamp) -> StoreResult<Option<Token>>;
    /// Counts it: there is one row for each credential, method and reason.
    async fn record_denial(&mut self, denial: &Denial, at: Timestamp) -> StoreResult<()>;
    /// The last ones first.
    async fn list_denials(&mut self, limit: usize) -> StoreResult<Vec<DenialRecord>>;
}
