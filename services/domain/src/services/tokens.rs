//! API tokens: made, listed and revoked by operators, recognised at every call; and what known callers were denied.

use std::time::Duration;

use crate::{
    credential::{Denial, DenialRecord, Grant, Reach, Token, TokenName, TokenText},
    error::{Error, Resource, Violations},
    ids::{JobId, PlanId, TokenId, UserId, uuid_at},
    limits,
    ports::{Page, StoreResult, Tx},
    time::{Timestamp, after},
};

use super::{Listing, Services, found, listing, peek};

/// The reason of a denial when a planner's credential does not name the user.
const NOT_ITS_USER: &str = "NOT_ITS_USER";

/// Who asks for something that its credential may not reach, and how.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Which credential, such as `token:ID`.
    pub credential: &'a str,
    /// Path of the RPC.
    pub method: &'a str,
    pub reach: &'a Reach,
}

impl Asker<'_> {
    fn denied(&self) -> Denial {
        Denial {
            credential: self.credential.to_owned(),
            method: self.method.to_owned(),
            reason: NOT_ITS_USER.to_owned(),
        }
    }
}

impl Services {
    /// Makes a token. Its text is answered here and never again.
    ///
    /// # Errors
    /// Every violation of the name and the life.
    pub async fn create_token(
        &self,
        name: &str,
        grant: Grant,
        life: Option<Duration>,
    ) -> Result<(Token, TokenText), Error> {
        let mut violations = Violations::default();
        check_token(name, life, &mut violations);
        violations.into_result()?;
        let text = TokenText::mint(self.chance.as_ref());
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let token = Token {
            id: TokenId(uuid_at(now, self.chance.as_ref())),
            name: name.to_owned(),
            prefix: text.prefix().to_owned(),
            digest: text.digest(),
            grant,
            created_at: now,
            expires_at: life.map(|life| after(now, life)),
            revoked_at: None,
        };
        tx.insert_token(&token).await?;
        tx.commit().await?;
        Ok((token, text))
    }

    /// Oldest first, whatever their standing.
    pub async fn list_tokens(&self, page: Page) -> Result<Listing<Token>, Error> {
        let mut tx = self.store.read().await?;
        let rows = tx.list_tokens(peek(page)).await?;
        Ok(listing(rows, page, |token| token.id.0))
    }

    /// Revoking a revoked token changes nothing.
    pub async fn revoke_token(&self, name: &TokenName) -> Result<Token, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let token = found(Resource::Token, tx.revoke_token(name, now).await?)?;
        tx.commit().await?;
        Ok(token)
    }

    /// The token with this text, whatever its standing, and the time that decides it.
    pub async fn find_token(&self, text: &TokenText) -> Result<(Option<Token>, Timestamp), Error> {
        let mut tx = self.store.read().await?;
        let now = tx.now();
        Ok((tx.token_by_digest(&text.digest()).await?, now))
    }

    /// Keeps that a known caller was denied something.
    pub async fn record_denial(&self, denial: &Denial) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        tx.record_denial(denial, now).await?;
        Ok(tx.commit().await?)
    }

    /// The last ones first.
    pub async fn list_denials(&self, limit: usize) -> Result<Vec<DenialRecord>, Error> {
        let mut tx = self.store.read().await?;
        Ok(tx.list_denials(limit).await?)
    }

    /// Whose job it is, if the asker reaches it. Otherwise it is not found, as if there were none; the attempt is kept.
    pub async fn owner_of_job(&self, asker: &Asker<'_>, id: JobId) -> Result<UserId, Error> {
        let mut tx = self.store.read().await?;
        let owner = tx.owner_of_job(id).await;
        self.reached(asker, tx, owner, Resource::Job).await
    }

    /// The same of a plan.
    pub async fn owner_of_plan(&self, asker: &Asker<'_>, id: PlanId) -> Result<UserId, Error> {
        let mut tx = self.store.read().await?;
        let owner = tx.owner_of_plan(id).await;
        self.reached(asker, tx, owner, Resource::Plan).await
    }

    async fn reached(
        &self,
        asker: &Asker<'_>,
        tx: Box<dyn Tx>,
        owner: StoreResult<Option<UserId>>,
        resource: Resource,
    ) -> Result<UserId, Error> {
        drop(tx);
        let owner = found(resource, owner?)?;
        if asker.reach.covers(&owner) {
            return Ok(owner);
        }
        self.record_denial(&asker.denied()).await?;
        Err(Error::NotFound(resource))
    }
}

/// The bounds of a new token.
fn check_token(name: &str, life: Option<Duration>, violations: &mut Violations) {
    let fits = (1..=limits::NAME_CHARS).contains(&name.chars().count()) && !name.trim().is_empty();
    let plain = !name.chars().any(char::is_control);
    violations.check(fits && plain, "name", "must have 1 to 255 printable characters");
    let lasts = life.is_none_or(|life| (Duration::from_secs(1)..=limits::TOKEN_LIFE_MAX).contains(&life));
    violations.check(lasts, "expires", "must be 1 s to 3650 days from now");
}
