//! How values stand in rows: times that compare, signals that come back, columns that cannot be read.

use std::{path::Path, sync::Arc, time::Duration};

use baton_domain::{
    error::StoreError,
    fixtures::{TestClock, contract::World},
    ids::{EndpointId, FlashSaleId, JobId, RunId, UserId},
    job::{Job, JobStatus, PlannerMode},
    plan::JobPlanning,
    ports::{Page, RunFilter, Store},
    run::{Cause, Run, RunStatus, Source},
    sale::FlashSale,
    time::{Timestamp, after, from_micros},
};
use baton_store::sqlite;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, Statement, prelude::Uuid};

use crate::databases::{Folder, OwnDatabase, postgres_store};

/// The same store and, beside it, a plain connection to the same database.
struct Both {
    store: Arc<dyn Store>,
    db: DatabaseConnection,
    _keep: Box<dyn std::any::Any>,
}

async fn on_sqlite() -> Both {
    let folder = Folder::new();
    let store = sqlite::connect(&folder.file(), Arc::new(TestClock::at(World::start())))
        .await
        .expect("it opens");
    let db = plain_sqlite(&folder.file()).await;
    Both {
        store: Arc::new(store),
        db,
        _keep: Box::new(folder),
    }
}

async fn plain_sqlite(path: &Path) -> DatabaseConnection {
    let options = ConnectOptions::new(format!("sqlite://{}", path.display()));
    Database::connect(options)
        .await
        .expect("the file can be read beside the store")
}

async fn on_postgres() -> Both {
    let database = OwnDatabase::migrated().await;
    let clock = Arc::new(TestClock::at(World::start()));
    let store = postgres_store(&database, &clock).await;
    let db = Database::connect(database.url())
        .await
        .expect("the database accepts connections");
    Both {
        store: Arc::new(store),
        db,
        _keep: Box::new(database),
    }
}

async fn everywhere() -> [Both; 2] {
    [on_sqlite().await, on_postgres().await]
}

fn user() -> UserId {
    UserId("ada".to_owned())
}

fn job(number: u128) -> Job {
    Job {
        id: JobId(Uuid::from_u128(number)),
        user_id: user(),
        name: "shop".to_owned(),
        description: String::new(),
        status: JobStatus::Active,
        planner_mode: PlannerMode::Act,
        version: 1,
        created_at: World::start(),
        updated_at: World::start(),
        archived_at: None,
    }
}

/// Instants within one second with no, three and six digits of a fraction, in order.
fn instants() -> Vec<Timestamp> {
    let start = World::start().timestamp_micros();
    [
        -1, 0, 1, 999, 1_000, 1_001, 120_000, 123_000, 123_456, 124_000, 999_999, 1_000_000,
    ]
    .map(|us| from_micros(start + us))
    .into()
}

#[tokio::test]
async fn times_of_any_precision_compare_and_come_back() {
    for Both { store, db, _keep } in everywhere().await {
        let backend = db.get_database_backend();
        let mut tx = store.begin().await.unwrap();
        // Written backwards, so that the order found is not the order written.
        for (number, at) in instants().into_iter().enumerate().rev() {
            tx.create_job(&Job {
                created_at: at,
                ..job(number as u128)
            })
            .await
            .unwrap();
        }
        tx.commit().await.unwrap();

        let sorted = db.query_all_raw(Statement::from_string(
            backend,
            "SELECT created_at FROM jobs ORDER BY created_at",
        ));
        let sorted: Vec<Timestamp> = sorted
            .await
            .unwrap()
            .iter()
            .map(|row| row.try_get("", "created_at").unwrap())
            .collect();
        assert_eq!(sorted, instants(), "{backend:?}");

        for (position, at) in instants().into_iter().enumerate() {
            let count = "SELECT COUNT(*) AS count FROM jobs WHERE created_at <= $1";
            let count = db
                .query_one_raw(Statement::from_sql_and_values(backend, count, [at.into()]))
                .await
                .unwrap();
            let count: i64 = count.unwrap().try_get("", "count").unwrap();
            assert_eq!(count, position as i64 + 1, "{backend:?}: up to {at}");
        }
    }
}

#[tokio::test]
async fn a_column_that_cannot_be_read_is_named() {
    for Both { store, db, _keep } in everywhere().await {
        let mut tx = store.begin().await.unwrap();
        tx.create_job(&job(1)).await.unwrap();
        tx.commit().await.unwrap();
        db.execute_unprepared("UPDATE jobs SET status = 'odd'").await.unwrap();
        let read = store.read().await.unwrap().get_job(&user(), job(1).id).await;
        match read {
            Err(StoreError::Broken(message)) => assert_eq!(message, r#"column jobs.status: unknown word "odd""#),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn writing_through_a_read_is_an_error() {
    for Both { store, _keep, .. } in everywhere().await {
        let mut tx = store.read().await.unwrap();
        assert!(tx.create_job(&job(1)).await.is_err());
        drop(tx);
        assert_eq!(
            store.read().await.unwrap().get_job(&user(), job(1).id).await.unwrap(),
            None
        );
    }
}

#[tokio::test]
async fn a_read_keeps_to_one_snapshot() {
    for Both { store, _keep, .. } in everywhere().await {
        let mut reading = store.read().await.unwrap();
        assert_eq!(
            reading.list_jobs(&user(), None, Page::first(10)).await.unwrap().len(),
            0
        );
        let mut writing = store.begin().await.unwrap();
        writing.create_job(&job(1)).await.unwrap();
        writing.commit().await.unwrap();
        assert_eq!(
            reading.list_jobs(&user(), None, Page::first(10)).await.unwrap().len(),
            0
        );
        assert_eq!(
            store
                .read()
                .await
                .unwrap()
                .list_jobs(&user(), None, Page::first(10))
                .await
                .unwrap()
                .len(),
            1
        );
    }
}

#[tokio::test]
async fn signals_come_back_to_the_last_bit() {
    let signals = [0.1 + 0.2, 1e300, 5e-324, -0.0, 40.0, 123_456_789.123_456_78, f64::MAX];
    let signals = signals
        .iter()
        .enumerate()
        .map(|(number, value)| (format!("signal-{number}"), *value))
        .collect();
    let sale = FlashSale {
        id: FlashSaleId(Uuid::from_u128(9)),
        user_id: user(),
        name: "sale".to_owned(),
        description: String::new(),
        starts_at: World::start(),
        ends_at: after(World::start(), Duration::from_secs(60)),
        phase: String::new(),
        signals,
        job_ids: vec![job(2).id, job(1).id],
        version: 1,
        created_at: World::start(),
        updated_at: World::start(),
    };
    for Both { store, _keep, .. } in everywhere().await {
        let mut tx = store.begin().await.unwrap();
        tx.create_job(&job(1)).await.unwrap();
        tx.create_job(&job(2)).await.unwrap();
        tx.create_sale(&sale, &[]).await.unwrap();
        tx.commit().await.unwrap();
        let stored = store.read().await.unwrap().get_sale(&user(), sale.id).await.unwrap();
        assert_eq!(stored.as_ref(), Some(&sale), "values, and the jobs in the order given");
    }
}

#[tokio::test]
async fn a_batch_beyond_the_parameter_limit_is_written() {
    const RUNS: u128 = 3_000;
    let endpoint = EndpointId(Uuid::from_u128(1));
    let runs: Vec<Run> = (1..=RUNS)
        .map(|number| {
            let at = after(World::start(), Duration::from_millis(number as u64));
            let id = RunId(Uuid::from_u128(number));
            let run = Run::planned(id, endpoint, user(), Source::BASELINE, Cause::Interval, at);
            Run {
                status: RunStatus::Succeeded,
                started_at: Some(at),
                response: vec![7; 100],
                ..run
            }
        })
        .collect();
    for Both { store, _keep, .. } in everywhere().await {
        let mut tx = store.begin().await.unwrap();
        tx.move_to_history(&runs).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = store.read().await.unwrap();
        let listed = tx
            .list_runs(&RunFilter::of_user(user()), Page::first(5_000), usize::MAX)
            .await
            .unwrap()
            .runs;
        assert_eq!(listed.len(), runs.len());
        assert!(listed.iter().rev().eq(runs.iter()), "by descending id, as written");

        let recent = tx.recent_runs(&[endpoint], 2, 10).await.unwrap();
        let cut: Vec<_> = recent
            .iter()
            .map(|run| (run.id.0.as_u128(), run.response.len()))
            .collect();
        assert_eq!(cut, [(RUNS, 10), (RUNS - 1, 10)]);
    }
}

#[tokio::test]
async fn a_new_job_has_a_fresh_planning_row_and_goes_with_it() {
    for Both { store, _keep, .. } in everywhere().await {
        let mut tx = store.begin().await.unwrap();
        tx.create_job(&job(1)).await.unwrap();
        assert_eq!(
            tx.get_planning(job(1).id).await.unwrap(),
            Some(JobPlanning::new(job(1).id))
        );
        assert!(tx.delete_job(&user(), job(1).id).await.unwrap());
        assert_eq!(tx.get_planning(job(1).id).await.unwrap(), None);
        tx.commit().await.unwrap();
    }
}
