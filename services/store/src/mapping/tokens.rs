//! API tokens and denials.

use std::collections::BTreeSet;

use baton_domain::{
    credential::{Denial, DenialRecord, Grant, Reach, Scope, Token},
    ids::{TokenId, UserId},
    ports::StoreResult,
};
use serde_json::json;

use super::{broken, number, word, words};
use crate::entity::{api_token, denial};

pub fn token_row(token: &Token) -> api_token::Model {
    let scopes: Vec<&str> = token.grant.scopes().iter().map(|scope| scope.as_str()).collect();
    api_token::Model {
        id: token.id.0,
        name: token.name.clone(),
        prefix: token.prefix.clone(),
        digest: token.digest.clone(),
        scopes: json!(scopes),
        users: match token.grant.reach() {
            Reach::All => None,
            Reach::Users(users) => Some(json!(users)),
        },
        created_at: token.created_at,
        expires_at: token.expires_at,
        revoked_at: token.revoked_at,
    }
}

pub fn token_of(row: api_token::Model) -> StoreResult<Token> {
    let scopes = words("api_tokens.scopes", row.scopes)?;
    let scopes: StoreResult<BTreeSet<Scope>> = scopes
        .iter()
        .map(|scope| word("api_tokens.scopes", scope, Scope::parse))
        .collect();
    let reach = match row.users {
        None => Reach::All,
        Some(users) => Reach::Users(words("api_tokens.users", users)?.into_iter().map(UserId).collect()),
    };
    Ok(Token {
        id: TokenId(row.id),
        name: row.name,
        prefix: row.prefix,
        digest: row.digest,
        // A grant that could not be made is not honoured because it is stored.
        grant: Grant::new(scopes?, reach).map_err(|error| broken("api_tokens.scopes", error))?,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
    })
}

pub fn denial_of(row: denial::Model) -> StoreResult<DenialRecord> {
    Ok(DenialRecord {
        denial: Denial {
            credential: row.credential,
            method: row.method,
            reason: row.reason,
        },
        count: number("denials.count", row.count)?,
        first_at: row.first_at,
        last_at: row.last_at,
    })
}
