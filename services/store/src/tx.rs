//! One unit of work over a SeaORM transaction, the same for both databases.
//!
//! The repos in [`crate::repo`] implement the ports on [`SqlTx`]; this file has what they share: running statements,
//! writing many rows at once, and the commit that wakes.

use async_trait::async_trait;
use baton_domain::{
    error::StoreError,
    ports::{StoreResult, Topic, Tx},
    time::Timestamp,
};
use sea_orm::{
    ActiveModelTrait, ConnectionTrait as _, DatabaseTransaction, DbBackend, EntityTrait, FromQueryResult,
    IntoActiveModel, Iterable as _, PrimaryKeyToColumn, Statement, Value,
    sea_query::{IntoIden as _, OnConflict},
};

use crate::{
    error::store_error,
    store::DbClock,
    wakes::{Wakes, topic_name},
};

/// Parameters in one statement: SQLite allows 32 766 unless built otherwise, PostgreSQL 65 535.
const PARAMETERS: usize = 30_000;

/// What every transaction of this program is told on: see [`crate::postgres::listen`].
pub const CHANNEL: &str = "baton";

/// A transaction. Dropped without a commit it leaves no trace.
pub struct SqlTx {
    pub(crate) db: DatabaseTransaction,
    clock: DbClock,
    now: Timestamp,
    woken: Vec<Topic>,
    wakes: Wakes,
    /// On SQLite: the number of this transaction, once it has written runs.
    pub(crate) number: Option<i64>,
}

impl SqlTx {
    pub(crate) fn new(db: DatabaseTransaction, clock: DbClock, now: Timestamp, wakes: Wakes) -> Self {
        Self {
            db,
            clock,
            now,
            woken: Vec::new(),
            wakes,
            number: None,
        }
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.now
    }

    /// To be called once locks are there that may have been waited for.
    pub(crate) async fn move_time(&mut self) -> StoreResult<()> {
        self.now = self.now.max(self.clock.now(&self.db).await?);
        Ok(())
    }

    /// True on PostgreSQL, where other writers are at work at the same time.
    pub(crate) fn is_postgres(&self) -> bool {
        self.db.get_database_backend() == DbBackend::Postgres
    }

    /// The rows of a statement.
    pub(crate) async fn rows<T: FromQueryResult>(
        &self,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> StoreResult<Vec<T>> {
        let statement = Statement::from_sql_and_values(self.db.get_database_backend(), sql, values);
        let rows = self.db.query_all_raw(statement).await.map_err(store_error)?;
        rows.iter()
            .map(|row| T::from_query_result(row, ""))
            .collect::<Result<_, _>>()
            .map_err(store_error)
    }

    /// Adds rows, in as few statements as the parameters allow.
    pub(crate) async fn insert<E>(&self, rows: Vec<impl IntoActiveModel<E::ActiveModel>>) -> StoreResult<()>
    where
        E: EntityTrait,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
    {
        self.write_all::<E>(rows, None).await
    }

    /// Adds rows, or writes every column of those that are there.
    pub(crate) async fn upsert<E>(&self, rows: Vec<impl IntoActiveModel<E::ActiveModel>>) -> StoreResult<()>
    where
        E: EntityTrait,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
    {
        let keys: Vec<E::Column> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
        let names: Vec<String> = keys.iter().map(|key| key.into_iden().to_string()).collect();
        let others = E::Column::iter().filter(|column| !names.contains(&column.into_iden().to_string()));
        let conflict = OnConflict::columns(keys).update_columns(others).to_owned();
        self.write_all::<E>(rows, Some(conflict)).await
    }

    async fn write_all<E>(
        &self,
        rows: Vec<impl IntoActiveModel<E::ActiveModel>>,
        conflict: Option<OnConflict>,
    ) -> StoreResult<()>
    where
        E: EntityTrait,
        E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
    {
        let at_once = PARAMETERS / E::Column::iter().count();
        let mut rows = rows.into_iter().map(IntoActiveModel::into_active_model).peekable();
        while rows.peek().is_some() {
            let chunk: Vec<E::ActiveModel> = rows.by_ref().take(at_once).collect();
            let insert = E::insert_many(chunk);
            let insert = match &conflict {
                Some(conflict) => insert.on_conflict(conflict.clone()),
                None => insert,
            };
            insert.exec_without_returning(&self.db).await.map_err(store_error)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Tx for SqlTx {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn wake(&mut self, topic: Topic) {
        if !self.woken.contains(&topic) {
            self.woken.push(topic);
        }
    }

    async fn commit(self: Box<Self>) -> StoreResult<()> {
        // As late as can be: a transaction with a pending notification holds a global lock while it commits.
        if self.is_postgres() {
            for topic in &self.woken {
                let notify = Statement::from_sql_and_values(
                    DbBackend::Postgres,
                    "SELECT pg_notify($1, $2)",
                    [CHANNEL.into(), topic_name(*topic).into()],
                );
                self.db.execute_raw(notify).await.map_err(store_error)?;
            }
        }
        self.db.commit().await.map_err(store_error)?;
        for topic in self.woken {
            self.wakes.wake(topic);
        }
        Ok(())
    }
}

/// An expectation about rows that does not hold.
pub fn unexpected(message: impl Into<String>) -> StoreError {
    StoreError::Broken(message.into())
}
