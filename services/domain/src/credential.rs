//! Credentials: what a caller may do and in whose name, and the API tokens that prove it.
//!
//! A token's secret has 256 random bits, so one SHA-256 is as good as any slow hash: there is nothing to guess. It is
//! looked up by that hash, whose bytes a caller cannot steer; comparing it tells nothing of the secret by its timing. Only
//! the hash and a random visible prefix are stored.

use std::{collections::BTreeSet, fmt};

use sha2::{Digest as _, Sha256};

use crate::{
    error::{Error, Violations},
    ids::{Chance, TokenId, UserId},
    limits,
    run::stored_enum,
    time::Timestamp,
};

stored_enum!(
    /// What a credential is for. Which call needs which is told once, beside the handlers.
    Scope {
        Jobs => "jobs",
        Runs => "runs",
        Planner => "planner",
        Admin => "admin",
    }
);

/// Whose data a credential reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every user's. Planners only.
    All,
    Users(BTreeSet<UserId>),
}

impl Reach {
    /// One user's.
    pub fn of(user: UserId) -> Self {
        Self::Users(BTreeSet::from([user]))
    }

    pub fn covers(&self, user: &UserId) -> bool {
        match self {
            Self::All => true,
            Self::Users(users) => users.contains(user),
        }
    }

    /// The user, when it is exactly one.
    pub fn sole(&self) -> Option<&UserId> {
        match self {
            Self::Users(users) if users.len() == 1 => users.first(),
            Self::Users(_) | Self::All => None,
        }
    }
}

/// What the bearer of a credential may do, and in whose name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    scopes: BTreeSet<Scope>,
    reach: Reach,
}

impl Grant {
    /// A grant as credentials carry it: a planner's has no other scope, so that the credential decides the source of
    /// what it causes; any other belongs to one user.
    ///
    /// # Errors
    /// Every violation, by field.
    pub fn new(scopes: BTreeSet<Scope>, reach: Reach) -> Result<Self, Error> {
        let mut violations = Violations::default();
        let planner = scopes.contains(&Scope::Planner);
        violations.check(!scopes.is_empty(), "scopes", "must name at least one scope");
        violations.check(
            !planner || scopes.len() == 1,
            "scopes",
            "planner stands alone: what a planner causes must not be mistaken for a person's",
        );
        if let Reach::Users(users) = &reach {
            check_users(users, &mut violations);
        }
        violations.check(
            planner || reach.sole().is_some(),
            "users",
            "must name exactly one user unless the scope is planner",
        );
        violations.into_result()?;
        Ok(Self { scopes, reach })
    }

    /// Every scope of one user: what everybody has while nobody authenticates.
    pub fn unrestricted(user: UserId) -> Self {
        Self {
            scopes: Scope::ALL.iter().copied().collect(),
            reach: Reach::of(user),
        }
    }

    pub fn scopes(&self) -> &BTreeSet<Scope> {
        &self.scopes
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

fn check_users(users: &BTreeSet<UserId>, violations: &mut Violations) {
    let count = (1..=limits::USERS_PER_CREDENTIAL).contains(&users.len());
    violations.check(count, "users", "must name 1 to 100 users");
    for UserId(user) in users {
        let fits = (1..=limits::NAME_CHARS).contains(&user.chars().count());
        let plain = user.trim() == user && !user.chars().any(char::is_control);
        violations.check(
            fits && plain,
            "users",
            format!("{user:?} must have 1 to 255 printable characters and no blanks around them"),
        );
    }
}

/// What is stored of an API token: all but its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    /// What it is for, in an operator's words.
    pub name: String,
    /// The part of the token that may be shown: `baton_` and eight random digits that are not part of the secret.
    pub prefix: String,
    /// SHA-256 of the whole token, in hex.
    pub digest: String,
    pub grant: Grant,
    pub created_at: Timestamp,
    /// Accepted before this only.
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
}

/// Whether a token is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Valid,
    Expired,
    Revoked,
}

impl Standing {
    /// Lower-case name for tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl Token {
    pub fn standing(&self, now: Timestamp) -> Standing {
        if self.revoked_at.is_some() {
            Standing::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Standing::Expired
        } else {
            Standing::Valid
        }
    }
}

/// Which token, as an operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    Id(TokenId),
    Prefix(String),
}

impl TokenName {
    /// An id, or else a prefix.
    pub fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Prefix(text.to_owned()), Self::Id)
    }
}

const MARK: &str = "baton_";
const PREFIX_DIGITS: usize = 8;
const SECRET_DIGITS: usize = 64;

/// A token as its bearer sends it: `baton_`, eight digits, `_`, 64 digits, all in lower-case hex. Never stored, and
/// never shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// A new one: 32 bits to be known by, and 256 that are the secret.
    pub fn mint(chance: &dyn Chance) -> Self {
        let prefix = (chance.bits() >> 96) & 0xffff_ffff;
        Self(format!(
            "{MARK}{prefix:08x}_{:032x}{:032x}",
            chance.bits(),
            chance.bits()
        ))
    }

    /// `None` for what cannot be a token, whoever made it.
    pub fn read(text: &str) -> Option<Self> {
        let (prefix, secret) = text.strip_prefix(MARK)?.split_once('_')?;
        let digits = |text: &str, count: usize| {
            text.len() == count && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let formed = digits(prefix, PREFIX_DIGITS) && digits(secret, SECRET_DIGITS);
        formed.then(|| Self(text.to_owned()))
    }

    /// The whole token, secret included.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part that may be shown.
    pub fn prefix(&self) -> &str {
        &self.0[..MARK.len() + PREFIX_DIGITS]
    }

    /// What it is stored and looked up by.
    pub fn digest(&self) -> String {
        let digest = Sha256::digest(self.0.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenText({}_…)", self.prefix())
    }
}

/// Something that a known caller tried and was not allowed. Nothing is kept of callers that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Denial {
    /// Which credential, such as `token:ID` or `certificate:NAME`.
    pub credential: String,
    /// Path of the RPC.
    pub method: String,
    /// Why not, such as `SCOPE_MISSING`.
    pub reason: String,
}

/// How often the same was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DenialRecord {
    pub denial: Denial,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
}

#[cfg(test)]
mod tests;
