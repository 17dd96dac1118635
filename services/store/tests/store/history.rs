//! The history's partitions on PostgreSQL.

use std::{sync::Arc, time::Duration};

use baton_domain::{
    fixtures::{TestClock, contract::World},
    ids::{EndpointId, RunId, UserId, uuid_floor},
    ports::{Page, RunFilter, Store},
    run::{Cause, Run, Source},
    time::{Clock as _, Timestamp, after, before},
};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, prelude::Uuid};

use crate::databases::{OwnDatabase, postgres_store};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

struct Stage {
    clock: Arc<TestClock>,
    store: Arc<dyn Store>,
    db: DatabaseConnection,
    _database: OwnDatabase,
}

async fn stage() -> Stage {
    let clock = Arc::new(TestClock::at(World::start()));
    let database = OwnDatabase::migrated().await;
    Stage {
        store: Arc::new(postgres_store(&database, &clock).await),
        db: sea_orm::Database::connect(database.url()).await.expect("it is up"),
        clock,
        _database: database,
    }
}

impl Stage {
    /// A finished run of that planned time.
    async fn ran(&self, planned_at: Timestamp) -> RunId {
        let id = RunId(uuid_floor(planned_at));
        let mut run = Run::planned(
            id,
            EndpointId(Uuid::nil()),
            user(),
            Source::BASELINE,
            Cause::Cron,
            planned_at,
        );
        run.finished_at = Some(planned_at);
        let mut tx = self.store.begin().await.expect("the store is up");
        tx.move_to_history(&[run]).await.expect("the history takes it");
        tx.commit().await.expect("nobody else writes");
        id
    }

    async fn arrange(&self) -> u64 {
        let kept_from = before(self.clock.now(), 30 * DAY);
        self.store
            .arrange_history(kept_from)
            .await
            .expect("the history is arranged")
    }

    /// The first column of every row.
    async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self
            .db
            .query_all_raw(Statement::from_string(self.db.get_database_backend(), sql));
        let rows = rows.await.expect("the catalogue can be read");
        rows.iter()
            .map(|row| row.try_get_by_index(0).expect("a text"))
            .collect()
    }

    /// Partitions of single days, and the number of rows in the rest.
    async fn pieces(&self) -> (Vec<String>, String) {
        let days = self.texts(
            "SELECT inhrelid::regclass::text FROM pg_inherits
              WHERE inhparent = 'run_history'::regclass AND inhrelid <> 'run_history_rest'::regclass
              ORDER BY 1",
        );
        let rest = self.texts("SELECT COUNT(*)::text FROM run_history_rest");
        (days.await, rest.await.remove(0))
    }

    async fn listed(&self) -> Vec<RunId> {
        let mut tx = self.store.read().await.expect("the store is up");
        let runs = tx
            .list_runs(&RunFilter::of_user(user()), Page::first(100), usize::MAX)
            .await;
        runs.expect("runs are listed").runs.iter().map(|run| run.id).collect()
    }
}

fn user() -> UserId {
    UserId("ada".to_owned())
}

/// The clock starts on 2027-01-15.
#[tokio::test]
async fn days_are_made_ahead_filled_from_the_rest_and_dropped() {
    let stage = stage().await;
    let now = stage.clock.now();
    let [today, far] = [stage.ran(now).await, stage.ran(after(now, 40 * DAY)).await];
    assert_eq!(stage.pieces().await, (Vec::new(), "2".to_owned()));

    assert_eq!(stage.arrange().await, 0);
    let four = ["20270115", "20270116", "20270117", "20270118"].map(|day| format!("run_history_{day}"));
    assert_eq!(
        stage.pieces().await,
        (four.to_vec(), "1".to_owned()),
        "today's run moved"
    );
    let tomorrow = stage.ran(after(now, DAY)).await;
    assert_eq!(stage.listed().await, [far, tomorrow, today]);

    stage.clock.advance(31 * DAY);
    assert_eq!(stage.arrange().await, 1, "the day that ended 30 days ago");
    let (days, rest) = stage.pieces().await;
    assert_eq!(days.first().map(String::as_str), Some("run_history_20270116"));
    assert_eq!((days.len(), rest.as_str()), (7, "1"));
    assert_eq!(stage.listed().await, [far, tomorrow]);
    assert_eq!(stage.arrange().await, 0, "nothing is left to do");
}

#[tokio::test]
async fn two_schedulers_arrange_at_once() {
    let stage = stage().await;
    let run = stage.ran(stage.clock.now()).await;
    let (one, two) = tokio::join!(stage.arrange(), stage.arrange());
    assert_eq!(one + two, 0);
    assert_eq!(stage.pieces().await.0.len(), 4);
    assert_eq!(stage.listed().await, [run]);
}

#[tokio::test]
async fn a_run_is_looked_for_in_its_own_day_only() {
    let stage = stage().await;
    let run = stage.ran(stage.clock.now()).await;
    stage.arrange().await;
    let plan = stage
        .texts(&format!("EXPLAIN SELECT * FROM run_history WHERE id = '{run}'"))
        .await
        .join("\n");
    assert!(plan.contains("run_history_20270115"), "{plan}");
    assert!(
        !plan.contains("run_history_20270116") && !plan.contains("run_history_rest"),
        "{plan}"
    );
}
