//! Ends by sets of rows and ends through the general way leave the same rows behind, and one bad report stands alone.

mod situations;

use std::sync::{
    Arc,
    atomic::{AtomicU16, Ordering},
};

use baton_domain::{
    call::{CallError, CallErrorKind},
    error::{Error, StoreError},
    fixtures::{MemoryStore, TestClock, contract::World},
    ids::{Chance, RunId},
    plan::reason,
    ports::Store,
    run::{LiveRun, Run},
    schedule::{FinishedRun, Settled},
    services::{Queue, StoreQueue},
};
use baton_store::{
    postgres::{
        pool,
        queue::PostgresQueue,
        session::{Hot, Sessions},
        tls::Target,
    },
    sqlite::queue::SqliteQueue,
};

use sea_orm::{SqliteTransactionMode, TransactionOptions, TransactionTrait as _};

use self::situations::{Situation, add, situations};
use crate::{
    claims::situations::{id, job},
    databases::{Folder, OwnDatabase, hot, postgres_store, sqlite_store},
    dump::{assert_identical, assert_identical_rows, dump, dump_file},
};

/// The same jitter for everybody, and ids that differ in their last digits only.
#[derive(Default)]
pub struct Counted(AtomicU16);

impl Chance for Counted {
    fn bits(&self) -> u128 {
        (0x1234_5678 << 64) | (u128::from(self.0.fetch_add(1, Ordering::Relaxed)) << 48)
    }
}

async fn fill(store: &dyn Store, situations: &[(usize, Situation)]) {
    let mut tx = store.begin().await.expect("the store is up");
    tx.create_job(&job()).await.expect("the job is new");
    for (number, situation) in situations {
        add(tx.as_mut(), *situation, *number).await;
    }
    tx.commit().await.expect("nobody else writes");
}

/// Reports in batches, those that may be plain by themselves, later endpoints first: locks are taken in another order than
/// reports come.
async fn finish_all(queue: &dyn Queue, situations: &[(usize, Situation)]) -> Vec<Settled> {
    let mut reports: Vec<FinishedRun> = situations
        .iter()
        .rev()
        .map(|(number, situation)| situation.report(*number))
        .collect();
    reports.sort_by_key(|report| report.cause.may_end_plainly() && report.outcome.is_success());
    let mut answers = Vec::new();
    for batch in reports.chunks(100) {
        answers.extend(queue.finish_runs(batch).await.expect("the batch is recorded"));
    }
    answers
}

fn numbered() -> Vec<(usize, Situation)> {
    situations().into_iter().enumerate().collect()
}

fn clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(World::start()))
}

/// A queue by sets of rows; what it leaves to the general way goes to `general`.
async fn fast_queue(database: &OwnDatabase, sessions: Sessions, general: Option<Arc<dyn Store>>) -> PostgresQueue {
    let store = postgres_store(database, &clock()).await;
    let hot = hot(database, &store, sessions);
    let general = general.unwrap_or_else(|| Arc::new(store));
    PostgresQueue::new(hot, general, Arc::new(Counted::default()))
}

#[tokio::test]
async fn both_ways_of_finishing_leave_identical_rows() {
    let situations = numbered();
    let (general, own, pooled) = (
        OwnDatabase::migrated().await,
        OwnDatabase::migrated().await,
        OwnDatabase::migrated().await,
    );
    let store: Arc<dyn Store> = Arc::new(postgres_store(&general, &clock()).await);
    fill(store.as_ref(), &situations).await;
    let expected = finish_all(&StoreQueue::new(store, Arc::new(Counted::default())), &situations).await;
    for settled in [Settled::Succeeded, Settled::Failed, Settled::Retried, Settled::Refused] {
        let count = expected.iter().filter(|answer| **answer == settled).count();
        assert!(count > 50, "{settled:?}: {count}");
    }
    assert_varied(&dump(&general).await);

    for (database, sessions) in [(own, Sessions::Own), (pooled, Sessions::Pooled)] {
        fill(&postgres_store(&database, &clock()).await, &situations).await;
        let queue = fast_queue(&database, sessions, None).await;
        assert_eq!(finish_all(&queue, &situations).await, expected, "{sessions:?}");
        assert_identical_rows(&database, &general).await;
    }
}

#[tokio::test]
async fn both_ways_of_finishing_leave_identical_rows_on_sqlite() {
    let situations = numbered();
    let (general, own) = (Folder::new(), Folder::new());
    let (store, _) = sqlite_store(&general, &clock()).await;
    fill(store.as_ref(), &situations).await;
    let expected = finish_all(&StoreQueue::new(store, Arc::new(Counted::default())), &situations).await;
    let (store, hot) = sqlite_store(&own, &clock()).await;
    fill(store.as_ref(), &situations).await;
    let queue = SqliteQueue::new(hot, store, Arc::new(Counted::default()));
    assert_eq!(finish_all(&queue, &situations).await, expected);
    let rows = dump_file(&own).await;
    assert_varied(&rows);
    assert_identical(&rows, &dump_file(&general).await);
}

/// Fills and finishes on either database, by sets of rows and in the general way: answers and rows must be the same.
/// Returns the answers, and the rows on PostgreSQL.
async fn assert_same_either_way(
    fill: impl AsyncFn(&dyn Store),
    finish: impl AsyncFn(&dyn Queue) -> Vec<Settled>,
) -> (Vec<Settled>, Vec<String>) {
    let chance = || Arc::new(Counted::default());
    let (general, own) = (OwnDatabase::migrated().await, OwnDatabase::migrated().await);
    let store: Arc<dyn Store> = Arc::new(postgres_store(&general, &clock()).await);
    fill(store.as_ref()).await;
    let expected = finish(&StoreQueue::new(store, chance())).await;
    fill(&postgres_store(&own, &clock()).await).await;
    let queue = fast_queue(&own, Sessions::Own, None).await;
    assert_eq!(finish(&queue).await, expected);
    assert_identical_rows(&own, &general).await;
    let rows = dump(&general).await;

    let (general, own) = (Folder::new(), Folder::new());
    let (store, _) = sqlite_store(&general, &clock()).await;
    fill(store.as_ref()).await;
    assert_eq!(finish(&StoreQueue::new(store, chance())).await, expected);
    let (store, hot) = sqlite_store(&own, &clock()).await;
    fill(store.as_ref()).await;
    assert_eq!(finish(&SqliteQueue::new(hot, store, chance())).await, expected);
    assert_identical(&dump_file(&own).await, &dump_file(&general).await);
    (expected, rows)
}

/// Planners are asked again when an endpoint is ok again, though its run ended as plainly as most.
#[tokio::test]
async fn ends_after_which_an_endpoint_is_ok_again_concern_planners() {
    let situations: Vec<(usize, Situation)> = numbered()
        .into_iter()
        .filter(|(number, situation)| situation.is_ok_again() && !Situation::is_without_job(*number))
        .collect();
    assert!(!situations.is_empty());
    let (_, rows) = assert_same_either_way(
        async |store| fill(store, &situations).await,
        async |queue| finish_all(queue, &situations).await,
    )
    .await;
    assert!(rows.iter().any(|row| row.contains(reason::OUTCOME_CHANGED)));
}

/// An endpoint's ends in one batch are recorded in their order, plain as each of them might be.
#[tokio::test]
async fn ends_of_one_endpoint_in_one_batch_leave_identical_rows_either_way() {
    let (number, situation) = numbered()
        .into_iter()
        .find(|(_, situation)| situation.is_plain_beside_others())
        .expect("there is one");
    let other = LiveRun {
        run: Run {
            id: RunId(id(4, number)),
            ..situation.row(number).run
        },
        ..situation.row(number)
    };
    let reports = [
        situation.report(number),
        FinishedRun {
            run_id: other.run.id,
            ..situation.report(number)
        },
    ];
    let fill_both = async |store: &dyn Store| {
        fill(store, &[(number, situation)]).await;
        let mut tx = store.begin().await.expect("the store is up");
        tx.enqueue(std::slice::from_ref(&other)).await.expect("the row is new");
        tx.commit().await.expect("nobody else writes");
    };
    let finish = async |queue: &dyn Queue| queue.finish_runs(&reports).await.expect("both are recorded");
    let (answers, _) = assert_same_either_way(fill_both, finish).await;
    assert_eq!(answers, [Settled::Succeeded, Settled::Succeeded]);
}

/// Runs ended in every way.
fn assert_varied(rows: &[String]) {
    for table in ["run_history", "run_attempts", "live_runs", "hints"] {
        let count = rows.iter().filter(|row| row.starts_with(table)).count();
        assert!(count > 50, "{table}: {count}");
    }
    assert!(
        rows.iter()
            .any(|row| row.contains(r#""status": "skipped""#) || row.contains("status: 'skipped'")),
        "times were passed over"
    );
}

/// The general way would refuse everything here: it is over a store that knows none of the runs.
#[tokio::test]
async fn ends_that_concern_no_planner_never_take_the_general_way() {
    let situations: Vec<(usize, Situation)> = numbered()
        .into_iter()
        .filter(|(number, _)| Situation::is_without_job(*number))
        .collect();
    let (fast, general) = (OwnDatabase::migrated().await, OwnDatabase::migrated().await);
    for database in [&fast, &general] {
        fill(&postgres_store(database, &clock()).await, &situations).await;
    }
    let elsewhere: Arc<dyn Store> = Arc::new(MemoryStore::new(clock()));
    let queue = fast_queue(&fast, Sessions::Own, Some(elsewhere)).await;
    let store: Arc<dyn Store> = Arc::new(postgres_store(&general, &clock()).await);
    let expected = finish_all(&StoreQueue::new(store, Arc::new(Counted::default())), &situations).await;
    assert_eq!(finish_all(&queue, &situations).await, expected);
    assert_identical_rows(&fast, &general).await;

    let (fast, general) = (Folder::new(), Folder::new());
    let (store, hot) = sqlite_store(&fast, &clock()).await;
    fill(store.as_ref(), &situations).await;
    let elsewhere: Arc<dyn Store> = Arc::new(MemoryStore::new(clock()));
    let queue = SqliteQueue::new(hot, elsewhere, Arc::new(Counted::default()));
    let (store, _) = sqlite_store(&general, &clock()).await;
    fill(store.as_ref(), &situations).await;
    let expected = finish_all(&StoreQueue::new(store, Arc::new(Counted::default())), &situations).await;
    assert_eq!(finish_all(&queue, &situations).await, expected);
    assert_identical(&dump_file(&fast).await, &dump_file(&general).await);
}

/// PostgreSQL keeps no NUL in a text: a message of a peer that has one cannot be recorded.
#[tokio::test]
async fn a_poison_report_fails_alone() {
    let database = OwnDatabase::migrated().await;
    let successes = numbered()
        .into_iter()
        .filter(|(number, situation)| situation.report(*number).outcome.is_success());
    let (plain, others): (Vec<_>, Vec<_>) = successes.partition(|(_, situation)| situation.is_plain_beside_others());
    let situations: Vec<(usize, Situation)> = others.into_iter().take(20).chain(plain).collect();
    fill(&postgres_store(&database, &clock()).await, &situations).await;
    let mut reports: Vec<FinishedRun> = situations
        .iter()
        .map(|(number, situation)| situation.report(*number))
        .collect();
    let queue = fast_queue(&database, Sessions::Own, None).await;
    let store: Arc<dyn Store> = Arc::new(postgres_store(&database, &clock()).await);
    let poisoned = reports
        .iter()
        .position(|report| report.fence == 7)
        .expect("one is current");
    reports[poisoned].outcome.error = Some(CallError {
        kind: CallErrorKind::InvalidRequest,
        message: "a \0 in a message".to_owned(),
    });

    let answers = queue.finish_runs(&reports).await.expect("the others are recorded");
    assert_eq!(answers.len(), reports.len());
    for (position, settled) in answers.iter().enumerate() {
        assert_eq!(
            *settled == Settled::Unrecorded,
            position == poisoned,
            "{position}: {settled:?}"
        );
    }
    assert!(answers.iter().filter(|settled| **settled == Settled::Succeeded).count() > 5);
    let mut tx = store.read().await.expect("the store is up");
    let left = tx.live_runs(&[reports[poisoned].run_id]).await.expect("it can be read");
    assert_eq!(left.len(), 1, "the run stands where it stood, with its lease");
}

#[tokio::test]
async fn reports_fail_as_a_whole_while_the_database_is_away() {
    let database = OwnDatabase::migrated().await;
    let store = postgres_store(&database, &clock()).await;
    let target = Target::parse("postgres://baton@127.0.0.1:1/nowhere").expect("the URL is one");
    let pool = pool::open(&target, 1, Sessions::Own).expect("connections are made as needed");
    let hot = Hot::new(&store, pool, Sessions::Own);
    let queue = PostgresQueue::new(hot, Arc::new(store), Arc::new(Counted::default()));
    let reports: Vec<FinishedRun> = numbered()
        .into_iter()
        .take(3)
        .map(|(number, situation)| situation.report(number))
        .collect();
    match queue.finish_runs(&reports).await {
        Err(Error::Store(StoreError::Unavailable(_))) => {}
        other => panic!("{other:?}"),
    }
}

/// A backup or a person's shell may hold the file for long. What has succeeded meanwhile must not be let go, or it is called
/// again.
#[tokio::test]
async fn reports_fail_as_a_whole_while_another_process_holds_the_file() {
    let folder = Folder::new();
    let situations: Vec<(usize, Situation)> = numbered().into_iter().take(2).collect();
    let (store, hot) = sqlite_store(&folder, &clock()).await;
    fill(store.as_ref(), &situations).await;
    let queue = SqliteQueue::new(hot, store, Arc::new(Counted::default()));
    let reports: Vec<FinishedRun> = situations
        .iter()
        .map(|(number, situation)| situation.report(*number))
        .collect();

    let other = sea_orm::Database::connect(format!("sqlite:{}", folder.file().display())).await;
    let other = other.expect("the file opens beside");
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let held = other.begin_with_options(options).await.expect("nobody writes");
    match queue.finish_runs(&reports).await {
        Err(Error::Store(StoreError::Unavailable(_))) => {}
        answered => panic!("{answered:?}"),
    }
    held.rollback().await.expect("nothing was written");
    let answers = queue.finish_runs(&reports).await.expect("the file is free");
    assert!(!answers.contains(&Settled::Unrecorded), "{answers:?}");
}
