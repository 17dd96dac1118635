//! What PostgreSQL does for a claim when it knows nothing of the queue: reads the index of what is due, and no more.

use baton_domain::ids::EndpointId;
use baton_store::postgres::{
    claim::{CLAIM, lock_due},
    coming::next_due,
    floor, plain, pool,
    queue::RENEW,
    session::Sessions,
    tls::Target,
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement, prelude::Uuid};
use tokio_postgres::Row;

use crate::{databases::OwnDatabase, head_start::ask, looks::once, polling::polled};

/// 20 000 endpoints of all lanes, each with a planned row, half of them due at one instant, and no statistics of any of it.
const BURST: [&str; 5] = [
    "ALTER TABLE live_runs SET (autovacuum_enabled = off)",
    "ALTER TABLE endpoint_state SET (autovacuum_enabled = off)",
    "INSERT INTO job_endpoints (id, user_id, name, description, method, url, headers, min_interval_us, timeout_us,
                                retry_max_attempts, retry_base_delay_us, retry_max_delay_us, max_response_bytes, status,
                                paused_until_resumed, version, created_at, updated_at)
     SELECT gen_random_uuid(), 'ada', 'hook', '', 'POST', 'http://shop.example/', '[]', 1000000, 1000000,
            3, 1000000, 1000000, 65536, 'active', FALSE, 1, NOW(), NOW()
       FROM GENERATE_SERIES(1, 20000)",
    "INSERT INTO endpoint_state (endpoint_id, anchor_at, cursor_at, failures, changed_at, cadence_owed)
     SELECT id, NOW(), NOW(), 0, NOW(), FALSE FROM job_endpoints",
    "INSERT INTO live_runs (id, endpoint_id, user_id, status, source, cause, planned_at, due_at, attempt,
                            response_truncated, slot, lane, fence, losses)
     SELECT gen_random_uuid(), id, 'ada', 'planned', 'baseline', 'interval', due_at, due_at, 0, FALSE, 'plan', lane, 0, 0
       FROM (SELECT id, ROW_NUMBER() OVER () / 2 % 64 AS lane,
                    CASE WHEN ROW_NUMBER() OVER () % 2 = 0 THEN TIMESTAMPTZ '2020-01-01'
                         ELSE TIMESTAMPTZ '2020-01-01' + RANDOM() * INTERVAL '1 hour' END AS due_at
               FROM job_endpoints) planned",
];

/// Writes the burst, and then what these statements make of it.
pub async fn burst(db: &DatabaseConnection, then: &[&str]) {
    for statement in BURST.iter().chain(then) {
        db.execute_unprepared(statement).await.expect("it is SQL");
    }
}

/// The types of the parameters of `lock_due`, of `next_due` and of `CLAIM`.
pub const CLAIMS: &str = "timestamptz, bigint, bigint, bigint, timestamptz[], timestamptz, float8, float8, bigint";
const GLANCES: &str = "timestamptz, timestamptz, timestamptz, timestamptz";
const HAND_OVERS: &str = "timestamptz, uuid[], text, float8, tid[], tid[]";

/// How a statement of the hot path runs on a connection of the hot path, node by node.
async fn plan_of(database: &OwnDatabase, sql: &str, types: &str, values: &str) -> Vec<String> {
    let rows = prepared(
        database,
        sql,
        types,
        &format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) EXECUTE asked ({values})"),
    )
    .await;
    rows.iter().map(|row| row.get(0)).collect()
}

/// What `then` gives on a connection of the hot path where that statement is prepared as `asked`.
async fn prepared(database: &OwnDatabase, sql: &str, types: &str, then: &str) -> Vec<Row> {
    let target = Target::parse(&database.url()).expect("the URL is one");
    let pool = pool::open(&target, 1, Sessions::Own).expect("the pool opens");
    let client = pool.get().await.expect("the database accepts connections");
    client
        .batch_execute(&format!("PREPARE asked ({types}) AS {sql}"))
        .await
        .expect("the statement is right");
    client.query(then, &[]).await.expect("it runs")
}

/// How many pages the whole statement touched.
fn pages(plan: &[String]) -> u64 {
    let top = plan.iter().find_map(|line| line.split("Buffers: shared ").nth(1));
    let counts = top.expect("the first node tells of its pages").split(' ');
    let touched = counts.filter_map(|count| count.strip_prefix("hit=").or(count.strip_prefix("read=")));
    touched
        .map(|count| count.parse::<u64>().expect("pages are counted"))
        .sum()
}

/// The most rows that any node gave in all its rounds.
fn busiest(plan: &[String]) -> f64 {
    let number = |line: &str, name: &str| -> f64 {
        let text = line.split(name).nth(1).and_then(|rest| rest.split([' ', ')']).next());
        text.and_then(|text| text.parse().ok())
            .expect("a node that ran tells its rows and loops")
    };
    plan.iter()
        .filter(|line| line.contains("actual rows="))
        .map(|line| number(line, "actual rows=") * number(line, "loops="))
        .fold(0.0, f64::max)
}

/// How many rows each node read only to leave them out, for each time that it ran.
fn read_in_vain(plan: &[String]) -> Vec<f64> {
    let counts = plan
        .iter()
        .filter_map(|line| line.split("Rows Removed by Filter: ").nth(1));
    counts
        .map(|count| count.trim().parse().expect("rows are counted"))
        .collect()
}

#[tokio::test]
async fn a_claim_reads_no_more_of_the_queue_than_it_takes() {
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &[]).await;
    // In all lanes, and in one. Without statistics, with those of a full queue, with those of other lanes, and of this one alone.
    for lanes in ["SELECT 1", "UPDATE live_runs SET lane = 7"] {
        db.execute_unprepared(lanes).await.expect("it is SQL");
        for learn in ["SELECT 1", "ANALYZE"] {
            db.execute_unprepared(learn).await.expect("it is SQL");
            // A claim looks at one row more of a lane than it may take, in as many steps of its index as there are lanes.
            for (sql, types, values, index, most) in [
                (
                    lock_due(false),
                    CLAIMS,
                    "NULL, 100, NULL, 48, NULL, NULL, 4000, 8000, 1",
                    "live_runs_lane",
                    192.0,
                ),
                (floor::READ, "float8", "15e6", "live_runs_lane", 64.0),
                (next_due(false), GLANCES, "NULL, NULL, NULL, NULL", "live_runs_due", 1.0),
            ] {
                let plan = plan_of(&database, sql, types, values).await;
                assert!(plan.iter().any(|line| line.contains(index)), "{plan:#?}");
                assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
                assert!(busiest(&plan) <= most, "{plan:#?}");
                // A search for the first of an endpoint gives one row at most, however much it reads.
                assert!(read_in_vain(&plan).iter().all(|rows| *rows <= 1.0), "{plan:#?}");
            }
        }
    }
}

/// Statistics of a time when no cadence was planned make the whole index of plan rows look as cheap as one of its entries.
#[tokio::test]
async fn a_claim_looks_for_the_plan_row_of_each_endpoint_alone() {
    const STALE: [&str; 3] = [
        "UPDATE live_runs SET slot = 'extra', cause = 'manual'",
        "ANALYZE",
        "UPDATE live_runs SET slot = 'plan', cause = 'interval' WHERE due_at > '2020-01-01'",
    ];
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &STALE).await;
    let due = "SELECT FORMAT('%L, %L, %L', ARRAY_AGG(r.id)::text, ARRAY_AGG(r.ctid)::text, ARRAY_AGG(s.ctid)::text)
                 FROM (SELECT id, ctid, endpoint_id FROM live_runs WHERE slot = 'extra' LIMIT 100) r
                 JOIN endpoint_state s USING (endpoint_id)";
    let due: String = ask(&db, due).await;
    let [ids, places, states] = due.split(", ").collect::<Vec<_>>()[..] else {
        panic!("three arrays: {due}")
    };
    let hand_over = format!("'2020-01-01', {ids}, 'engine', 15e6, {places}, {states}");
    let search = "'2020-01-01', 100, NULL, 48, NULL, NULL, NULL, NULL, NULL".to_owned();
    for (sql, types, values) in [(lock_due(false), CLAIMS, search), (&*CLAIM, HAND_OVERS, hand_over)] {
        let plan = plan_of(&database, sql, types, &values).await;
        assert!(busiest(&plan) <= 192.0, "{plan:#?}");
        assert!(read_in_vain(&plan).iter().all(|rows| *rows <= 1.0), "{plan:#?}");
    }
}

/// Rows that are over leave their entries in the indexes, and while somebody holds an old snapshot all of them stay. A look
/// that begins where the lanes begin does not walk over them.
#[tokio::test]
async fn a_look_from_a_floor_does_not_walk_over_what_is_over() {
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &[]).await;
    // All but one were claimed in the first hour of 2020, and are over.
    for statement in [
        "UPDATE live_runs SET status = 'running', lease_until = due_at",
        "DELETE FROM live_runs WHERE due_at < (SELECT MAX(due_at) FROM live_runs)",
        "UPDATE live_runs SET status = 'planned', lease_until = NULL, due_at = '2020-01-01 02:00:00'",
    ] {
        db.execute_unprepared(statement).await.expect("it is SQL");
    }
    let now = "'2020-01-01 02:00:00'";
    let lanes = format!("ARRAY_FILL({now}::timestamptz, ARRAY[64])");
    let touched = async |sql: &str, types: &str, values: String| {
        // The first look marks the entries as dead; they stay where they are.
        plan_of(&database, sql, types, &values).await;
        pages(&plan_of(&database, sql, types, &values).await)
    };
    let claim = async |lanes: &str| {
        touched(
            lock_due(false),
            CLAIMS,
            format!("{now}, 1, NULL, 48, {lanes}, NULL, NULL, NULL, NULL"),
        )
        .await
    };
    let (all, less) = (claim("NULL").await, claim(&lanes).await);
    assert!(all > less + 25, "{all} pages, {less} from the floor on");
    let glance = async |floor: &str| touched(next_due(false), GLANCES, format!("{now}, NULL, {floor}")).await;
    let (all, less) = (glance("NULL, NULL").await, glance(&format!("{now}, {now}")).await);
    assert!(all > less + 25, "{all} pages, {less} from the floor on");
}

/// What turns up behind a floor is seen when that is no longer good. Until then it holds up nothing of its endpoint, and beside
/// the one that goes first it finds no room.
#[tokio::test]
async fn a_row_behind_the_floor_is_overtaken() {
    const TWO: [&str; 3] = [
        "DELETE FROM live_runs WHERE lane <> 0",
        "UPDATE live_runs SET slot = 'extra', cause = 'manual', lane = 0,
                              endpoint_id = (SELECT MIN(endpoint_id::text)::uuid FROM live_runs)",
        "DELETE FROM live_runs WHERE id NOT IN (SELECT id FROM live_runs ORDER BY due_at DESC, id LIMIT 2)",
    ];
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &TWO).await;
    let in_order = "SELECT ARRAY_AGG(id::text ORDER BY due_at, id) FROM live_runs";
    let rows: Vec<String> = ask(&db, in_order).await;
    let [earlier, later] = &rows[..] else {
        panic!("{rows:?}")
    };
    let last: String = ask(&db, "SELECT QUOTE_LITERAL(MAX(due_at)) FROM live_runs").await;
    let floor = format!("ARRAY_FILL({last}::timestamptz, ARRAY[64])");
    for (lanes, first) in [("NULL", earlier), (&floor, later)] {
        let ask = format!("EXECUTE asked (NULL, 100, NULL, 48, {lanes}, NULL, 4000, NULL, NULL)");
        let due = prepared(&database, lock_due(false), CLAIMS, &ask).await;
        let due: Vec<String> = due.iter().map(|row| row.get::<_, Uuid>("id").to_string()).collect();
        assert_eq!(due, [first.as_str()]);
    }
}

#[tokio::test]
async fn what_is_handed_over_is_found_by_its_place() {
    let database = OwnDatabase::migrated().await;
    let plan = plan_of(&database, &CLAIM, HAND_OVERS, "NOW(), '{}', 'engine', 15e6, '{}', '{}'").await;
    for found in ["Tid Scan on live_runs r", "Tid Scan on endpoint_state s"] {
        assert!(plan.iter().any(|line| line.contains(found)), "{plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
}

/// Of a burst, a thousand runs are in flight. Their leases end at different times.
const IN_FLIGHT: &str = "
    UPDATE live_runs
       SET status = 'running', slot = 'extra', source = 'manual', cause = 'manual', fence = 1, attempt = 1,
           lease_until = NOW() + RANDOM() * INTERVAL '15 minutes'
     WHERE id IN (SELECT id FROM live_runs ORDER BY id LIMIT 1000)";

/// What 50 of those have in that column, as an array.
async fn in_flight(db: &DatabaseConnection, column: &str) -> String {
    let some = "SELECT * FROM live_runs WHERE status = 'running' ORDER BY id LIMIT 50";
    let array = format!("SELECT QUOTE_LITERAL(ARRAY_AGG({column})) FROM ({some}) r");
    ask(db, &array).await
}

/// Each row is found by a key of its own, without a look at any other.
fn found_one_by_one(plan: &[String]) {
    for found in ["live_runs_pkey", "actual rows=50"] {
        assert!(plan.iter().any(|line| line.contains(found)), "{found}: {plan:#?}");
    }
    assert!(!plan.iter().any(|line| line.contains("Seq Scan")), "{plan:#?}");
    assert!(busiest(plan) <= 50.0, "{plan:#?}");
}

#[tokio::test]
async fn plain_ends_are_found_by_their_keys() {
    const TYPES: &str = "timestamptz, uuid[], uuid[], bigint[], bigint[], integer[], bytea[], boolean[]";
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &[IN_FLIGHT]).await;
    for learn in ["SELECT 1", "ANALYZE"] {
        db.execute_unprepared(learn).await.expect("it is SQL");
        let values = [
            "NULL".to_owned(),
            in_flight(&db, "id").await,
            in_flight(&db, "endpoint_id").await,
            in_flight(&db, "fence").await,
            in_flight(&db, "1").await,
            in_flight(&db, "200").await,
            in_flight(&db, "NULL::bytea").await,
            in_flight(&db, "FALSE").await,
        ];
        let plan = plan_of(&database, &plain::END, TYPES, &values.join(", ")).await;
        let end = plan.iter().position(|line| line.contains("CTE gone"));
        found_one_by_one(&plan[end.expect("it is a part")..]);
    }
}

#[tokio::test]
async fn leases_are_found_by_their_keys() {
    const TYPES: &str = "uuid[], bigint[], timestamptz, float8, float8";
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &[]).await;
    for learn in ["SELECT 1", "ANALYZE"] {
        // To be renewed are some of them, each time.
        for statement in [IN_FLIGHT, learn] {
            db.execute_unprepared(statement).await.expect("it is SQL");
        }
        let (ids, fences) = (in_flight(&db, "id").await, in_flight(&db, "fence").await);
        let plan = plan_of(&database, RENEW, TYPES, &format!("{ids}, {fences}, NULL, 900e6, 600e6")).await;
        found_one_by_one(&plan);
        let by_place = plan.iter().filter(|line| line.contains("Tid Scan on live_runs"));
        assert_eq!(by_place.count(), 2, "{plan:#?}");
    }
}

/// Few endpoints with much in the queue: whoever reads it in the order of ids meets many rows of others.
#[tokio::test]
async fn the_last_runs_of_an_endpoint_are_not_looked_for_through_the_queue() {
    const FEW: &str = "
        WITH few AS (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS number FROM job_endpoints LIMIT 30),
             numbered AS (SELECT id, place % 30 + 1 AS number, place / 30 AS place
                            FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS place FROM live_runs) rows)
        UPDATE live_runs r
           SET slot = 'extra', endpoint_id = few.id, started_at = CASE WHEN n.place % 50 = 0 THEN r.due_at END
          FROM numbered n JOIN few ON few.number = n.number
         WHERE r.id = n.id";
    // What the sessions of the store have read is told when they are idle.
    const READ: &str = "
        SELECT SUM(idx_tup_read)::bigint AS read, SUM(idx_scan) FILTER (WHERE indexrelname = 'live_runs_endpoint')::bigint AS looks
          FROM pg_stat_user_indexes
         WHERE relname = 'live_runs'";
    let database = OwnDatabase::migrated().await;
    let db = database.connect().await;
    burst(&db, &[FEW, "VACUUM ANALYZE"]).await;
    let read = async || {
        let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, READ));
        let row = row.await.expect("it is SQL").expect("one row");
        let count = |name: &str| row.try_get::<i64>("", name).expect("it is a number");
        (count("read"), count("looks"))
    };
    let endpoint = EndpointId(ask(&db, "SELECT endpoint_id FROM live_runs ORDER BY id LIMIT 1").await);
    // What this session has read itself is told.
    db.execute_unprepared("SELECT pg_stat_force_next_flush()")
        .await
        .expect("it is SQL");
    let (before, looks) = read().await;
    let opened = polled(&database, 1).await;
    let mut tx = opened.store.read().await.expect("the store is up");
    let recent = tx.recent_runs(&[endpoint], 5, 100).await.expect("they are read");
    drop(tx);
    assert_eq!(recent.len(), 5);
    let after = once(async || Some(read().await).filter(|(_, now)| *now > looks))
        .await
        .0;
    assert!(after - before < 1_500, "{} entries of 20 000 were read", after - before);
}
