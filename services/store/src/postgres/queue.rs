//! The queue on PostgreSQL: the claim on tokio-postgres, everything else as on any store.
//!
//! Handed to the engine in place of the general queue; the rows that either leaves behind are the same.

use std::time::Duration;

use async_trait::async_trait;
use baton_domain::{
    error::Error,
    ids::RunId,
    ports::StoreResult,
    schedule::{FinishedRun, Settled},
    services::{Claim, ClaimedRun, Claims, Queue, StoreQueue},
    time::{Timestamp, micros, truncate},
};
use deadpool_postgres::{Object, Pool, Transaction};
use tokio_postgres::Row;
use uuid::Uuid;

use super::claim::{CLAIM, LOCK_DUE, NEXT_DUE, claimed_of};
use crate::{
    error::{pool_error, postgres_error},
    store::DbClock,
};

/// Claims by two statements about sets of rows, instead of one endpoint after the other.
pub struct PostgresQueue {
    pool: Pool,
    clock: DbClock,
    general: StoreQueue,
}

impl PostgresQueue {
    /// `general` must be over the same database and clock.
    pub fn new(pool: Pool, clock: DbClock, general: StoreQueue) -> Self {
        Self { pool, clock, general }
    }

    /// What the statements take for the present: `None` lets the database's clock decide.
    fn now(&self) -> Option<Timestamp> {
        match &self.clock {
            DbClock::Database => None,
            DbClock::Injected(clock) => Some(truncate(clock.now())),
        }
    }

    async fn claim_rows(client: &mut Object, claim: &Claim, now: Option<Timestamp>) -> StoreResult<Vec<ClaimedRun>> {
        let tx = client.transaction().await.map_err(|error| postgres_error(&error))?;
        let Due { ids, now } = lock_due(&tx, claim.limit, now).await?;
        let Some(now) = now else { return Ok(Vec::new()) };
        let statement = tx.prepare_cached(CLAIM).await.map_err(|error| postgres_error(&error))?;
        let lease = micros_as_float(claim.lease);
        let rows = tx.query(&statement, &[&now, &ids, &claim.owner, &lease]).await;
        let claimed = rows
            .map_err(|error| postgres_error(&error))?
            .iter()
            .map(claimed_of)
            .collect::<Result<_, _>>()?;
        // Handed out only once it is committed: a run that starts is a run that nobody else may start.
        tx.commit().await.map_err(|error| postgres_error(&error))?;
        Ok(claimed)
    }

    async fn next_due_in(client: &Object, now: Option<Timestamp>) -> StoreResult<Option<Duration>> {
        let statement = client
            .prepare_cached(NEXT_DUE)
            .await
            .map_err(|error| postgres_error(&error))?;
        let row = client
            .query_one(&statement, &[&now])
            .await
            .map_err(|error| postgres_error(&error))?;
        let next: Option<i64> = row.try_get("next_due_us").map_err(|error| postgres_error(&error))?;
        Ok(next.map(|next| Duration::from_micros(u64::try_from(next).unwrap_or_default())))
    }
}

/// Rows that are locked and due at `now`, which is missing when there are none.
struct Due {
    ids: Vec<Uuid>,
    now: Option<Timestamp>,
}

/// Few lanes may have what others could take: then once more, with room for all of it in any of them.
async fn lock_due(tx: &Transaction<'_>, limit: usize, now: Option<Timestamp>) -> StoreResult<Due> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let looked = async {
        let statement = tx.prepare_cached(LOCK_DUE).await?;
        let rows = tx.query(&statement, &[&now, &limit, &None::<i64>]).await?;
        let Some(first) = rows.first() else { return Ok(rows) };
        let full = i64::try_from(rows.len()).is_ok_and(|found| found >= limit);
        if full || !first.try_get::<_, bool>("cut")? {
            return Ok(rows);
        }
        let now: Timestamp = first.try_get("now")?;
        tx.query(&statement, &[&Some(now), &limit, &Some(2 * limit)]).await
    };
    let due_of = |rows: Vec<Row>| {
        Ok(Due {
            ids: rows.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?,
            now: rows.first().map(|row| row.try_get("now")).transpose()?,
        })
    };
    looked.await.and_then(due_of).map_err(|error| postgres_error(&error))
}

/// PostgreSQL multiplies intervals by floats; whole microseconds of any lease are exact in one.
#[expect(clippy::cast_precision_loss, reason = "leases are far below 2^53 microseconds")]
fn micros_as_float(duration: Duration) -> f64 {
    micros(duration) as f64
}

#[async_trait]
impl Queue for PostgresQueue {
    #[tracing::instrument(skip_all, level = "debug")]
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        let mut client = self.pool.get().await.map_err(|error| pool_error(&error))?;
        let now = self.now();
        let runs = Self::claim_rows(&mut client, claim, now).await?;
        let next_due_in = Self::next_due_in(&client, now).await?;
        Ok(Claims { runs, next_due_in })
    }

    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        self.general.renew(leases, lease).await
    }

    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        self.general.finish_runs(finished).await
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        self.general.recover_lost(limit).await
    }
}
