//! The port [`Store`] over SeaORM, the same for both databases.
//!
//! [`crate::sqlite`] and [`crate::postgres`] open it. Writers and readers have pools of their own: SQLite has one
//! writer, so write transactions queue for it and never fail half-way for want of the lock.

use std::{fs::File, sync::Arc};

use async_trait::async_trait;
use baton_domain::{
    error::StoreError,
    ports::{Store, StoreResult, Topic, Tx},
    time::{Clock, Timestamp, truncate},
};
use futures_core::stream::BoxStream;
use sea_orm::{
    AccessMode, ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, FromQueryResult as _,
    IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};

use crate::{error::store_error, postgres::partitions, tx::SqlTx, wakes::Wakes};

/// Whose clock decides what is due.
#[derive(Clone)]
pub enum DbClock {
    /// The database's own: what schedulers that share a PostgreSQL agree on.
    Database,
    /// This one: on SQLite, whose only process it is, and in tests.
    Injected(Arc<dyn Clock>),
}

impl DbClock {
    pub(crate) async fn now(&self, tx: &DatabaseTransaction) -> StoreResult<Timestamp> {
        match self {
            Self::Injected(clock) => Ok(truncate(clock.now())),
            Self::Database => database_time(tx).await,
        }
    }
}

/// A store on SQLite or PostgreSQL.
pub struct SqlStore {
    pub(crate) writer: DatabaseConnection,
    pub(crate) reader: DatabaseConnection,
    pub(crate) clock: DbClock,
    pub(crate) wakes: Wakes,
    /// What each transaction sets for itself, where connections do not keep it.
    pub(crate) settings: Option<&'static [(&'static str, &'static str)]>,
    /// Held as long as the store lives: says that this process serves from the SQLite file.
    pub(crate) _serving: Option<File>,
}

impl SqlStore {
    async fn transaction(&self, db: &DatabaseConnection, options: TransactionOptions) -> StoreResult<Box<dyn Tx>> {
        let tx = db.begin_with_options(options).await.map_err(store_error)?;
        if let Some(settings) = self.settings {
            tx.execute_unprepared(&set_local(settings)).await.map_err(store_error)?;
        }
        let now = self.clock.now(&tx).await?;
        Ok(Box::new(SqlTx::new(tx, self.clock.clone(), now, self.wakes.clone())))
    }

    fn is_postgres(&self) -> bool {
        self.writer.get_database_backend() == DbBackend::Postgres
    }
}

/// Statements that make these settings until the end of the transaction.
pub(crate) fn set_local(settings: &[(&str, &str)]) -> String {
    let set = settings
        .iter()
        .map(|(name, value)| format!("SET LOCAL {name} = '{value}';"));
    set.collect()
}

/// PostgreSQL's clock, in whole microseconds as it keeps them.
async fn database_time(tx: &DatabaseTransaction) -> StoreResult<Timestamp> {
    #[derive(sea_orm::FromQueryResult)]
    struct Now {
        now: Timestamp,
    }
    let ask = Statement::from_string(DbBackend::Postgres, "SELECT CLOCK_TIMESTAMP() AS now");
    let row = tx.query_one_raw(ask).await.map_err(store_error)?;
    let row = row.ok_or_else(|| crate::tx::unexpected("the database did not tell the time"))?;
    Ok(Now::from_query_result(&row, "").map_err(store_error)?.now)
}

#[async_trait]
impl Store for SqlStore {
    /// On SQLite the write lock is taken at once; on PostgreSQL each statement sees what was committed before it.
    #[tracing::instrument(skip_all, level = "debug")]
    async fn begin(&self) -> StoreResult<Box<dyn Tx>> {
        let mode = (!self.is_postgres()).then_some(SqliteTransactionMode::Immediate);
        self.transaction(
            &self.writer,
            TransactionOptions {
                sqlite_transaction_mode: mode,
                ..Default::default()
            },
        )
        .await
    }

    /// One snapshot for all that is read.
    #[tracing::instrument(skip_all, level = "debug")]
    async fn read(&self) -> StoreResult<Box<dyn Tx>> {
        let options = if self.is_postgres() {
            TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                sqlite_transaction_mode: None,
            }
        } else {
            TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Deferred),
                ..Default::default()
            }
        };
        self.transaction(&self.reader, options).await
    }

    fn wakes(&self, topic: Topic) -> BoxStream<'static, ()> {
        self.wakes.stream(topic)
    }

    async fn check(&self) -> StoreResult<()> {
        // The server's own sessions are handed out once they have answered, without a query. A pooler answers for itself.
        if self.is_postgres() && self.settings.is_none() {
            let pool = self.reader.get_postgres_connection_pool();
            let connection = pool.acquire().await;
            return connection
                .map(drop)
                .map_err(|error| StoreError::Unavailable(crate::error::detail(&error)));
        }
        self.reader
            .execute_unprepared("SELECT 1")
            .await
            .map(drop)
            .map_err(store_error)
    }

    async fn arrange_history(&self, kept_from: Timestamp) -> StoreResult<u64> {
        if !self.is_postgres() {
            return Ok(0);
        }
        let now = self.read().await?.now();
        partitions::arrange(&self.writer, now, kept_from).await
    }
}
