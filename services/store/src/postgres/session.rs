//! Transactions of the hot path: what it may expect of a connection, and statements sent without waiting in between.
//!
//! Connections of its own keep prepared statements and their settings. Behind a transaction pooler nothing of a session
//! lasts: there statements are unnamed, and settings are made anew in each transaction.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use baton_domain::{
    ports::{StoreResult, Topic},
    time::{Timestamp, truncate},
};
use deadpool_postgres::{Object, Pool};
use futures_util::future::{try_join_all, try_join3};
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

    /// A transaction that begins with its first statements.
    pub(crate) async fn work(&self) -> StoreResult<Work> {
        let connection = self.pool.get().await.map_err(|error| pool_error(&error))?;
        Ok(self.work_on(connection))
    }

    /// The same beside another one, for whoever holds that and must not wait: `None` where no connection is free.
    pub(crate) async fn work_beside(&self) -> Option<Work> {
        let mut timeouts = self.pool.timeouts();
        timeouts.wait = Some(Duration::ZERO);
        let connection = self.pool.timeout_get(&timeouts).await.ok()?;
        Some(self.work_on(connection))
    }

    fn work_on(&self, connection: Object) -> Work {
        Work {
            connection: Some(connection),
            begun: AtomicBool::new(false),
            sessions: self.sessions,
        }
    }

    /// One statement that is a transaction of its own.
    pub(crate) async fn alone(&self, step: Step) -> StoreResult<Vec<Row>> {
        let done = self.work().await?.all_and_commit(vec![step]).await?;
        Ok(done.into_iter().next().unwrap_or_default())
    }

    /// One statement that reads. Where sessions keep the settings of the hot path it needs no transaction around it.
    pub(crate) async fn glance(&self, step: Step) -> StoreResult<Vec<Row>> {
        if self.sessions == Sessions::Pooled {
            return self.alone(step).await;
        }
        let mut work = self.work().await?;
        let begun = work.begun.get_mut();
        // Nothing to begin, so nothing to end.
        *begun = true;
        let rows = work.one(step).await;
        *work.begun.get_mut() = rows.is_err();
        rows
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

/// A transaction. Dropped without a commit it leaves no trace: its connection goes with it.
///
/// Its beginning and its end travel with the statements beside them, so neither costs a round trip of its own.
pub(crate) struct Work {
    /// `None` once it has been given back.
    connection: Option<Object>,
    begun: AtomicBool,
    sessions: Sessions,
}

impl Work {
    /// The rows of one statement.
    pub(crate) async fn one(&self, step: Step) -> StoreResult<Vec<Row>> {
        Ok(self.all(vec![step]).await?.pop().unwrap_or_default())
    }

    /// Sends the statements in their order, without waiting for one before the next. Each sees what those before it did,
    /// and what others had committed when it began. The rows of each.
    pub(crate) async fn all(&self, steps: Vec<Step>) -> StoreResult<Vec<Vec<Row>>> {
        self.send_all(steps, false).await
    }

    /// The same as the last statements of the transaction: what it did is committed when this returns, unless it fails.
    pub(crate) async fn all_and_commit(mut self, steps: Vec<Step>) -> StoreResult<Vec<Vec<Row>>> {
        // A server that refused a statement answers the commit behind it with a rollback, and that is no error; but then
        // the statement's own answer is one.
        let rows = self.send_all(steps, true).await?;
        drop(self.connection.take());
        Ok(rows)
    }

    async fn send_all(&self, steps: Vec<Step>, commit: bool) -> StoreResult<Vec<Vec<Row>>> {
        let client = self.client()?;
        let mut prepared = Vec::with_capacity(steps.len());
        // All of them first: a statement that has yet to be prepared would be overtaken by those that are.
        for step in &steps {
            prepared.push(self.prepare(client, step).await?);
        }
        let begin = (!self.begun.swap(true, Ordering::Relaxed)).then(|| self.beginning());
        let begin = async {
            match &begin {
                Some(begin) => client.batch_execute(begin).await,
                None => Ok(()),
            }
        };
        let sent = steps
            .iter()
            .zip(&prepared)
            .map(|(step, statement)| send(client, step, statement.as_ref()));
        let end = async {
            if commit {
                client.batch_execute("COMMIT").await
            } else {
                Ok(())
            }
        };
        // Polled in this order, and each is on its way after its first poll.
        let ((), rows, ()) = try_join3(begin, try_join_all(sent), end)
            .await
            .map_err(|error| postgres_error(&error))?;
        Ok(rows)
    }

    fn client(&self) -> StoreResult<&Object> {
        let connection = self.connection.as_ref();
        connection.ok_or_else(|| crate::tx::unexpected("a transaction goes on after its end"))
    }

    fn beginning(&self) -> String {
        match self.sessions {
            Sessions::Own => "BEGIN".to_owned(),
            Sessions::Pooled => format!("BEGIN;{}", settings()),
        }
    }

    async fn prepare(&self, client: &Object, step: &Step) -> StoreResult<Option<Statement>> {
        if self.sessions == Sessions::Pooled {
            return Ok(None);
        }
        let types: Vec<Type> = step.params.iter().map(|(_, kind)| kind.clone()).collect();
        let statement = client.prepare_typed_cached(&step.sql, &types).await;
        statement.map(Some).map_err(|error| postgres_error(&error))
    }
}

impl Drop for Work {
    /// A connection with an open transaction is not given back: the server rolls back when it ends.
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && self.begun.load(Ordering::Relaxed)
        {
            drop(Object::take(connection));
        }
    }
}

/// The request is on its way after the first poll.
async fn send(client: &Object, step: &Step, statement: Option<&Statement>) -> Result<Vec<Row>, tokio_postgres::Error> {
    match statement {
        Some(statement) => {
            let values: Vec<&(dyn ToSql + Sync)> = step.params.iter().map(|(value, _)| plain(value)).collect();
            client.query(statement, &values).await
        }
        None => {
            let values: Vec<(&(dyn ToSql + Sync), Type)> = step
                .params
                .iter()
                .map(|(value, kind)| (plain(value), kind.clone()))
                .collect();
            client.query_typed(&step.sql, &values).await
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
