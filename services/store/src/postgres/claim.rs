//! The claim in two statements of one transaction: what `Schedule::claim` of the domain does, for a batch.
//!
//! The domain's transition stays the one that counts: a test claims the same rows both ways and compares all that is
//! left behind. Two statements, because what the first one waited for may have changed what its snapshot showed; and a third
//! for the few claims that concern hints.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use baton_domain::{limits, ports::StoreResult, run::LiveRun, services::ClaimedRun};
use tokio_postgres::Row;
use uuid::Uuid;

use super::columns::{Read as _, next};
use crate::{
    entity::live_run,
    error::postgres_error,
    mapping::{duration, endpoints::request_of, number, runs::live_of},
    repo::queue::best,
    tables::{Table as _, list_of},
    tx::unexpected,
};

/// How long before its time a claim begins: what one of a single run takes before its commit, on a busy machine. Meanwhile
/// those wait who change what is about to start or want something at once, and with a limit of calls to a host all who claim.
pub(super) const HEAD_START: Duration = Duration::from_millis(4);

/// How much later than its time a run may start at least, so that another that is due then starts with it.
const ALONG: Duration = Duration::from_millis(1);
/// Within which others have something to start beside a flood, so that its claims are to be short.
const SOON: Duration = Duration::from_millis(100);
/// Rows of a flooded lane in a claim that is to be short.
pub const BESIDE: u8 = limits::LANE_PER_CLAIM / 2;

/// Takes the locks of the endpoints of up to $2 rows that are due at $1 or, when that is NULL, by the database's clock, and
/// that have a place on their endpoint (`fence > 0`) or find room for one more there. One row at least: that time, how many
/// rows of a lane were looked at (`share`), and in how many lanes there may be more (`cut`); with it, or by themselves, the
/// ids and endpoints, best first, and where each row and the state of its endpoint stand. The rows need no locks of their own:
/// whoever changes a row that waits has its endpoint locked.
///
/// Each lane in which something is due has a share: $3 rows, or, when that is NULL, its part of $2, but no more than
/// [`limits::LANE_PER_CLAIM`]. The first of every lane goes before the second of any, so that nobody waits behind all that
/// another user has due.
///
/// At most one row an endpoint: the one that no better one stands before; what has its place is best, then a due cadence
/// row (see `best`). All that an endpoint has is in one lane, so none waits before the first of that; only behind a floor one
/// may turn up, and then a later one goes first. What others have locked is left out. An endpoint is found again by its place
/// in the table; the place that is told is that of the version which is locked, as somebody may have written another one
/// meanwhile.
///
/// A lane is searched through its first $4 rows, or through all when that is NULL: where few endpoints have many rows
/// waiting, most of what is due may not start yet. `lanes` is how many have something due. Lanes begin at the times $5, one
/// each, or, when that is NULL, at their beginning (see `floor`). That is a comparison of rows, as two bounds of one column
/// look so narrow that the planner would take any index for it.
///
/// The time of the claim is $6 where that is ahead of the database's clock, but by no more than twice `HEAD_START`: clocks
/// differ a little, and tomorrow is not waited for. What comes due within `ALONG` more, or within the $7 microseconds that
/// this claim is expected to take, is taken along, so that it does not wait for the end of this claim and for the next one.
/// Unless $9 is NULL, that is the set of lanes with a flood (`cut_set` tells one). Where others have something that comes due
/// after that and `SOON`, no lane has more than `BESIDE` rows; and the first of it is waited for if it comes due within the
/// $8 microseconds from now (see `Pace`).
/// `ahead_us` is how many microseconds the database's clock is behind the time of the claim at the end.
///
/// With `per_host`, hosts to which $10 calls are in flight are passed over, and no host gets more rows than it has room
/// for; exact only under [`HOSTS_TURN`]. Without it nothing of that is in the statement.
pub fn lock_due(per_host: bool) -> &'static str {
    static ALONE: LazyLock<String> = LazyLock::new(|| lock_due_of(false));
    static WITHIN_HOSTS: LazyLock<String> = LazyLock::new(|| lock_due_of(true));
    if per_host { &WITHIN_HOSTS } else { &ALONE }
}

fn lock_due_of(per_host: bool) -> String {
    let parts = if per_host {
        [
            HOSTS,
            ", e.host",
            "JOIN job_endpoints e ON e.id = r.endpoint_id",
            "AND NOT EXISTS (SELECT 1 FROM hosts h WHERE h.host = e.host AND h.calls >= $10::bigint)",
            ", c.host",
            WITHIN_HOSTS,
            "chosen",
        ]
    } else {
        ["", "", "", "", "", "", "ranked"]
    };
    let names = [
        "{hosts}", "{host}", "{join}", "{full}", "{hosted}", "{within}", "{from}",
    ];
    let fill = |sql: String, (name, part): (&str, &str)| sql.replace(name, part);
    let sql = LOCK_DUE
        .replace("{most}", &limits::LANE_PER_CLAIM.to_string())
        .replace("{beside}", &BESIDE.to_string())
        .replace("{head_start}", &interval(2 * HEAD_START))
        .replace("{along}", &interval(ALONG))
        .replace("{soon}", &interval(SOON))
        .replace("{best}", &best("(SELECT now FROM clock)", Some("lanes.due_at")));
    names.into_iter().zip(parts).fold(sql, fill)
}

fn interval(duration: Duration) -> String {
    format!("{} microseconds", duration.as_micros())
}

/// How many calls are in flight to each host.
const HOSTS: &str = "
), hosts AS MATERIALIZED (
    SELECT r.host, COUNT(*) AS calls
      FROM live_runs r
     WHERE r.status = 'running'
     GROUP BY r.host";

/// Of the rows of each host the best, as many as it has room for.
const WITHIN_HOSTS: &str = "
), chosen AS MATERIALIZED (
    SELECT c.id, c.endpoint_id, c.place, c.state, c.placed, c.due_at, c.rank
      FROM (SELECT c.id, c.endpoint_id, c.place, c.state, c.placed, c.due_at, c.rank, c.host,
                   ROW_NUMBER() OVER (PARTITION BY c.host ORDER BY c.rank, c.due_at, c.id) AS number
              FROM ranked c) c
     WHERE c.number <= $10::bigint - COALESCE((SELECT h.calls FROM hosts h WHERE h.host = c.host), 0)";

/// Waits for the claims of others that count calls by host, and has them wait until the end of the transaction. A
/// statement of its own: what it waited for is in the next one's snapshot.
pub const HOSTS_TURN: &str = "SELECT pg_advisory_xact_lock(hashtext('baton-host-concurrency'))";

const LOCK_DUE: &str = "
WITH clock AS MATERIALIZED (
    SELECT COALESCE($1::timestamptz,
                    CASE WHEN begin.next <= begin.now + $8 * INTERVAL '1 microsecond' THEN begin.next END,
                    (SELECT r.due_at
                       FROM live_runs r
                      WHERE r.status = 'planned'
                        AND r.due_at > begin.at
                        AND r.due_at <= GREATEST(begin.at + INTERVAL '{along}',
                                                 begin.now + $7 * INTERVAL '1 microsecond')
                      ORDER BY r.due_at DESC NULLS LAST
                      LIMIT 1),
                    begin.at) AS now,
           begin.next IS NOT NULL AS others
      FROM (SELECT begin.now, begin.at,
                   (SELECT MIN(first.due_at)
                      FROM GENERATE_SERIES(0, 63) AS number
                     CROSS JOIN LATERAL (
                        SELECT r.due_at
                          FROM live_runs r
                         WHERE r.lane = number::smallint
                           AND r.status = 'planned'
                           AND r.due_at > GREATEST(begin.at, begin.now + $7 * INTERVAL '1 microsecond')
                           AND r.due_at <= begin.now + GREATEST(INTERVAL '{soon}', $8 * INTERVAL '1 microsecond')
                         ORDER BY r.due_at, r.id
                         LIMIT 1) first
                     WHERE ($9::bigint >> number) & 1 = 0
                       AND $9::bigint IS NOT NULL
                       AND $1::timestamptz IS NULL) AS next
              FROM (SELECT clock.now,
                           GREATEST(clock.now,
                                    CASE WHEN $6::timestamptz <= clock.now + INTERVAL '{head_start}' THEN $6 END) AS at
                      FROM (SELECT CLOCK_TIMESTAMP() AS now) clock) begin
            OFFSET 0) begin{hosts}
), lanes AS MATERIALIZED (
    SELECT every.lane, first.due_at, first.id
      FROM (SELECT number::smallint AS lane FROM GENERATE_SERIES(0, 63) AS number) every
     CROSS JOIN LATERAL (
        SELECT r.due_at, r.id
          FROM live_runs r
         WHERE r.lane = every.lane
           AND r.status = 'planned'
           AND (r.due_at, r.id) >= (COALESCE(($5::timestamptz[])[every.lane + 1], '-infinity'),
                                    '00000000-0000-0000-0000-000000000000'::uuid)
           AND r.due_at <= (SELECT now FROM clock)
         ORDER BY r.due_at, r.id
         LIMIT 1) first
), share AS MATERIALIZED (
    SELECT COALESCE($3::bigint, LEAST(CASE WHEN (SELECT others FROM clock) THEN {beside} ELSE {most} END,
                                      ($2::bigint + COUNT(*) - 1) / GREATEST(COUNT(*), 1))) AS rows,
           COUNT(*) AS lanes
      FROM lanes
), ranked AS MATERIALIZED (
    SELECT c.id, c.endpoint_id, c.place, c.state, c.placed, c.due_at, c.rank, lanes.lane{hosted}
      FROM lanes
     CROSS JOIN LATERAL (
        SELECT r.id, r.endpoint_id, r.place, s.ctid AS state, r.fence > 0 AS placed, r.due_at,
               ROW_NUMBER() OVER (ORDER BY r.due_at, r.id) AS rank{host}
          FROM (SELECT r.id, r.endpoint_id, r.ctid AS place, r.fence, r.slot, r.cause, r.due_at
                  FROM live_runs r
                 WHERE r.lane = lanes.lane
                   AND (r.due_at, r.id) >= (lanes.due_at, lanes.id)
                   AND r.status = 'planned'
                   AND r.due_at <= (SELECT now FROM clock)
                 ORDER BY r.due_at, r.id
                 LIMIT $4::bigint) r
          JOIN endpoint_state s ON s.endpoint_id = r.endpoint_id
          {join}
         WHERE (r.fence > 0 OR s.busy_runs < s.room)
           {full}
           AND {best}
         ORDER BY r.due_at, r.id
         LIMIT (SELECT rows FROM share)) c{within}
), cut AS MATERIALIZED (
    SELECT COUNT(c.lane) AS lanes,
           COALESCE(BIT_OR(1::bigint << c.lane::integer), 0) AS set
      FROM (SELECT CASE WHEN c.rank = (SELECT rows FROM share) THEN c.lane END AS lane FROM ranked c) c
), locked AS MATERIALIZED (
    SELECT c.id, c.endpoint_id, c.place, s.ctid AS state, c.due_at, c.rank
      FROM {from} c
      JOIN endpoint_state s ON s.ctid = c.state
     WHERE c.placed OR s.busy_runs < s.room
     ORDER BY c.rank, c.due_at, c.id
     LIMIT $2
       FOR UPDATE OF s SKIP LOCKED
)
SELECT l.id,
       l.endpoint_id,
       l.place,
       l.state,
       clock.now,
       clock.others,
       share.rows AS share,
       share.lanes,
       cut.lanes AS cut,
       cut.set AS cut_set,
       CAST(CEIL(EXTRACT(EPOCH FROM clock.now - CLOCK_TIMESTAMP()) * 1000000) AS BIGINT) AS ahead_us
  FROM clock
 CROSS JOIN share
 CROSS JOIN cut
  LEFT JOIN locked l ON TRUE
 ORDER BY l.rank, l.due_at, l.id";

/// Hands the rows $2, whose endpoints are locked, to $3 at $1, with a lease of $4 microseconds. Returns the rows of
/// `live_runs` as they are now, each with its endpoint's request, in any order. What has been claimed or moved before the
/// lock was there is left alone, and so are rows whose claim takes more than this: those of endpoints whose runs may overlap,
/// as their next time is planned at once, and a planner's wishes on endpoints with a cooldown, which may stand against them.
///
/// The rows stood at the places $5, and are left alone if they no longer do; the states of their endpoints are locked at the
/// places $6 and stay there. `moved` is how many states were written, which is as many as there are rows. `IS NOT DISTINCT FROM`
/// fits no index: while the queue is empty its keys would look cheaper than the places.
///
/// `claimed` and `moved` are the row's and the endpoint's half of the transition. What is `taken` at its first fence
/// `was_plan`, the plan row, until now. `hinted` is true where `SETTLE_HINTS` has to follow: a plan row consumes a one-shot, or
/// another row than the plan row is claimed, and that has to do with a hint. Few claims need it, and a statement costs by
/// its length before it reads anything.
///
/// What follows `claimed` reads `taken`, which is as narrow as can be, and joins nothing to it that has no index: rows that
/// an UPDATE or DELETE joins are copied whole, each time that one is looked at.
pub static CLAIM: LazyLock<String> = LazyLock::new(|| HAND_OVER.replace("{row}", &list_of::<live_run::Model>("r")));

const HAND_OVER: &str = "
WITH claimed AS (
    UPDATE live_runs r
       SET status             = 'running',
           slot               = CASE WHEN r.slot = 'plan' THEN 'taken' ELSE r.slot END,
           attempt            = r.attempt + 1,
           fence              = r.fence + 1,
           lease_owner        = $3,
           lease_until        = $1::timestamptz + $4 * INTERVAL '1 microsecond',
           started_at         = $1,
           job_id             = CASE WHEN r.fence = 0 THEN e.job_id ELSE r.job_id END,
           host               = e.host,
           duration_us        = NULL,
           status_code        = NULL,
           error              = NULL,
           response           = NULL,
           response_truncated = FALSE,
           changed_in         = pg_current_xact_id()::text::bigint
      FROM UNNEST($2::uuid[], $5::tid[], $6::tid[]) AS due (id, place, state),
           job_endpoints e
     WHERE r.ctid = due.place
       AND r.id IS NOT DISTINCT FROM due.id
       AND r.status <> 'running'
       AND r.due_at <= $1
       AND e.id = r.endpoint_id
       AND e.overlap <> 'allow'
       AND NOT (e.cooldown_us IS NOT NULL
                AND r.source = 'ai-hint'
                AND r.cause IN ('plan-step', 'hint-oneshot')
                AND r.fence = 0)
 RETURNING {row}, e.method, e.url, e.headers, e.body, e.timeout_us, e.max_response_bytes,
           due.state, r.slot = 'taken' AND r.fence = 1 AS was_plan
), taken AS MATERIALIZED (
    SELECT endpoint_id, state, source, cause, planned_at, due_at,
           was_plan, fence = 1 AS first,
           cause IN ('cron', 'interval', 'hint-interval') AS cadence
      FROM claimed
), moved AS (
    UPDATE endpoint_state s
       SET anchor_at        = CASE WHEN c.was_plan AND c.cadence THEN GREATEST(s.anchor_at, c.planned_at)
                                   ELSE s.anchor_at END,
           cursor_at        = CASE WHEN c.was_plan AND c.cadence THEN GREATEST(s.cursor_at, c.due_at)
                                   ELSE s.cursor_at END,
           cadence_owed     = NOT (c.was_plan AND c.cadence)
                              AND (s.cadence_owed OR COALESCE(s.slowed_until <= $1, FALSE)),
           slowed_since     = CASE WHEN s.slowed_until <= $1 THEN NULL ELSE s.slowed_since END,
           slowed_until     = CASE WHEN s.slowed_until <= $1 THEN NULL ELSE s.slowed_until END,
           last_ai_start_at = CASE WHEN c.source = 'ai-hint' THEN $1 ELSE s.last_ai_start_at END,
           last_planned_at  = CASE WHEN c.cause = 'test' THEN s.last_planned_at
                                   ELSE GREATEST(s.last_planned_at, c.planned_at) END,
           last_ai_planned_at = CASE WHEN c.source = 'ai-hint' THEN c.planned_at ELSE s.last_ai_planned_at END,
           busy_runs        = s.busy_runs + CASE WHEN c.first THEN 1 ELSE 0 END,
           busy_cadences    = s.busy_cadences + CASE WHEN c.first AND c.cadence THEN 1 ELSE 0 END,
           busy_since       = CASE WHEN c.first THEN COALESCE(s.busy_since, $1) ELSE s.busy_since END
      FROM taken c
     WHERE s.ctid = c.state
       AND s.endpoint_id IS NOT DISTINCT FROM c.endpoint_id
 RETURNING 1
)
SELECT c.*,
       (SELECT COUNT(*) FROM moved) AS moved,
       CASE WHEN c.was_plan THEN c.one_shot_id IS NOT NULL
            ELSE COALESCE((
                 SELECT p.one_shot_id IS NOT NULL OR p.cause IN ('hint-oneshot', 'hint-interval')
                   FROM live_runs p
                  WHERE p.endpoint_id = c.endpoint_id
                    AND p.slot = 'plan'), FALSE)
       END AS hinted
  FROM claimed c";

/// What the hand-over at $1 of the rows $2 does to hints, in the same transaction. `used_up` takes the one-shot along that a
/// plan row has consumed, and `recorded` appends that to the record. Where another row than the plan row was claimed,
/// `beside` is the plan row of its endpoint, if that has to do with a hint: `held` keeps a due one-shot there due, and a
/// hinted time that is now too close to the claimed one is taken out.
pub(super) const SETTLE_HINTS: &str = "
WITH taken AS MATERIALIZED (
    SELECT r.endpoint_id, r.user_id, r.cause, r.planned_at, r.one_shot_id, e.min_interval_us,
           r.slot = 'taken' AND r.fence = 1 AS was_plan
      FROM live_runs r
      JOIN job_endpoints e ON e.id = r.endpoint_id
     WHERE r.id = ANY($2::uuid[])
), used_up AS (
    DELETE FROM hints h
     USING taken c
     WHERE h.id = c.one_shot_id
       AND c.was_plan
), recorded AS (
    INSERT INTO schedule_changes (endpoint_id, user_id, changed_at, trigger, hint_id)
    SELECT endpoint_id, user_id, $1, 'hint-used', one_shot_id
      FROM taken
     WHERE one_shot_id IS NOT NULL
       AND was_plan
), beside AS MATERIALIZED (
    SELECT p.id, p.one_shot_id, p.cause, p.due_at, p.planned_at AS hinted_at,
           c.endpoint_id, c.planned_at, c.min_interval_us, c.cause = 'test' AS test
      FROM taken c
      JOIN live_runs p ON p.endpoint_id = c.endpoint_id AND p.slot = 'plan'
     WHERE NOT c.was_plan
       AND (p.one_shot_id IS NOT NULL OR p.cause IN ('hint-oneshot', 'hint-interval'))
), held AS (
    UPDATE hints h
       SET held = TRUE
      FROM beside b
     WHERE h.id = b.one_shot_id
       AND b.due_at <= $1
)
DELETE FROM live_runs p
 USING beside b
  JOIN endpoint_state s ON s.endpoint_id = b.endpoint_id
 WHERE p.id = b.id
   AND (b.cause = 'hint-oneshot' OR (b.cause = 'hint-interval' AND b.due_at > $1))
   AND NOT b.test
   AND b.hinted_at < GREATEST(s.last_planned_at, b.planned_at) + b.min_interval_us * INTERVAL '1 microsecond'";

/// Fails where a row was claimed and the state of its endpoint was not written: such a claim must not be committed.
pub(super) fn require_moved(rows: &[Row]) -> StoreResult<()> {
    let Some(row) = rows.first() else { return Ok(()) };
    let moved: i64 = row.try_get("moved").map_err(|error| postgres_error(&error))?;
    if usize::try_from(moved) == Ok(rows.len()) {
        return Ok(());
    }
    Err(unexpected("a claim moves as many endpoints as it has runs"))
}

/// The rows of [`CLAIM`] for which [`SETTLE_HINTS`] has to follow.
pub(super) fn hinted_of(rows: &[Row]) -> StoreResult<Vec<Uuid>> {
    let read = |row: &Row| -> Result<Option<Uuid>, tokio_postgres::Error> {
        // The last column, and the first that is one of the queue's: to look for a name among fifty takes its time.
        let hinted: bool = row.try_get(row.len() - 1)?;
        hinted.then(|| row.try_get("id")).transpose()
    };
    let ids: Result<Vec<Uuid>, _> = rows.iter().map(read).filter_map(Result::transpose).collect();
    ids.map_err(|error| postgres_error(&error))
}

/// Reads a row of [`CLAIM`].
pub fn claimed_of(row: &Row) -> StoreResult<ClaimedRun> {
    let LiveRun {
        run,
        fence,
        trace_parent,
        ..
    } = live_of(live_run::Model::read(row).map_err(|error| postgres_error(&error))?)?;
    let (timeout, max_response_bytes, request) = call_columns(row).map_err(|error| postgres_error(&error))?;
    let (method, url, headers, body) = request;
    Ok(ClaimedRun {
        run,
        fence,
        request: Arc::new(request_of(method, url, headers, body)?),
        timeout: duration("job_endpoints.timeout_us", timeout)?,
        max_response_bytes: number("job_endpoints.max_response_bytes", max_response_bytes)?,
        trace_parent,
    })
}

type RequestColumns = (String, String, serde_json::Value, Option<Vec<u8>>);

fn call_columns(row: &Row) -> Result<(i64, i64, RequestColumns), tokio_postgres::Error> {
    // Behind those of the queue row, by place like those.
    let mut place = live_run::Model::COLUMNS.len()..;
    let request = (
        next(row, &mut place)?,
        next(row, &mut place)?,
        next(row, &mut place)?,
        next(row, &mut place)?,
    );
    Ok((next(row, &mut place)?, next(row, &mut place)?, request))
}
