//! The queue as an engine uses it: claim what is due, keep leases alive, report ends, take back what was lost.
//!
//! [`StoreQueue`] is the implementation over any store. A store with a faster way to claim wraps it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;

use crate::{
    call::{CallOutcome, HttpRequest},
    error::Error,
    ids::{Chance, EndpointId, RunId},
    ports::{Store, Topic, Tx},
    run::{LiveRun, Run, RunStatus},
    schedule::{FinishedRun, Holder, Schedule, Settled},
    time::{Timestamp, after, elapsed},
};

use super::{
    cooling::HeldBack,
    outcomes::note_over,
    settlement::{Ends, settle},
};

/// Who claims, for how long, and how much at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Name of the engine, unique among those that run.
    pub owner: String,
    pub lease: Duration,
    pub limit: usize,
    /// How many calls to one host may be in flight at once, of all who claim; `None` is any number.
    pub host_concurrency: Option<u32>,
    /// When something comes due. Where that is about the queue's [head start](Queue::head_start) ahead, the claim is as of
    /// then, and nobody sees it sooner. `None` is the present.
    pub as_of: Option<Timestamp>,
}

impl Claim {
    /// Who holds what is claimed at `now`.
    pub fn holder(&self, now: Timestamp) -> Holder<'_> {
        Holder {
            owner: &self.owner,
            lease_until: after(now, self.lease),
        }
    }
}

/// A run in an engine's hands.
#[derive(Debug, Clone)]
pub struct ClaimedRun {
    pub run: Run,
    /// Names this claim in every report.
    pub fence: i64,
    pub request: Arc<HttpRequest>,
    pub timeout: Duration,
    pub max_response_bytes: u32,
    /// W3C `traceparent` of what caused the run.
    pub trace_parent: Option<String>,
}

impl ClaimedRun {
    /// A claimed row of the endpoint, as it is handed out.
    pub fn of(row: &LiveRun, schedule: &Schedule) -> Self {
        Self {
            run: row.run.clone(),
            fence: row.fence,
            request: Arc::clone(&schedule.endpoint.request),
            timeout: schedule.endpoint.timeout,
            max_response_bytes: schedule.endpoint.max_response_bytes,
            trace_parent: row.trace_parent.clone(),
        }
    }

    /// What an engine reports when the call is over.
    pub fn report(&self, outcome: CallOutcome) -> FinishedRun {
        FinishedRun {
            run_id: self.run.id,
            endpoint_id: self.run.endpoint_id,
            cause: self.run.cause,
            fence: self.fence,
            outcome,
        }
    }
}

/// What a claim gave.
#[derive(Debug, Clone)]
pub struct Claims {
    /// Their calls begin in this order.
    pub runs: Vec<ClaimedRun>,
    /// When it looked, by the store's clock, or what it is as of.
    pub at: Timestamp,
    /// By then, or before, the store's clock had that time.
    pub since: Instant,
    /// As many were found as were asked for, or a user's share: there may be more.
    pub more: bool,
}

/// What comes due, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextDue {
    /// How long until something is due, or is to be looked for again; zero when something is due, `None` when nothing is
    /// planned.
    pub wait: Option<Duration>,
    /// When that is, if it is known to come due.
    pub at: Option<Timestamp>,
    /// After a claim, when something is due already: how long until the next that came due after the claim looked. What is
    /// held by somebody else must not delay what is not.
    pub later: Option<Duration>,
}

impl NextDue {
    /// Of the times at which something is due, as the store has them at `now`.
    pub fn seen(now: Timestamp, next: Option<Timestamp>, later: Option<Timestamp>) -> Self {
        Self {
            wait: next.map(|at| elapsed(now, at)),
            at: next,
            later: later.map(|at| elapsed(now, at)),
        }
    }
}

/// A lease of that length is renewed once less than this of it is left: most calls are over before, and a renewal writes.
pub fn renewed_below(lease: Duration) -> Duration {
    lease * 3 / 4
}

/// What an engine needs. Each method is one transaction, but for a claim, which may be several; what any of them took it
/// hands out.
#[async_trait]
pub trait Queue: Send + Sync {
    /// How long before a run is due its claim begins, so that all but the commit is done when the run is due.
    fn head_start(&self) -> Duration {
        Duration::ZERO
    }
    /// Into how many batches ends are best divided that are recorded at the same time.
    fn reports_at_once(&self) -> usize {
        1
    }
    /// Takes up to `limit` due runs whose endpoints are free. None starts before its planned time.
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error>;
    /// How long from now until something is due, or is to be looked for again, without taking it. Cheaper than a claim that
    /// finds nothing. Asked after a claim, `claimed_at` is when that looked. With `host_concurrency`, runs of hosts without
    /// room do not count.
    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error>;
    /// Extends leases of which less than [`renewed_below`] is left; returns the ids of all that are still held.
    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error>;
    /// Records results and plans what comes next. One answer a report, in order.
    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error>;
    /// Takes back up to `limit` runs whose lease ran out. Returns how many.
    async fn recover_lost(&self, limit: usize) -> Result<usize, Error>;
}

/// The queue over any store.
pub struct StoreQueue {
    store: Arc<dyn Store>,
    chance: Arc<dyn Chance>,
}

impl StoreQueue {
    pub fn new(store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        Self { store, chance }
    }

    /// Has these due rows wait or end as the cooldown of their endpoints says, for a claim that could not itself. Those
    /// that may start are left as they are.
    pub async fn hold_back(&self, ids: &[RunId]) -> Result<(), Error> {
        let mut tx = self.store.begin().await?;
        let seen = tx.live_runs(ids).await?;
        let mut schedules = lock(tx.as_mut(), seen.iter().map(|row| row.run.endpoint_id)).await?;
        let now = tx.now();
        let mut held_back = HeldBack::default();
        for row in tx.live_runs(ids).await? {
            let schedule = schedules.get_mut(&row.run.endpoint_id);
            if let Some(schedule) = schedule.filter(|schedule| may_start(&row, schedule, now)) {
                held_back.take(row, schedule, now, self.chance.as_ref());
            }
        }
        save(tx.as_mut(), schedules).await?;
        held_back.write(tx.as_mut()).await?;
        tx.wake(Topic::Queue);
        Ok(tx.commit().await?)
    }
}

#[async_trait]
impl Queue for StoreQueue {
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        let mut tx = self.store.begin().await?;
        let (looked_at, since) = (tx.now(), Instant::now());
        let candidates = tx.due_runs(claim.limit, claim.host_concurrency).await?;
        let mut schedules = lock(tx.as_mut(), candidates.iter().map(|row| row.run.endpoint_id)).await?;
        let now = tx.now();
        // Locks may have waited: look again at what the rows say now.
        let ids: Vec<RunId> = candidates.iter().map(|row| row.run.id).collect();
        let mut rows = tx.live_runs(&ids).await?;
        let order: BTreeMap<RunId, usize> = ids.iter().copied().zip(0..).collect();
        rows.sort_by_key(|row| order.get(&row.run.id).copied());
        let holder = claim.holder(now);
        let mut held_back = HeldBack::default();
        let mut claimed = Vec::new();
        let mut runs = Vec::new();
        for row in rows {
            let Some(schedule) = schedules.get_mut(&row.run.endpoint_id) else {
                continue;
            };
            if !may_start(&row, schedule, now) {
                continue;
            }
            let Some(row) = held_back.take(row, schedule, now, self.chance.as_ref()) else {
                continue;
            };
            let row = schedule.claim(row, &holder, now, self.chance.as_ref());
            runs.push(ClaimedRun::of(&row, schedule));
            claimed.push(row);
        }
        if !claimed.is_empty() {
            tx.update_live(&claimed).await?;
        }
        if !claimed.is_empty() || !held_back.is_empty() {
            save(tx.as_mut(), schedules).await?;
            held_back.write(tx.as_mut()).await?;
        }
        tx.commit().await?;
        Ok(Claims {
            more: ids.len() >= claim.limit,
            runs,
            at: looked_at,
            since,
        })
    }

    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error> {
        let mut tx = self.store.read().await?;
        let now = tx.now();
        let next = tx.next_due(None, host_concurrency).await?;
        let later = match (next, claimed_at) {
            (Some(at), Some(claimed_at)) if at <= now => tx.next_due(Some(claimed_at), host_concurrency).await?,
            _ => None,
        };
        Ok(NextDue::seen(now, next, later))
    }

    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        let mut tx = self.store.begin().await?;
        let now = tx.now();
        let (soon, until) = (after(now, renewed_below(lease)), after(now, lease));
        let held = tx.extend_leases(leases, soon, until).await?;
        tx.commit().await?;
        Ok(held)
    }

    async fn finish_runs(&self, finished: &[FinishedRun]) -> Result<Vec<Settled>, Error> {
        let mut tx = self.store.begin().await?;
        let mut schedules = lock(tx.as_mut(), finished.iter().map(|report| report.endpoint_id)).await?;
        let now = tx.now();
        let ids: Vec<RunId> = finished.iter().map(|report| report.run_id).collect();
        let mut rows: BTreeMap<RunId, LiveRun> = tx
            .live_runs(&ids)
            .await?
            .into_iter()
            .map(|row| (row.run.id, row))
            .collect();
        let (answers, ends) = settle(finished, &mut schedules, &mut rows, now, self.chance.as_ref());
        save(tx.as_mut(), schedules).await?;
        write(ends, tx.as_mut()).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(answers)
    }

    async fn recover_lost(&self, limit: usize) -> Result<usize, Error> {
        let mut tx = self.store.begin().await?;
        let candidates = tx.expired_leases(limit).await?;
        if candidates.is_empty() {
            return Ok(0);
        }
        let mut schedules = lock(tx.as_mut(), candidates.iter().map(|row| row.run.endpoint_id)).await?;
        let now = tx.now();
        let ids: Vec<RunId> = candidates.iter().map(|row| row.run.id).collect();
        let mut ends = Ends::default();
        let mut count = 0;
        for row in tx.live_runs(&ids).await? {
            let expired = row.lease_until.is_some_and(|until| until <= now);
            let Some(schedule) = schedules.get_mut(&row.run.endpoint_id).filter(|_| expired) else {
                continue;
            };
            ends.take(schedule.lose(row, now, self.chance.as_ref()));
            count += 1;
        }
        save(tx.as_mut(), schedules).await?;
        write(ends, tx.as_mut()).await?;
        tx.wake(Topic::Queue);
        tx.commit().await?;
        Ok(count)
    }
}

/// Writes what became of attempts. The schedules are saved before.
async fn write(ends: Ends, tx: &mut dyn Tx) -> Result<(), Error> {
    for run in ends.kept_attempts() {
        tx.keep_attempt(run).await?;
    }
    if !ends.again.is_empty() {
        tx.update_live(&ends.again).await?;
    }
    if !ends.over.is_empty() {
        let runs: Vec<Run> = ends.over.iter().map(|over| over.run.clone()).collect();
        tx.move_to_history(&runs).await?;
    }
    note_over(tx, &ends.over).await
}

async fn lock(tx: &mut dyn Tx, ids: impl Iterator<Item = EndpointId>) -> Result<BTreeMap<EndpointId, Schedule>, Error> {
    let mut ids: Vec<EndpointId> = ids.collect();
    ids.sort();
    ids.dedup();
    let schedules = tx.lock_schedules(&ids).await?;
    Ok(schedules
        .into_iter()
        .map(|schedule| (schedule.endpoint.id, schedule))
        .collect())
}

async fn save(tx: &mut dyn Tx, schedules: BTreeMap<EndpointId, Schedule>) -> Result<(), Error> {
    let schedules: Vec<Schedule> = schedules.into_values().collect();
    Ok(tx.save_schedules(&schedules).await?)
}

/// True for a waiting row that is due and has a place on its endpoint, or finds one.
fn may_start(row: &LiveRun, schedule: &Schedule, now: Timestamp) -> bool {
    let placed = row.has_place() || schedule.state.has_room();
    placed && row.run.status == RunStatus::Planned && row.run.due_at <= now
}
