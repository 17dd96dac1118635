//! The history's partitions: one a day of planned time, made ahead, dropped when retention has passed them.
//!
//! Called by [`crate::store`] when it arranges the history. What falls into a day without a partition stands in [`REST`]
//! until that day's is made, and is found there like anywhere else.

use std::time::Duration;

use baton_domain::{
    ids::uuid_floor,
    ports::StoreResult,
    time::{Timestamp, after},
};
use chrono::{Days, NaiveDate, NaiveTime};
use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DatabaseTransaction, DbBackend, Statement, TransactionTrait as _,
};

use crate::error::store_error;

/// The partition for whatever no other covers.
pub const REST: &str = "run_history_rest";

/// Days that have a partition before they begin.
const AHEAD: u64 = 3;

/// Nobody waits long for us: a partition that cannot be had now is made or dropped at the next round.
const PATIENCE: &str = "SET LOCAL lock_timeout = '2s'";

/// The turn's own transaction waits while the steps are done; it holds no row of anybody's.
const TURN_LASTS: &str = "SET LOCAL idle_in_transaction_session_timeout = '60s'";

/// One row, true for the one scheduler whose turn it is until its transaction ends.
const TURN: &str = "SELECT pg_try_advisory_xact_lock(hashtext('baton-history')) AS mine";

/// The names of the partitions of single days.
const DAYS: &str = "
    SELECT c.relname::text AS name
      FROM pg_inherits i
      JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'run_history'::regclass
       AND c.relname <> 'run_history_rest'
     ORDER BY c.relname";

/// Makes what is missing for today and the days after it, and drops what ends before `kept_from`. Returns how many
/// partitions were dropped; none when another scheduler is at it.
pub async fn arrange(db: &DatabaseConnection, now: Timestamp, kept_from: Timestamp) -> StoreResult<u64> {
    // Holds the turn until the end, while each step is a short transaction of its own.
    let turn = db.begin().await.map_err(store_error)?;
    turn.execute_unprepared(TURN_LASTS).await.map_err(store_error)?;
    if !is_my_turn(&turn).await? {
        return Ok(0);
    }
    let days = days(&turn).await?;
    let today = now.date_naive();
    for day in (0..=AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead))) {
        if !days.contains(&day) {
            one_step(db, &make(day)).await?;
        }
    }
    let mut dropped = 0;
    for day in days.into_iter().filter(|day| start_of(next(*day)) <= kept_from) {
        one_step(db, &remove(day)).await?;
        dropped += 1;
    }
    turn.commit().await.map_err(store_error)?;
    Ok(dropped)
}

async fn is_my_turn(tx: &DatabaseTransaction) -> StoreResult<bool> {
    let turn = tx
        .query_one_raw(Statement::from_string(DbBackend::Postgres, TURN))
        .await
        .map_err(store_error)?;
    let mine = turn
        .map(|row| row.try_get("", "mine"))
        .transpose()
        .map_err(store_error)?;
    Ok(mine.unwrap_or(false))
}

/// The days that have a partition.
async fn days(tx: &DatabaseTransaction) -> StoreResult<Vec<NaiveDate>> {
    let found = tx
        .query_all_raw(Statement::from_string(DbBackend::Postgres, DAYS))
        .await;
    let names: Result<Vec<String>, _> = found
        .map_err(store_error)?
        .iter()
        .map(|row| row.try_get("", "name"))
        .collect();
    Ok(names
        .map_err(store_error)?
        .iter()
        .filter_map(|name| day_of(name))
        .collect())
}

/// Statements in one transaction.
async fn one_step(db: &DatabaseConnection, statements: &[String]) -> StoreResult<()> {
    let tx = db.begin().await.map_err(store_error)?;
    tx.execute_unprepared(PATIENCE).await.map_err(store_error)?;
    for statement in statements {
        tx.execute_unprepared(statement).await.map_err(store_error)?;
    }
    tx.commit().await.map_err(store_error)
}

/// What already stands in the rest moves along: a partition cannot be attached beside rows that belong to it. Nobody may
/// add such a row meanwhile, hence the lock.
fn make(day: NaiveDate) -> [String; 4] {
    let (table, from, to) = (name(day), uuid_floor(start_of(day)), uuid_floor(start_of(next(day))));
    [
        format!("LOCK TABLE {REST} IN ACCESS EXCLUSIVE MODE"),
        format!("CREATE TABLE {table} (LIKE run_history INCLUDING DEFAULTS)"),
        format!(
            "WITH moved AS (DELETE FROM {REST} WHERE id >= '{from}' AND id < '{to}' RETURNING *)
             INSERT INTO {table} SELECT * FROM moved"
        ),
        format!("ALTER TABLE run_history ATTACH PARTITION {table} FOR VALUES FROM ('{from}') TO ('{to}')"),
    ]
}

/// Who watches runs and has not read as far as the partition went must be told that something is missing.
fn remove(day: NaiveDate) -> [String; 2] {
    let table = name(day);
    [
        format!(
            "UPDATE change_marks
                SET dropped = GREATEST(dropped, COALESCE((SELECT MAX(changed_in) FROM {table}), 0))"
        ),
        format!("DROP TABLE {table}"),
    ]
}

fn name(day: NaiveDate) -> String {
    format!("run_history_{}", day.format("%Y%m%d"))
}

fn day_of(name: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(name.strip_prefix("run_history_")?, "%Y%m%d").ok()
}

fn start_of(day: NaiveDate) -> Timestamp {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn next(day: NaiveDate) -> NaiveDate {
    after(start_of(day), Duration::from_secs(24 * 60 * 60)).date_naive()
}

#[cfg(test)]
mod tests {
    use super::{NaiveDate, day_of, make, name};

    #[test]
    fn a_day_has_a_name_that_is_read_back_and_bounds_that_meet() {
        let days = [(2026, 11, 24), (2024, 2, 29), (2026, 12, 31)];
        for day in days.map(|(year, month, day)| NaiveDate::from_ymd_opt(year, month, day).expect("a date")) {
            assert_eq!(day_of(&name(day)), Some(day));
            let following = day.succ_opt().expect("there is a tomorrow");
            let [.., attach] = make(day);
            let [.., attach_following] = make(following);
            let bounds = |text: &str| text.split('\'').map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(bounds(&attach)[3], bounds(&attach_following)[1], "{day}");
        }
        assert_eq!(day_of("run_history_rest"), None);
        assert_eq!(
            name(NaiveDate::from_ymd_opt(2026, 3, 4).expect("a date")),
            "run_history_20260304"
        );
    }
}
