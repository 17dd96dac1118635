//! The stores under test: the contract suite on every database, and what only a real database can show.

mod changes;
mod checkpoints;
mod claims;
mod databases;
mod dump;
mod finishes;
mod halves;
mod head_start;
mod history;
mod hosts;
mod looks;
mod plans;
mod polling;
mod races;
mod rows;
mod schema;
mod searches;
mod start;
mod submits;
mod upgrades;
mod wakes;

/// The embedded default: claims and ends on rusqlite.
mod sqlite {
    baton_domain::contract_suite!(
        #[tokio::test]
        crate::databases::sqlite_world()
    );
}

/// SQLite with the claim that every store shares.
mod sqlite_general {
    baton_domain::contract_suite!(
        #[tokio::test]
        crate::databases::general_sqlite_world()
    );
}

/// PostgreSQL as the scheduler uses it: the claim on tokio-postgres.
mod postgres {
    baton_domain::contract_suite!(
        #[tokio::test]
        crate::databases::postgres_world()
    );
}

/// PostgreSQL with the claim that every store shares.
mod postgres_general {
    baton_domain::contract_suite!(
        #[tokio::test]
        crate::databases::general_postgres_world()
    );
}
