//! Tokens and denials as people and programs read them. Pure; never shows a secret but that of a token just made.

use baton_domain::{
    credential::{DenialRecord, Reach, Token, TokenText},
    time::Timestamp,
};
use serde_json::{Value, json};

/// A token just made, with its text unless that went elsewhere.
pub fn created(token: &Token, text: Option<&TokenText>) -> Value {
    let mut shown = json(token, token.created_at);
    if let Some(text) = text {
        shown["token"] = json!(text.expose());
    }
    shown
}

/// What is known of a token. `users` is null for a planner of all users.
pub fn json(token: &Token, now: Timestamp) -> Value {
    json!({
        "id": token.id.to_string(),
        "name": token.name,
        "prefix": token.prefix,
        "scopes": scopes(token),
        "users": users(token),
        "created_at": token.created_at.to_rfc3339(),
        "expires_at": token.expires_at.map(|at| at.to_rfc3339()),
        "revoked_at": token.revoked_at.map(|at| at.to_rfc3339()),
        "standing": token.standing(now).as_str(),
    })
}

/// A heading and a line for each token, in columns.
pub fn table(tokens: &[Token], now: Timestamp) -> Vec<String> {
    let heading = ["PREFIX", "STANDING", "SCOPES", "USERS", "EXPIRES", "NAME", "ID"].map(str::to_owned);
    let rows = tokens.iter().map(|token| {
        [
            token.prefix.clone(),
            token.standing(now).as_str().to_owned(),
            scopes(token).join(","),
            users(token).map_or_else(|| "all".to_owned(), |users| users.join(",")),
            token
                .expires_at
                .map_or_else(|| "never".to_owned(), |at| at.to_rfc3339()),
            token.name.clone(),
            token.id.to_string(),
        ]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// One line about what was denied, and how often.
pub fn denial(record: &DenialRecord, as_json: bool) -> String {
    let denial = &record.denial;
    if as_json {
        let object = json!({
            "credential": denial.credential,
            "method": denial.method,
            "reason": denial.reason,
            "count": record.count,
            "first_at": record.first_at.to_rfc3339(),
            "last_at": record.last_at.to_rfc3339(),
        });
        return object.to_string();
    }
    format!(
        "{}  {}  {}  {} time(s) since {}, last {}",
        denial.credential,
        denial.method,
        denial.reason,
        record.count,
        record.first_at.to_rfc3339(),
        record.last_at.to_rfc3339()
    )
}

fn scopes(token: &Token) -> Vec<&'static str> {
    token.grant.scopes().iter().map(|scope| scope.as_str()).collect()
}

fn users(token: &Token) -> Option<Vec<String>> {
    match token.grant.reach() {
        Reach::All => None,
        Reach::Users(users) => Some(users.iter().map(ToString::to_string).collect()),
    }
}

fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or_default()
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use baton_domain::{
        credential::{Grant, Scope},
        fixtures::SeededChance,
        ids::{TokenId, UserId, uuid_at},
        time::from_micros,
    };

    use super::*;

    fn token(scope: Scope, reach: Reach, expires_at: Option<Timestamp>) -> (Token, TokenText) {
        let (chance, now) = (SeededChance::new(3), from_micros(1_800_000_000_000_000));
        let text = TokenText::mint(&chance);
        let token = Token {
            id: TokenId(uuid_at(now, &chance)),
            name: "a service".to_owned(),
            prefix: text.prefix().to_owned(),
            digest: text.digest(),
            grant: Grant::new([scope].into(), reach).expect("a grant"),
            created_at: now,
            expires_at,
            revoked_at: None,
        };
        (token, text)
    }

    #[test]
    fn only_a_token_just_made_is_shown_with_its_secret() {
        let (token, text) = token(Scope::Jobs, Reach::of(UserId("ada".to_owned())), None);
        let secret = &text.expose()[token.prefix.len() + 1..];
        assert_eq!(created(&token, Some(&text))["token"], text.expose());
        let others = [
            created(&token, None).to_string(),
            json(&token, token.created_at).to_string(),
            table(std::slice::from_ref(&token), token.created_at).join("\n"),
        ];
        for shown in others {
            assert!(!shown.contains(secret) && !shown.contains(&token.digest), "{shown}");
            assert!(shown.contains(&token.prefix), "{shown}");
        }
    }

    #[test]
    fn a_table_is_in_columns() {
        let (planner, _) = token(Scope::Planner, Reach::All, Some(from_micros(1_800_000_000_000_000)));
        let lines = table(std::slice::from_ref(&planner), planner.created_at);
        assert_eq!(lines.len(), 2);
        let at = |word: &str, line: usize| lines[line].find(word).expect(word);
        assert_eq!(at("STANDING", 0), at("expired", 1));
        assert_eq!(at("USERS", 0), at("all", 1));
    }
}
