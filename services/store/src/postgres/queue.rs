//! The queue on PostgreSQL: claims, renewals and ends as sets of rows on tokio-postgres, the rest as on any store.
//!
//! Handed to the engine in place of the general queue; the rows that either leaves behind are the same. `look` says
//! what a claim may take, `claim` has its statements, `apart` the claims that take more than those, `halves` when two claims
//! are made at once; `coming` has what is waited for, `finish` the ends and `plain` those that change the least.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use baton_domain::{
    error::Error,
    ids::{Chance, RunId},
    ports::{Store, StoreResult},
    schedule::{FinishedRun, Settled},
    services::{Claim, ClaimedRun, Claims, NextDue, Queue, StoreQueue, renewed_below},
    time::Timestamp,
};
use futures_util::future::{join, try_join};
use tokio::task::spawn_blocking;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    apart::{Apart, DueRow, claim_apart},
    claim::{CLAIM, HEAD_START, HOSTS_TURN, SETTLE_HINTS, claimed_of, hinted_of, require_moved},
    columns::{Place, param},
    coming::{next_due, next_of},
    finish::finish,
    halves::{Crowd, Part, both},
    look::{Due, Looks},
    pace::Pace,
    session::{Hot, Step, Work, micros_as_float},
};
use crate::{
    error::postgres_error,
    finishing::{Fast, Finishing},
    hot::Answers,
};

/// The ids of the running rows $1 that still carry the fences $2. Leases that end less than $5 microseconds after now ($3 or,
/// when that is NULL, the database's clock) are extended, to $4 microseconds after now. Of those, what somebody else has locked
/// is left out instead of waited for: its end is being recorded, or it is being taken back.
///
/// `<> 'planned'` says of a live row what `= 'running'` does, but fits no index of running rows, and `IS NOT DISTINCT FROM`
/// fits none at all: each lease would be looked for among all of them.
pub const RENEW: &str = "
WITH clock AS MATERIALIZED (
    SELECT COALESCE($3::timestamptz, CLOCK_TIMESTAMP()) AS now
), held AS MATERIALIZED (
    SELECT r.id,
           r.ctid AS place,
           r.lease_until < (SELECT now FROM clock) + $5 * INTERVAL '1 microsecond' AS ends_soon
      FROM UNNEST($1::uuid[], $2::bigint[]) AS lease (id, fence)
      JOIN live_runs r ON r.id = lease.id
     WHERE r.fence = lease.fence
       AND r.status <> 'planned'
), locked AS MATERIALIZED (
    SELECT r.id, r.ctid AS place
      FROM held h
      JOIN live_runs r ON r.ctid = h.place
     WHERE h.ends_soon
       AND r.id IS NOT DISTINCT FROM h.id
       FOR NO KEY UPDATE OF r SKIP LOCKED
), renewed AS (
    UPDATE live_runs r
       SET lease_until = (SELECT now FROM clock) + $4 * INTERVAL '1 microsecond'
      FROM locked l
     WHERE r.ctid = l.place
       AND r.id IS NOT DISTINCT FROM l.id
 RETURNING r.id
)
SELECT id FROM held WHERE NOT ends_soon
 UNION ALL
SELECT id FROM renewed";

/// Claims, renews and finishes by statements about sets of rows, instead of one endpoint after the other.
pub struct PostgresQueue {
    hot: Hot,
    general: StoreQueue,
    chance: Arc<dyn Chance>,
    looks: Looks,
    pace: Pace,
    crowd: Crowd,
}

impl PostgresQueue {
    /// `hot` must be of the same database as `store`.
    pub fn new(hot: Hot, store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        let general = StoreQueue::new(store, Arc::clone(&chance));
        Self {
            looks: Looks::new(hot.clone()),
            hot,
            general,
            chance,
            pace: Pace::default(),
            crowd: Crowd::default(),
        }
    }

    async fn claim(&self, claim: &Claim) -> StoreResult<Claims> {
        let floor = self.looks.floor.get(&self.hot, Some(claim.lease)).await;
        let lanes = floor.map(|(floor, _)| floor.lanes);
        let work = self.hot.work().await?;
        let halves = match self.crowd.halves_of(claim) {
            // Both connections before either half begins: what one has taken must not wait for the other's.
            Some(halves) => self.hot.work_beside().await.map(|other| (other, halves)),
            None => None,
        };
        let Some((other, [even, odd])) = halves else {
            let claims = self.claim_on(work, claim, lanes).await?;
            self.crowd.note(claim, &claims);
            return Ok(claims);
        };
        let even = self.claim_on(work, &even, Part::Even.lanes(lanes.clone()));
        let odd = self.claim_on(other, &odd, Part::Odd.lanes(lanes));
        let (even, odd) = join(even, odd).await;
        if even.is_err() || odd.is_err() {
            self.crowd.forget();
            return both(even, odd);
        }
        let claims = both(even, odd)?;
        self.crowd.note(claim, &claims);
        Ok(claims)
    }

    /// Looks in lanes that begin there.
    async fn claim_on(&self, work: Work, claim: &Claim, lanes: Option<Vec<Timestamp>>) -> StoreResult<Claims> {
        let look = self.looks.of(claim, lanes, &self.pace);
        if claim.host_concurrency.is_some() {
            work.one(Step::new(HOSTS_TURN, Vec::new())).await?;
        }
        let begun = Instant::now();
        let Due {
            rows: due,
            now,
            begins,
            cut,
            cut_set,
            ..
        } = self.looks.due(&work, look).await?;
        let (full, more) = (due.len() >= claim.limit, cut > 0 && !due.is_empty());
        self.pace.note_flood(if more && !full { cut_set } else { 0 });
        let order: HashMap<RunId, usize> = due.iter().map(|row| row.run).zip(0..).collect();
        let mut handed = Vec::new();
        let mut apart = Apart::default();
        if !due.is_empty() {
            handed = work.one(hand_over(claim, &due, now)).await?;
            require_moved(&handed)?;
            let hinted = hinted_of(&handed)?;
            if !hinted.is_empty() {
                let params = vec![param(now, Type::TIMESTAMPTZ), param(hinted, Type::UUID_ARRAY)];
                work.one(Step::new(SETTLE_HINTS, params)).await?;
            }
            let left = left_over(due, &handed).map_err(|error| postgres_error(&error))?;
            if !left.is_empty() {
                apart = claim_apart(&work, claim, &left, now, self.chance.as_ref()).await?;
            }
            self.pace.note(begun.elapsed());
            // Nobody sees it before its time.
            sleep_until(begins).await;
        }
        let commit = work.all_and_commit(Vec::new());
        // The commit is on its way while the rows are read.
        let read = async { handed.iter().map(claimed_of).collect::<StoreResult<Vec<ClaimedRun>>>() };
        let (_, mut runs) = try_join(commit, read).await?;
        let Apart { claimed, cooling } = apart;
        runs.extend(claimed);
        // As they were found: the first of every lane is called before the second of any.
        runs.sort_by_key(|claimed| order.get(&claimed.run.id).copied());
        if !cooling.is_empty() {
            self.hold_back(&cooling).await;
        }
        // Handed out only now that it is committed: a run that starts is a run that nobody else may start.
        Ok(Claims {
            runs,
            at: now,
            since: begins,
            more: full || more,
        })
    }

    /// Has the general way say what becomes of wishes within a cooldown. What it fails to do is due still, and met by the
    /// next claim; what was claimed beside them has been, and must be handed out.
    async fn hold_back(&self, cooling: &[RunId]) {
        if let Err(error) = self.general.hold_back(cooling).await {
            tracing::warn!(%error, runs = cooling.len(), "runs within a cooldown could not be held back");
        }
    }
}

#[async_trait]
impl Fast for PostgresQueue {
    async fn finish(&self, reports: &[FinishedRun]) -> StoreResult<Answers> {
        finish(&self.hot, &self.looks.floor, reports, self.chance.as_ref()).await
    }
}

/// What the claim's statement has not handed over.
fn left_over(due: Vec<DueRow>, handed: &[Row]) -> Result<Vec<DueRow>, tokio_postgres::Error> {
    if due.len() == handed.len() {
        return Ok(Vec::new());
    }
    let handed: BTreeSet<Uuid> = handed.iter().map(|row| row.try_get("id")).collect::<Result<_, _>>()?;
    Ok(due.into_iter().filter(|row| !handed.contains(&row.run.0)).collect())
}

fn hand_over(claim: &Claim, due: &[DueRow], now: Timestamp) -> Step {
    let ids: Vec<Uuid> = due.iter().map(|row| row.run.0).collect();
    let places = |of: fn(&DueRow) -> Place| due.iter().map(of).collect::<Vec<_>>();
    let params = vec![
        param(now, Type::TIMESTAMPTZ),
        param(ids, Type::UUID_ARRAY),
        param(claim.owner.clone(), Type::TEXT),
        param(micros_as_float(claim.lease), Type::FLOAT8),
        param(places(|row| row.place), Type::TID_ARRAY),
        param(places(|row| row.state), Type::TID_ARRAY),
    ];
    Step::new(CLAIM.as_str(), params)
}

/// To a fraction of a millisecond, which tokio's timers do not have: a thread of the pool for blocking work sleeps.
async fn sleep_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        let rest = move || thread::sleep(at.saturating_duration_since(Instant::now()));
        // It cannot panic, and at the end of the runtime nobody waits any more.
        let _ = spawn_blocking(rest).await;
    }
}

#[async_trait]
impl Queue for PostgresQueue {
    /// None by another clock than the database's: how long to wait for that is not known.
    fn head_start(&self) -> Duration {
        if self.hot.now().is_some() {
            Duration::ZERO
        } else {
            HEAD_START
        }
    }

    /// As many as claims: each is a chain of statements, of which one alone leaves part of the machine idle.
    fn reports_at_once(&self) -> usize {
        2
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        Ok(self.claim(claim).await?)
    }

    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error> {
        let (floor, good) = self.looks.floor.get(&self.hot, None).await.unzip();
        let earliest = floor.as_ref().and_then(|floor| floor.lanes.iter().min().copied());
        let mut params = vec![
            param(self.hot.now(), Type::TIMESTAMPTZ),
            param(claimed_at, Type::TIMESTAMPTZ),
            param(earliest, Type::TIMESTAMPTZ),
            param(floor.map(|floor| floor.leases), Type::TIMESTAMPTZ),
        ];
        params.extend(host_concurrency.map(|most| param(i64::from(most), Type::INT8)));
        let asked = Instant::now();
        let rows = self
            .hot
            .glance(Step::new(next_due(host_concurrency.is_some()), params))
            .await?;
        self.looks.floor.looked(asked.elapsed());
        // What turns up before a floor is found when that is no longer good.
        Ok(next_of(&rows, good)?)
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        let (ids, fences): (Vec<Uuid>, Vec<i64>) = leases.iter().map(|(id, fence)| (id.0, *fence)).unzip();
        let params = vec![
            param(ids, Type::UUID_ARRAY),
            param(fences, Type::INT8_ARRAY),
            param(self.hot.now(), Type::TIMESTAMPTZ),
            param(micros_as_float(lease), Type::FLOAT8),
            param(micros_as_float(renewed_below(lease)), Type::FLOAT8),
        ];
        let rows = self.hot.alone(Step::new(RENEW, params)).await?;
        let held: Result<Vec<RunId>, _> = rows.iter().map(|row| row.try_get("id").map(RunId)).collect();
        Ok(held.map_err(|error| postgres_error(&error))?)
    }

    #[tracing::instrument(skip_all, level = "debug")]
    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        let ways = Finishing {
            fast: self,
            general: &self.general,
        };
        ways.finish(finished).await
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        let taken_back = self.general.recover_lost(limit).await?;
        if taken_back > 0 {
            self.looks.floor.forget();
        }
        Ok(taken_back)
    }
}
