//! The queue on PostgreSQL: claims, renewals and ends as sets of rows on tokio-postgres, the rest as on any store.
//!
//! Handed to the engine in place of the general queue; the rows that either leaves behind are the same. `claim` has the
//! claim's statements, `apart` the claims that take more than those, `finish` the ends.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use baton_domain::{
    error::{Error, StoreError},
    ids::{Chance, EndpointId, RunId},
    ports::{Store, StoreResult},
    schedule::{FinishedRun, Settled},
    services::{Claim, ClaimedRun, Claims, Queue, StoreQueue},
    time::Timestamp,
};
use futures_util::{FutureExt as _, future::BoxFuture};
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    apart::{DueRow, claim_apart},
    claim::{CLAIM, HOSTS_TURN, claimed_of, lock_due, next_due},
    columns::{list_of, param},
    finish::{finish, is_about_rows},
    session::{Hot, Step, Work, micros_as_float},
};
use crate::{entity::live_run, error::postgres_error, tx::unexpected};

/// Moves the running rows $1 that still carry the fences $2 to a lease that ends $4 microseconds after $3 or, when that
/// is NULL, the database's clock. Returns the ids of those that did. Locked in id order, as ends of runs lock them, before
/// any is moved: hence the count of all that are held. `<> 'planned'` says of a live row what `= 'running'` does, but fits no
/// index of running rows: each lease would be looked for among all of them.
const RENEW: &str = "
WITH held AS MATERIALIZED (
    SELECT r.id
      FROM live_runs r
     WHERE r.id = ANY($1)
       AND r.status = 'running'
     ORDER BY r.id
       FOR NO KEY UPDATE OF r
)
UPDATE live_runs r
   SET lease_until = COALESCE($3, CLOCK_TIMESTAMP()) + $4 * INTERVAL '1 microsecond'
  FROM UNNEST($1, $2) AS lease (id, fence)
 WHERE (SELECT COUNT(*) FROM held) > 0
   AND r.id = lease.id
   AND r.fence = lease.fence
   AND r.status <> 'planned'
RETURNING r.id";

/// How often a single report is tried that loses to another transaction each time.
const TRIES: u32 = 3;

/// Claims, renews and finishes by statements about sets of rows, instead of one endpoint after the other.
pub struct PostgresQueue {
    hot: Hot,
    general: StoreQueue,
    chance: Arc<dyn Chance>,
}

impl PostgresQueue {
    /// `hot` must be of the same database as `store`.
    pub fn new(hot: Hot, store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        let general = StoreQueue::new(store, Arc::clone(&chance));
        Self { hot, general, chance }
    }

    async fn claim(&self, claim: &Claim) -> StoreResult<Claims> {
        let work = self.hot.work().await?;
        let asked = self.hot.now();
        let per_host = claim.host_concurrency.map(i64::from);
        let Due { rows: due, now } = take_due(&work, claim.limit, per_host, asked).await?;
        let (mut runs, mut cooling) = (Vec::new(), Vec::new());
        if let Some(now) = now {
            let claimed = work.one(hand_over(claim, &due, now)).await?;
            runs = claimed.iter().map(claimed_of).collect::<Result<_, _>>()?;
            let left = left_over(due, &runs);
            if !left.is_empty() {
                let apart = claim_apart(&work, claim, &left, now, self.chance.as_ref()).await?;
                cooling = apart.cooling;
                runs.extend(apart.claimed);
                runs.sort_by_key(|claimed| (claimed.run.due_at, claimed.run.id));
            }
        }
        // Handed out only once it is committed: a run that starts is a run that nobody else may start.
        let next = work.all_and_commit(vec![what_next(asked, per_host)]).await?;
        let next_due_in = next_due_in(next.first().map(Vec::as_slice).unwrap_or_default())?;
        if !cooling.is_empty() {
            self.hold_back(&cooling).await;
        }
        Ok(Claims { runs, next_due_in })
    }

    /// Has the general way say what becomes of wishes within a cooldown. What it fails to do is due still, and met by the
    /// next claim; what was claimed beside them has been, and must be handed out.
    async fn hold_back(&self, cooling: &[RunId]) {
        if let Err(error) = self.general.hold_back(cooling).await {
            tracing::warn!(%error, runs = cooling.len(), "runs within a cooldown could not be held back");
        }
    }

    /// Answers each report. What fails for the sake of its rows is halved until the one at fault stands alone; a database
    /// that is away fails the whole, and whoever reports tries again: what was recorded before then answers as refused.
    fn finish_batch<'a>(&'a self, reports: &'a [FinishedRun]) -> BoxFuture<'a, Result<Vec<Settled>, Error>> {
        async move {
            match finish(&self.hot, reports, self.chance.as_ref()).await {
                Ok(answers) => self.finish_rest(reports, answers).await,
                Err(error) if !is_about_rows(&error) => Err(error.into()),
                Err(_) if reports.len() > 1 => {
                    let (left, right) = reports.split_at(reports.len() / 2);
                    let mut answers = self.finish_batch(left).await?;
                    answers.extend(self.finish_batch(right).await?);
                    Ok(answers)
                }
                Err(_) => self.finish_alone(reports).await,
            }
        }
        .boxed()
    }

    /// Has the general way answer what the fast one left out.
    async fn finish_rest(&self, reports: &[FinishedRun], answers: Vec<Option<Settled>>) -> Result<Vec<Settled>, Error> {
        let rest: Vec<FinishedRun> = reports
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.is_none())
            .map(|(report, _)| report.clone())
            .collect();
        let mut settled = self.finish_generally(&rest).await?.into_iter();
        let answers = answers.into_iter().map(|answer| answer.or_else(|| settled.next()));
        let answers: Option<Vec<Settled>> = answers.collect();
        Ok(answers.ok_or_else(|| unexpected("an answer for each report"))?)
    }

    async fn finish_generally(&self, reports: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        match self.general.finish_runs(reports).await {
            Err(Error::Store(error)) if is_about_rows(&error) => {
                let mut answers = Vec::with_capacity(reports.len());
                for report in reports {
                    answers.extend(self.finish_alone(std::slice::from_ref(report)).await?);
                }
                Ok(answers)
            }
            done => done,
        }
    }

    /// One report, as on any store. One that cannot be written is told of and let go: its lease runs out, and the run is
    /// taken up again.
    async fn finish_alone(&self, report: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        for _ in 0..TRIES {
            match self.general.finish_runs(report).await {
                Err(Error::Store(StoreError::Conflict(_))) => {}
                Err(Error::Store(error)) if !is_about_rows(&error) => return Err(error.into()),
                Err(error) => {
                    tell_unrecorded(report, &error);
                    return Ok(vec![Settled::Unrecorded; report.len()]);
                }
                Ok(answers) => return Ok(answers),
            }
        }
        let lost = StoreError::Conflict(format!("lost to another transaction {TRIES} times"));
        tell_unrecorded(report, &lost);
        Ok(vec![Settled::Unrecorded; report.len()])
    }
}

fn tell_unrecorded(reports: &[FinishedRun], error: &dyn std::fmt::Display) {
    for report in reports {
        tracing::error!(run_id = %report.run_id, %error, "the end of a run could not be recorded");
    }
}

/// Rows that are locked and due at `now`, which is missing when there are none.
struct Due {
    rows: Vec<DueRow>,
    now: Option<Timestamp>,
}

/// Few lanes may have what others could take: then once more, with room for all of it in any of them.
async fn take_due(work: &Work, limit: usize, per_host: Option<i64>, now: Option<Timestamp>) -> StoreResult<Due> {
    if per_host.is_some() {
        work.one(Step::new(HOSTS_TURN, Vec::new())).await?;
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let look = |now: Option<Timestamp>, share: Option<i64>| {
        let mut params = vec![
            param(now, Type::TIMESTAMPTZ),
            param(limit, Type::INT8),
            param(share, Type::INT8),
        ];
        params.extend(per_host.map(|most| param(most, Type::INT8)));
        work.one(Step::new(lock_due(per_host.is_some()), params))
    };
    let mut rows = look(now, None).await?;
    let first = rows.first().map(|row| Ok((row.try_get("now")?, row.try_get("cut")?)));
    let first: Option<(Timestamp, bool)> = first.transpose().map_err(|error| postgres_error(&error))?;
    let full = i64::try_from(rows.len()).is_ok_and(|found| found >= limit);
    if let Some((now, true)) = first.filter(|_| !full) {
        rows = look(Some(now), Some(2 * limit)).await?;
    }
    let read = || {
        Ok(Due {
            rows: rows.iter().map(due_row).collect::<Result<_, _>>()?,
            now: rows.first().map(|row| row.try_get("now")).transpose()?,
        })
    };
    read().map_err(|error| postgres_error(&error))
}

fn due_row(row: &Row) -> Result<DueRow, tokio_postgres::Error> {
    Ok(DueRow {
        run: RunId(row.try_get("id")?),
        endpoint: EndpointId(row.try_get("endpoint_id")?),
    })
}

/// What the claim's statement has not handed over.
fn left_over(due: Vec<DueRow>, claimed: &[ClaimedRun]) -> Vec<DueRow> {
    if due.len() == claimed.len() {
        return Vec::new();
    }
    let claimed: BTreeSet<RunId> = claimed.iter().map(|claimed| claimed.run.id).collect();
    due.into_iter().filter(|row| !claimed.contains(&row.run)).collect()
}

fn hand_over(claim: &Claim, due: &[DueRow], now: Timestamp) -> Step {
    let ids: Vec<Uuid> = due.iter().map(|row| row.run.0).collect();
    let params = vec![
        param(now, Type::TIMESTAMPTZ),
        param(ids, Type::UUID_ARRAY),
        param(claim.owner.clone(), Type::TEXT),
        param(micros_as_float(claim.lease), Type::FLOAT8),
    ];
    Step::new(CLAIM.replace("{row}", &list_of::<live_run::Model>("r")), params)
}

fn what_next(asked: Option<Timestamp>, per_host: Option<i64>) -> Step {
    let mut params = vec![param(asked, Type::TIMESTAMPTZ)];
    params.extend(per_host.map(|most| param(most, Type::INT8)));
    Step::new(next_due(per_host.is_some()), params)
}

fn next_due_in(rows: &[Row]) -> StoreResult<Option<Duration>> {
    let row = rows.first().ok_or_else(|| unexpected("one row says what comes next"))?;
    let next: Option<i64> = row.try_get("next_due_us").map_err(|error| postgres_error(&error))?;
    Ok(next.map(|next| Duration::from_micros(u64::try_from(next).unwrap_or_default())))
}

#[async_trait]
impl Queue for PostgresQueue {
    #[tracing::instrument(skip_all, level = "debug")]
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        Ok(self.claim(claim).await?)
    }

    async fn next_due_in(&self) -> Result<Option<Duration>, Error> {
        let rows = self.hot.glance(what_next(self.hot.now(), None)).await?;
        Ok(next_due_in(&rows)?)
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        let (ids, fences): (Vec<Uuid>, Vec<i64>) = leases.iter().map(|(id, fence)| (id.0, *fence)).unzip();
        let params = vec![
            param(ids, Type::UUID_ARRAY),
            param(fences, Type::INT8_ARRAY),
            param(self.hot.now(), Type::TIMESTAMPTZ),
            param(micros_as_float(lease), Type::FLOAT8),
        ];
        let rows = self.hot.alone(Step::new(RENEW, params)).await?;
        let held: Result<Vec<RunId>, _> = rows.iter().map(|row| row.try_get("id").map(RunId)).collect();
        Ok(held.map_err(|error| postgres_error(&error))?)
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        self.finish_batch(finished).await
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        self.general.recover_lost(limit).await
    }
}
