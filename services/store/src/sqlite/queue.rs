//! The queue on SQLite: claims and ends as transactions on rusqlite, the rest as on any store.
//!
//! Handed to the engine in place of the general queue; the rows that either leaves behind are the same.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use baton_domain::{
    error::{Error, StoreError},
    ids::{Chance, RunId},
    limits,
    ports::{Store, StoreResult, Topic},
    run::LiveRun,
    schedule::{FinishedRun, Settled},
    services::{Claim, ClaimedRun, Claims, NextDue, Queue, StoreQueue},
    time::Timestamp,
};
use rusqlite::{Transaction, named_params};

use super::{
    cells::{Cell as _, next},
    plain::end_plainly,
    schedules::{Live, Numbered, fetch_all, load, prepared, schedule, write},
    session::Hot,
};
use crate::{
    entity::live_run,
    error::rusqlite_error,
    finishing::{Fast, Finishing},
    hot::{Answers, Requests, Writes, by_endpoint, judge},
    mapping::runs::live_of,
    repo::queue::{ACTIVE_LANES, in_turn, next_due, wider_share},
};

pub use crate::repo::queue::due;

/// Claims and finishes by the domain's own transitions, a batch in one go.
pub struct SqliteQueue {
    hot: Hot,
    general: StoreQueue,
    chance: Arc<dyn Chance>,
}

impl SqliteQueue {
    /// `hot` must be of the same file as `store`.
    pub fn new(hot: Hot, store: Arc<dyn Store>, chance: Arc<dyn Chance>) -> Self {
        let general = StoreQueue::new(store, Arc::clone(&chance));
        Self { hot, general, chance }
    }
}

#[async_trait]
impl Queue for SqliteQueue {
    /// A limit of calls to one host is rarely set, and the general queue's to keep.
    #[tracing::instrument(skip_all, level = "debug")]
    async fn claim_due(&self, claim: &Claim) -> Result<Claims, Error> {
        if claim.host_concurrency.is_some() {
            return self.general.claim_due(claim).await;
        }
        let (claim, chance) = (claim.clone(), Arc::clone(&self.chance));
        let claimed = self
            .hot
            .write(move |tx, now| claim_in(tx, &claim, now, chance.as_ref()));
        let (claims, cooling) = claimed.await?;
        // What it fails to do is due still, and met by the next claim; what was claimed beside them must be handed out.
        if !cooling.is_empty()
            && let Err(error) = self.general.hold_back(&cooling).await
        {
            tracing::warn!(%error, runs = cooling.len(), "runs within a cooldown could not be held back");
        }
        Ok(claims)
    }

    async fn next_due(&self, claimed_at: Option<Timestamp>, host_concurrency: Option<u32>) -> Result<NextDue, Error> {
        if host_concurrency.is_some() {
            return self.general.next_due(claimed_at, host_concurrency).await;
        }
        Ok(self.hot.read(move |tx, now| next_in(tx, claimed_at, now)).await?)
    }

    async fn renew(&self, leases: &[(RunId, i64)], lease: Duration) -> Result<Vec<RunId>, Error> {
        self.general.renew(leases, lease).await
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
        self.general.recover_lost(limit).await
    }
}

#[async_trait]
impl Fast for SqliteQueue {
    async fn finish(&self, reports: &[FinishedRun]) -> Result<Answers, StoreError> {
        let (reports, chance) = (reports.to_vec(), Arc::clone(&self.chance));
        let recorded = self.hot.write(move |tx, now| {
            let mut numbered = Numbered::new(tx);
            let plain = end_plainly(&mut numbered, &reports, now)?;
            let rest = plain.rest_of(&reports);
            let endpoints = by_endpoint(&rest).into_keys();
            let runs = rest.iter().map(|report| report.run_id);
            let loaded = load(tx, Requests::Left, endpoints, runs, now)?;
            let (answers, writes) = judge(&rest, loaded, chance.as_ref());
            let written = write(&mut numbered, writes, Live::Again)? || !plain.is_empty();
            Ok((plain.and(answers, &reports), written))
        });
        let (answers, written) = recorded.await?;
        if written {
            self.hot.wake(Topic::Queue);
        }
        Ok(answers)
    }
}

/// What is handed out, and the rows that a cooldown stands against: those are as they were, as what it makes of them may
/// concern plans.
fn claim_in(
    tx: &Transaction<'_>,
    claim: &Claim,
    now: Timestamp,
    chance: &dyn Chance,
) -> StoreResult<(Claims, Vec<RunId>)> {
    let holder = claim.holder(now);
    let mut writes = Writes::default();
    let mut cooling = Vec::new();
    let (rows, cut) = due_rows(tx, claim.limit, now)?;
    let mut claims = Claims {
        runs: Vec::with_capacity(rows.len()),
        at: now,
        since: Instant::now(),
        more: rows.len() >= claim.limit || (cut && !rows.is_empty()),
    };
    for row in rows {
        let Some(mut schedule) = schedule(tx, Requests::Read, row.run.endpoint_id)? else {
            continue;
        };
        if schedule.cooling(&row, now).is_some() {
            cooling.push(row.run.id);
            continue;
        }
        let row = schedule.claim(row, &holder, now, chance);
        claims.runs.push(ClaimedRun::of(&row, &schedule));
        writes.add_live(&row);
        writes.add_schedule(&schedule);
    }
    write(&mut Numbered::new(tx), writes, Live::Claimed)?;
    Ok((claims, cooling))
}

/// Due rows that may start, at most one an endpoint, the first of every lane before the second of any; and whether a lane
/// may have more than was looked at.
fn due_rows(tx: &Transaction<'_>, limit: usize, now: Timestamp) -> StoreResult<(Vec<LiveRun>, bool)> {
    let lanes = active_lanes(tx, now)?;
    let most = usize::from(limits::LANE_PER_CLAIM);
    let share = limit.div_ceil(lanes.len().max(1)).min(most);
    let (mut rows, mut cut) = due_in_lanes(tx, &lanes, share, now)?;
    // Few lanes have most of what is due: once more, with room in those for twice what is wanted.
    let wider = wider_share(limit, cut, most);
    if rows.len() < limit && wider > share {
        (rows, cut) = due_in_lanes(tx, &lanes, wider, now)?;
    }
    let rows: StoreResult<Vec<LiveRun>> = rows.into_iter().take(limit).map(live_of).collect();
    Ok((rows?, cut > 0))
}

fn active_lanes(tx: &Transaction<'_>, now: Timestamp) -> StoreResult<Vec<i64>> {
    let mut statement = prepared(tx, ACTIVE_LANES)?;
    let mut read = || -> rusqlite::Result<Vec<i64>> {
        let rows = statement.query_map(named_params! { "$1": now.stored()? }, |row| row.get(0))?;
        rows.collect()
    };
    read().map_err(|error| rusqlite_error(&error))
}

/// Up to `share` rows of each lane, in turn; and how many lanes have their share.
fn due_in_lanes(
    tx: &Transaction<'_>,
    lanes: &[i64],
    share: usize,
    now: Timestamp,
) -> StoreResult<(Vec<live_run::Model>, usize)> {
    let now = now.stored().map_err(|error| rusqlite_error(&error))?;
    let limit = i64::try_from(share).unwrap_or(i64::MAX);
    let mut found = Vec::with_capacity(lanes.len());
    for lane in lanes {
        let params = named_params! { "$1": now, "$2": limit, "$3": lane };
        found.push(fetch_all::<live_run::Model>(tx, due(), params)?);
    }
    Ok(in_turn(found, share))
}

fn next_in(tx: &Transaction<'_>, claimed_at: Option<Timestamp>, now: Timestamp) -> StoreResult<NextDue> {
    let next = next_after(tx, Timestamp::UNIX_EPOCH)?;
    let later = match (next, claimed_at) {
        (Some(at), Some(claimed_at)) if at <= now => next_after(tx, claimed_at)?,
        _ => None,
    };
    Ok(NextDue::seen(now, next, later))
}

/// When the first row that nothing blocks comes due, or the first lease ends, after that time.
fn next_after(tx: &Transaction<'_>, after: Timestamp) -> StoreResult<Option<Timestamp>> {
    let mut statement = prepared(tx, next_due())?;
    let mut read = || -> rusqlite::Result<[Option<Timestamp>; 2]> {
        statement.query_row(named_params! { "$1": after.stored()? }, |row| {
            let mut place = 0..;
            Ok([next(row, &mut place)?, next(row, &mut place)?])
        })
    };
    let times = read().map_err(|error| rusqlite_error(&error))?;
    Ok(times.into_iter().flatten().min())
}
