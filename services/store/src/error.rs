//! Sorts what the two database drivers report into the three kinds that callers can act on.

use baton_domain::error::StoreError;
use sea_orm::{DbErr, RuntimeErr, sqlx};

/// Sorts an error of SeaORM.
pub fn store_error(error: DbErr) -> StoreError {
    let kind = match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Kind::Unavailable,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => sqlx_kind(cause),
        _ => Kind::Broken,
    };
    kind.with(error.to_string())
}

/// Sorts an error of a pool of sqlx.
pub fn acquire_error(error: sqlx::Error) -> StoreError {
    store_error(DbErr::Query(RuntimeErr::SqlxError(error.into())))
}

/// Sorts an error of rusqlite.
pub fn rusqlite_error(error: &rusqlite::Error) -> StoreError {
    let kind = match error.sqlite_error() {
        Some(cause) => sqlite_kind(&cause.extended_code.to_string()),
        None => Kind::Broken,
    };
    kind.with(error.to_string())
}

/// Sorts an error of tokio-postgres.
pub fn postgres_error(error: &tokio_postgres::Error) -> StoreError {
    let kind = match error.code() {
        Some(code) => sqlstate_kind(code.code()),
        None if error.is_closed()
            || std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<std::io::Error>) =>
        {
            Kind::Unavailable
        }
        None => Kind::Broken,
    };
    kind.with(detail(error))
}

/// Sorts an error of the tokio-postgres pool: without a connection there is no database.
pub fn pool_error(error: &deadpool_postgres::PoolError) -> StoreError {
    match error {
        deadpool_postgres::PoolError::Backend(cause) if cause.code().is_some() => postgres_error(cause),
        other => Kind::Unavailable.with(detail(other)),
    }
}

/// The whole chain of an error in one line: tokio-postgres names the cause only there.
pub fn detail(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unavailable,
    Conflict,
    Broken,
}

impl Kind {
    fn with(self, message: String) -> StoreError {
        match self {
            Self::Unavailable => StoreError::Unavailable(message),
            Self::Conflict => StoreError::Conflict(message),
            Self::Broken => StoreError::Broken(message),
        }
    }
}

fn sqlx_kind(error: &sqlx::Error) -> Kind {
    match error {
        sqlx::Error::Database(cause) => {
            let code = cause.code().unwrap_or_default();
            if cause.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                sqlite_kind(&code)
            } else {
                sqlstate_kind(&code)
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Kind::Unavailable,
        _ => Kind::Broken,
    }
}

/// SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn sqlstate_kind(code: &str) -> Kind {
    match code {
        // serialization_failure, deadlock_detected, unique_violation, foreign_key_violation: somebody else was first
        "40001" | "40P01" | "23505" | "23503" => Kind::Conflict,
        // query_canceled (statement_timeout), lock_not_available (lock_timeout), idle_in_transaction_session_timeout
        "57014" | "55P03" | "25P03" => Kind::Unavailable,
        // connection exceptions, insufficient resources, operator intervention (shutdown, crash)
        code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P0") => Kind::Unavailable,
        _ => Kind::Broken,
    }
}

/// Extended result codes: <https://www.sqlite.org/rescode.html>. The low byte is the primary code.
fn sqlite_kind(code: &str) -> Kind {
    const BUSY: i64 = 5;
    const LOCKED: i64 = 6;
    const BUSY_SNAPSHOT: i64 = 517;
    const IO: i64 = 10;
    const FULL: i64 = 13;
    const CANNOT_OPEN: i64 = 14;
    const CONSTRAINT_FOREIGN_KEY: i64 = 787;
    const CONSTRAINT_PRIMARY_KEY: i64 = 1_555;
    const CONSTRAINT_UNIQUE: i64 = 2_067;
    let Ok(code) = code.parse::<i64>() else {
        return Kind::Broken;
    };
    match (code, code & 0xff) {
        (CONSTRAINT_FOREIGN_KEY | CONSTRAINT_PRIMARY_KEY | CONSTRAINT_UNIQUE | BUSY_SNAPSHOT, _) => Kind::Conflict,
        // Writers of this process take turns: another one holds the file, whatever is to be written.
        (_, BUSY | LOCKED | IO | FULL | CANNOT_OPEN) => Kind::Unavailable,
        _ => Kind::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, sqlite_kind, sqlstate_kind};

    #[test]
    fn sqlstates_are_sorted_by_what_a_caller_can_do() {
        let table = [
            ("40001", Kind::Conflict),
            ("40P01", Kind::Conflict),
            ("23505", Kind::Conflict),
            ("57P01", Kind::Unavailable),
            ("57P03", Kind::Unavailable),
            ("53300", Kind::Unavailable),
            ("53100", Kind::Unavailable),
            ("08006", Kind::Unavailable),
            ("57014", Kind::Unavailable),
            ("55P03", Kind::Unavailable),
            ("23503", Kind::Conflict),
            ("42P01", Kind::Broken),
        ];
        for (code, kind) in table {
            assert_eq!(sqlstate_kind(code), kind, "{code}");
        }
    }

    #[test]
    fn sqlite_codes_are_sorted_by_what_a_caller_can_do() {
        let table = [
            ("5", Kind::Unavailable),
            ("6", Kind::Unavailable),
            ("517", Kind::Conflict),
            ("1555", Kind::Conflict),
            ("2067", Kind::Conflict),
            ("13", Kind::Unavailable),
            ("778", Kind::Unavailable),
            ("787", Kind::Conflict),
            ("8", Kind::Broken),
        ];
        for (code, kind) in table {
            assert_eq!(sqlite_kind(code), kind, "{code}");
        }
    }
}
