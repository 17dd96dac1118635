//! The queue on PostgreSQL: claims, renewals and ends as sets of rows on tokio-postgres, the rest as on any store.
//!
//! Handed to the engine in place of the general queue; the rows that either leaves behind are the same. `claim` has the
//! claim's statements, `apart` the claims that take more than those, `coming` what is waited for, `finish` the ends.

use std::{
    collections::BTreeSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use baton_domain::{
    error::Error,
    ids::{Chance, EndpointId, RunId},
    limits,
    ports::{Store, StoreResult},
    schedule::{FinishedRun, Settled},
    services::{Claim, ClaimedRun, Claims, NextDue, Queue, StoreQueue},
    time::Timestamp,
};
use futures_util::future::try_join;
use tokio::task::spawn_blocking;
use tokio_postgres::{Row, types::Type};
use uuid::Uuid;

use super::{
    apart::{Apart, DueRow, claim_apart},
    claim::{CLAIM, HEAD_START, HOSTS_TURN, SETTLE_HINTS, claimed_of, hinted_of, lock_due, require_moved},
    columns::{Place, param},
    coming::{next_due, next_of},
    finish::finish,
    floor::LastFloor,
    pace::Pace,
    seldom::Seldom,
    session::{Hot, Step, Work, micros_as_float},
};
use crate::{
    error::postgres_error,
    finishing::{Fast, Finishing},
    hot::Answers,
    mapping::number,
    repo::queue::wider_share,
    tx::unexpected,
};

/// Moves the running rows $1 that still carry the fences $2 to a lease that ends $4 microseconds after $3 or, when that
/// is NULL, the database's clock. Returns the ids of those that did. What somebody else has locked is left out instead of
/// waited for: its end is being recorded, or it is being taken back. `<> 'planned'` says of a live row what `= 'running'`
/// does, but fits no index of running rows: each lease would be looked for among all of them.
const RENEW: &str = "
WITH held AS MATERIALIZED (
    SELECT r.id, r.fence
      FROM live_runs r
     WHERE r.id = ANY($1)
       AND r.status <> 'planned'
       FOR NO KEY UPDATE OF r SKIP LOCKED
)
UPDATE live_runs r
   SET lease_until = COALESCE($3, CLOCK_TIMESTAMP()) + $4 * INTERVAL '1 microsecond'
  FROM held h, UNNEST($1, $2) AS lease (id, fence)
 WHERE lease.id = h.id
   AND lease.fence = h.fence
   AND r.id = h.id
RETURNING r.id";

/// Claimers that may look at the same lane at one moment and still find something there.
const CROWD: usize = 4;

/// How many rows of a lane a look searches for some that may start; where a second look may take more of it, this many times
/// as many as that. What may start may stand behind many that may not: all rows are searched when nothing was found, and as
/// often as that takes a small part of the time.
const NEAR: usize = 48;
const NEAR_TIMES: usize = 4;

/// Claims, renews and finishes by statements about sets of rows, instead of one endpoint after the other.
pub struct PostgresQueue {
    hot: Hot,
    general: StoreQueue,
    chance: Arc<dyn Chance>,
    searches: Seldom,
    floor: LastFloor,
    pace: Pace,
}

impl PostgresQueue {
    /// `hot` must be of the same database as `store`.
    pub fn new(hot: Hot, store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        let general = StoreQueue::new(store, Arc::clone(&chance));
        Self {
            hot,
            general,
            chance,
            searches: Seldom::default(),
            floor: LastFloor::default(),
            pace: Pace::default(),
        }
    }

    async fn claim(&self, claim: &Claim) -> StoreResult<Claims> {
        let floor = self.floor.get(&self.hot, Some(claim.lease)).await;
        let work = self.hot.work().await?;
        if claim.host_concurrency.is_some() {
            work.one(Step::new(HOSTS_TURN, Vec::new())).await?;
        }
        let begun = Instant::now();
        let look = Look {
            now: self.hot.now(),
            limit: claim.limit,
            share: None,
            near: !self.searches.is_time(),
            per_host: claim.host_concurrency.map(i64::from),
            lanes: floor.map(|(floor, _)| floor.lanes),
            as_of: claim.as_of,
            takes: self.pace.expected(),
        };
        let Due {
            rows: due,
            now,
            begins,
            cut,
            ..
        } = self.take_due(&work, look).await?;
        let more = due.len() >= claim.limit || (cut > 0 && !due.is_empty());
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
            self.pace.took(begun.elapsed());
            // Nobody sees it before its time.
            sleep_until(begins).await;
        }
        let commit = work.all_and_commit(Vec::new());
        // The commit is on its way while the rows are read.
        let read = async { handed.iter().map(claimed_of).collect::<StoreResult<Vec<ClaimedRun>>>() };
        let (_, mut runs) = try_join(commit, read).await?;
        let Apart { claimed, cooling } = apart;
        if !claimed.is_empty() {
            runs.extend(claimed);
            runs.sort_by_key(|claimed| (claimed.run.due_at, claimed.run.id));
        }
        if !cooling.is_empty() {
            self.hold_back(&cooling).await;
        }
        // Handed out only now that it is committed: a run that starts is a run that nobody else may start.
        Ok(Claims {
            runs,
            at: now,
            since: begins,
            more,
        })
    }

    /// Few lanes may have most of what is due: then once more, with room in those for twice what is wanted, unless half of it
    /// was found. And others may have locked what every lane has first: then with room for what several of them hold.
    async fn take_due(&self, work: &Work, mut look: Look) -> StoreResult<Due> {
        let mut due = self.look_at(work, &look).await?;
        look.now = Some(due.now);
        if due.rows.is_empty() && due.lanes > 0 && look.near {
            look.near = false;
            due = self.look_at(work, &look).await?;
        }
        if due.rows.len() >= look.limit.div_ceil(2) || due.cut == 0 {
            return Ok(due);
        }
        let mut most = usize::from(limits::LANE_PER_CLAIM);
        if due.rows.is_empty() {
            look.limit = look.limit.min(most.saturating_mul(due.cut));
            most *= CROWD;
        }
        let share = wider_share(look.limit, due.cut, most);
        if share <= due.share {
            return Ok(due);
        }
        look.share = Some(share);
        self.look_at(work, &look).await
    }

    async fn look_at(&self, work: &Work, look: &Look) -> StoreResult<Due> {
        let rows = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let near = NEAR.max(look.share.unwrap_or_default().saturating_mul(NEAR_TIMES));
        let mut params = vec![
            param(look.now, Type::TIMESTAMPTZ),
            param(rows(look.limit), Type::INT8),
            param(look.share.map(rows), Type::INT8),
            param(look.near.then(|| rows(near)), Type::INT8),
            param(look.lanes.clone(), Type::TIMESTAMPTZ_ARRAY),
            param(look.as_of, Type::TIMESTAMPTZ),
            param(micros_as_float(look.takes), Type::FLOAT8),
        ];
        params.extend(look.per_host.map(|most| param(most, Type::INT8)));
        let asked = Instant::now();
        let rows = work.one(Step::new(lock_due(look.per_host.is_some()), params)).await;
        let took = asked.elapsed();
        self.floor.looked(took);
        if !look.near {
            self.searches.done(took);
        }
        let its_own_clock = self.hot.now().is_none();
        due_of(&rows?, its_own_clock)
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
        finish(&self.hot, &self.floor, reports, self.chance.as_ref()).await
    }
}

/// What a claim looks for.
struct Look {
    /// `None` is the database's time.
    now: Option<Timestamp>,
    limit: usize,
    /// Rows of each lane; `None` is a lane's part of the limit.
    share: Option<usize>,
    /// Only the first rows of each lane are searched.
    near: bool,
    per_host: Option<i64>,
    /// Where each lane begins; `None` is at its beginning.
    lanes: Option<Vec<Timestamp>>,
    /// The time of the claim, when the database's is not far from it.
    as_of: Option<Timestamp>,
    /// How long the claim is expected to take.
    takes: Duration,
}

/// Rows that are due at `now`, their endpoints locked.
struct Due {
    rows: Vec<DueRow>,
    now: Timestamp,
    /// When the database's clock has that time, at the latest.
    begins: Instant,
    /// How many rows of a lane were looked at.
    share: usize,
    /// Lanes in which something is due.
    lanes: usize,
    /// Lanes that may have more than was looked at.
    cut: usize,
}

/// By another clock than the database's the time of the claim has always come.
fn due_of(rows: &[Row], its_own_clock: bool) -> StoreResult<Due> {
    let first = rows.first().ok_or_else(|| unexpected("one row tells the time"))?;
    let count = |name: &str| -> StoreResult<usize> {
        let count: i64 = first.try_get(name).map_err(|error| postgres_error(&error))?;
        number(name, count)
    };
    let due = rows.iter().map(due_row).filter_map(Result::transpose);
    let ahead: i64 = first.try_get("ahead_us").map_err(|error| postgres_error(&error))?;
    let arrived = Instant::now();
    let apart = Duration::from_micros(ahead.unsigned_abs());
    Ok(Due {
        // As seen from the answer's arrival, which was later.
        begins: match ahead {
            _ if !its_own_clock => arrived,
            0.. => arrived + apart,
            _ => arrived.checked_sub(apart).unwrap_or(arrived),
        },
        rows: due.collect::<Result<_, _>>().map_err(|error| postgres_error(&error))?,
        now: first.try_get("now").map_err(|error| postgres_error(&error))?,
        share: count("share")?,
        lanes: count("lanes")?,
        cut: count("cut")?,
    })
}

/// `None` where the row only tells the time.
fn due_row(row: &Row) -> Result<Option<DueRow>, tokio_postgres::Error> {
    let Some(run) = row.try_get("id")? else {
        return Ok(None);
    };
    Ok(Some(DueRow {
        run: RunId(run),
        endpoint: EndpointId(row.try_get("endpoint_id")?),
        place: row.try_get("place")?,
        state: row.try_get("state")?,
    }))
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

    #[tracing::instrument(skip_all, level = "debug")]
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        Ok(self.claim(claim).await?)
    }

    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error> {
        let (floor, good) = self.floor.get(&self.hot, None).await.unzip();
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
        self.floor.looked(asked.elapsed());
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
            self.floor.forget();
        }
        Ok(taken_back)
    }
}
