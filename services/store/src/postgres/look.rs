//! Looks at the queue: which of the rows that are due a claim may take, their endpoints locked, and how far to search.

use std::time::{Duration, Instant};

use baton_domain::{
    ids::{EndpointId, RunId},
    limits,
    ports::StoreResult,
    services::Claim,
    time::Timestamp,
};
use tokio_postgres::{Row, types::Type};

use super::{
    apart::DueRow,
    claim::{BESIDE, lock_due},
    columns::param,
    floor::LastFloor,
    pace::{Pace, Patience},
    seldom::Seldom,
    session::{Hot, Step, Work, micros_as_float},
};
use crate::{error::postgres_error, mapping::number, repo::queue::wider_share, tx::unexpected};

/// Claimers that may look at the same lane at one moment and still find something there.
const CROWD: usize = 4;

/// How many rows of a lane a look searches for some that may start; where a second look may take more of it, this many times
/// as many as that. What may start may stand behind many that may not: all rows are searched when nothing was found, and as
/// often as that takes a small part of the time.
const NEAR: usize = 48;
const NEAR_TIMES: usize = 4;

/// What looks of one queue remember of each other.
pub(super) struct Looks {
    hot: Hot,
    pub floor: LastFloor,
    searches: Seldom,
}

impl Looks {
    pub(super) fn new(hot: Hot) -> Self {
        Self {
            hot,
            floor: LastFloor::default(),
            searches: Seldom::default(),
        }
    }

    /// What that claim looks for in lanes that begin there, at the pace of the last ones.
    pub(super) fn of(&self, claim: &Claim, lanes: Option<Vec<Timestamp>>, pace: &Pace) -> Look {
        // With a limit of calls to a host all who claim would wait, and what is as of its time has that.
        let may_wait = claim.host_concurrency.is_none() && claim.as_of.is_none();
        Look {
            now: self.hot.now(),
            limit: claim.limit,
            share: None,
            near: !self.searches.is_time(),
            per_host: claim.host_concurrency.map(i64::from),
            lanes,
            as_of: claim.as_of,
            takes: pace.expected(),
            patience: pace.patience().filter(|_| may_wait),
        }
    }

    /// Few lanes may have most of what is due: then once more, with room in those for twice what is wanted, unless half of it
    /// was found. And others may have locked what every lane has first: then with room for what several of them hold.
    pub(super) async fn due(&self, work: &Work, mut look: Look) -> StoreResult<Due> {
        let mut due = self.look_at(work, &look).await?;
        look.now = Some(due.now);
        if due.rows.is_empty() && due.lanes > 0 && look.near {
            look.near = false;
            due = self.look_at(work, &look).await?;
        }
        if due.rows.len() >= look.limit.div_ceil(2) || due.cut == 0 {
            return Ok(due);
        }
        let mut most = usize::from(if due.others { BESIDE } else { limits::LANE_PER_CLAIM });
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
            param(
                look.patience.map(|patience| micros_as_float(patience.within)),
                Type::FLOAT8,
            ),
            param(look.patience.map(|patience| patience.flooded), Type::INT8),
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
}

/// What a claim looks for.
pub(super) struct Look {
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
    patience: Option<Patience>,
}

/// Rows that are due at `now`, their endpoints locked.
pub(super) struct Due {
    pub rows: Vec<DueRow>,
    pub now: Timestamp,
    /// When the database's clock has that time, at the latest.
    pub begins: Instant,
    /// Others have something that comes due soon, beside a flood.
    others: bool,
    /// How many rows of a lane were looked at.
    share: usize,
    /// Lanes in which something is due.
    lanes: usize,
    /// Lanes that may have more than was looked at.
    pub cut: usize,
    /// Those lanes, by the bits of their numbers.
    pub cut_set: i64,
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
        others: first.try_get("others").map_err(|error| postgres_error(&error))?,
        share: count("share")?,
        lanes: count("lanes")?,
        cut: count("cut")?,
        cut_set: first.try_get("cut_set").map_err(|error| postgres_error(&error))?,
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
