//! What SQLite reads for a claim, counted in the steps of its own machine.

use std::{path::Path, sync::Arc};

use baton_domain::fixtures::{TestClock, contract::World};
use baton_store::sqlite::{connect, queue::due};
use rusqlite::{Connection, StatementStatus, named_params};

use crate::databases::Folder;

/// An endpoint and its state.
const ENDPOINT: &str = "
    INSERT INTO job_endpoints (id, user_id, name, description, method, url, headers, min_interval_us, timeout_us,
                               retry_max_attempts, retry_base_delay_us, retry_max_delay_us, max_response_bytes, status,
                               paused_until_resumed, version, created_at, updated_at)
    SELECT ZEROBLOB(16), 'ada', 'hook', '', 'POST', 'http://shop.example/', '[]', 1000000, 1000000, 3, 1000000, 1000000,
           65536, 'active', FALSE, 1, '2020-01-01T00:00:00+00:00', '2020-01-01T00:00:00+00:00';
    INSERT INTO endpoint_state (endpoint_id, anchor_at, cursor_at, failures, changed_at, cadence_owed)
    SELECT id, created_at, created_at, 0, created_at, FALSE FROM job_endpoints";
/// ?1 runs of it that wait, all due at one time.
const BACKLOG: &str = "
    WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?1)
    INSERT INTO live_runs (id, endpoint_id, user_id, status, source, cause, planned_at, due_at, attempt,
                           response_truncated, slot, lane, fence, losses)
    SELECT RANDOMBLOB(16), id, 'ada', 'planned', 'manual', 'manual', created_at, created_at, 0, FALSE, 'extra', 0, 0, 0
      FROM numbers, job_endpoints";

/// The steps of a search for one run that is due.
async fn steps(runs: u32) -> i32 {
    let folder = Folder::new();
    drop(
        connect(&folder.file(), Arc::new(TestClock::at(World::start())))
            .await
            .expect("the file is made"),
    );
    searched(&folder.file(), runs).expect("it is SQL")
}

fn searched(file: &Path, runs: u32) -> rusqlite::Result<i32> {
    let connection = Connection::open(file)?;
    connection.execute_batch(ENDPOINT)?;
    connection.execute(BACKLOG, [runs])?;
    let mut search = connection.prepare(due())?;
    let mut found = search.query(named_params! { "$1": "2020-01-01T00:00:00+00:00", "$2": 1, "$3": 0 })?;
    assert!(found.next()?.is_some(), "the first is due");
    assert!(found.next()?.is_none(), "no more than one was asked for");
    drop(found);
    Ok(search.get_status(StatementStatus::VmStep))
}

#[tokio::test]
async fn a_claim_does_not_read_all_that_an_idle_endpoint_has_waiting() {
    let (few, many) = (steps(2).await, steps(2_000).await);
    assert!(many <= few + 10, "{few} steps with 2 runs, {many} with 2 000");
}
