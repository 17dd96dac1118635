//! Transactions of the hot path: what it may expect of a connection, and statements sent without waiting in between.
//!
//! Connections of its own keep prepared statements and their settings. Behind a transaction pooler nothing of a session
//! lasts: there statements are unnamed, and settings are made anew in each transaction.

use std::time::Duration;

use baton_domain::{
    ports::{StoreResult, Topic},
    time::{Timestamp, truncate},
};
use deadpool_postgres::{Object, Pool, Transaction};
use futures_util::future::try_join_all;
use tokio_postgres::{
    Row, Statement,
    types::{ToSql, Type},
};

use super::columns::{Param, param};
use crate::{
    error::{pool_error, postgres_error},
    store::{DbClock, SqlStore, set_local},
    tx::CHANNEL,
    wakes::{Wakes, topic_name},
};

/// What pins the plans of the hot path. Its statements are made for their indexes; what the planner knows of a queue that
/// turns over within seconds is stale, and would have it sort everything that is due. `jit` is off because plans that
/// are discouraged but needed cost so much on paper that they would be compiled.
pub(crate) const PINNED: [(&str, &str); 8] = [
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_sort", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// Who keeps the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// This process: a session is a connection.
    Own,
    /// A transaction pooler: each transaction may be on another connection.
    Pooled,
}

/// The connections of the hot path, and what its transactions take from the store beside them.
#[derive(Clone)]
pub struct Hot {
    pool: Pool,
    clock: DbClock,
    wakes: Wakes,
    sessions: Sessions,
}

impl Hot {
    /// `pool` must reach the database of `store`.
    pub fn new(store: &SqlStore, pool: Pool, sessions: Sessions) -> Self {
        Self {
            pool,
            clock: store.clock.clone(),
            wakes: store.wakes.clone(),
            sessions,
        }
    }

    pub(crate) async fn connection(&self) -> StoreResult<Object> {
        self.pool.get().await.map_err(|error| pool_error(&error))
    }

    pub(crate) async fn begin<'c>(&self, client: &'c mut Object) -> StoreResult<Work<'c>> {
        let tx = client.transaction().await.map_err(|error| postgres_error(&error))?;
        if self.sessions == Sessions::Pooled {
            tx.batch_execute(&settings())
                .await
                .map_err(|error| postgres_error(&error))?;
        }
        Ok(Work {
            tx,
            sessions: self.sessions,
        })
    }

    /// One statement that is a transaction of its own.
    pub(crate) async fn alone(&self, step: Step) -> StoreResult<Vec<Row>> {
        let mut client = self.connection().await?;
        let work = self.begin(&mut client).await?;
        let rows = work.one(step).await?;
        work.commit().await?;
        Ok(rows)
    }

    /// What statements take for the present: `None` lets the database's clock decide.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        match &self.clock {
            DbClock::Database => None,
            DbClock::Injected(clock) => Some(truncate(clock.now())),
        }
    }

    /// Wakes those who wait in this process. Others hear the transaction's [`notify`].
    pub(crate) fn wake(&self, topic: Topic) {
        self.wakes.wake(topic);
    }
}

/// A statement with its parameters.
pub(crate) struct Step {
    sql: String,
    params: Vec<Param>,
}

impl Step {
    pub(crate) fn new(sql: impl Into<String>, params: Vec<Param>) -> Self {
        Self {
            sql: sql.into(),
            params,
        }
    }
}

/// A transaction. Dropped without a commit it leaves no trace.
pub(crate) struct Work<'c> {
    tx: Transaction<'c>,
    sessions: Sessions,
}

impl Work<'_> {
    /// The rows of one statement.
    pub(crate) async fn one(&self, step: Step) -> StoreResult<Vec<Row>> {
        Ok(self.all(vec![step]).await?.pop().unwrap_or_default())
    }

    /// Sends the statements in their order, without waiting for one before the next. Each sees what those before it did,
    /// and what others had committed when it began. The rows of each.
    pub(crate) async fn all(&self, steps: Vec<Step>) -> StoreResult<Vec<Vec<Row>>> {
        let mut prepared = Vec::with_capacity(steps.len());
        // All of them first: a statement that has yet to be prepared would be overtaken by those that are.
        for step in &steps {
            prepared.push(self.prepare(step).await?);
        }
        let sent = steps
            .iter()
            .zip(&prepared)
            .map(|(step, statement)| self.send(step, statement.as_ref()));
        try_join_all(sent).await.map_err(|error| postgres_error(&error))
    }

    pub(crate) async fn commit(self) -> StoreResult<()> {
        self.tx.commit().await.map_err(|error| postgres_error(&error))
    }

    async fn prepare(&self, step: &Step) -> StoreResult<Option<Statement>> {
        if self.sessions == Sessions::Pooled {
            return Ok(None);
        }
        let types: Vec<Type> = step.params.iter().map(|(_, kind)| kind.clone()).collect();
        let statement = self.tx.prepare_typed_cached(&step.sql, &types).await;
        statement.map(Some).map_err(|error| postgres_error(&error))
    }

    /// The request is on its way after the first poll.
    async fn send(&self, step: &Step, statement: Option<&Statement>) -> Result<Vec<Row>, tokio_postgres::Error> {
        match statement {
            Some(statement) => {
                let values: Vec<&(dyn ToSql + Sync)> = step.params.iter().map(|(value, _)| plain(value)).collect();
                self.tx.query(statement, &values).await
            }
            None => {
                let values: Vec<(&(dyn ToSql + Sync), Type)> = step
                    .params
                    .iter()
                    .map(|(value, kind)| (plain(value), kind.clone()))
                    .collect();
                self.tx.query_typed(&step.sql, &values).await
            }
        }
    }
}

#[expect(clippy::borrowed_box, reason = "the elements of a Param are boxes")]
fn plain(value: &Box<dyn ToSql + Sync + Send>) -> &(dyn ToSql + Sync) {
    value.as_ref()
}

/// Tells every listener of the topic once the transaction is committed; the last statement of it, because a transaction
/// with a pending notification holds a global lock while it commits.
pub(crate) fn notify(topic: Topic) -> Step {
    let texts = [CHANNEL, topic_name(topic)].map(|text| param(text, Type::TEXT));
    Step::new("SELECT pg_notify($1, $2)", texts.into())
}

/// One row: `now`, the time of the transaction: the given one, or the database's at this statement.
pub(crate) fn clock(now: Option<Timestamp>) -> Step {
    let now = param(now, Type::TIMESTAMPTZ);
    Step::new("SELECT COALESCE($1, CLOCK_TIMESTAMP()) AS now", vec![now])
}

/// What every transaction behind a pooler begins with.
fn settings() -> String {
    set_local(&super::TIMEOUTS) + &set_local(&PINNED)
}

/// PostgreSQL multiplies intervals by floats; whole microseconds of any lease are exact in one.
#[expect(clippy::cast_precision_loss, reason = "leases are far below 2^53 microseconds")]
pub(crate) fn micros_as_float(duration: Duration) -> f64 {
    baton_domain::time::micros(duration) as f64
}
