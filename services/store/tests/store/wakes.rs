//! Commits wake those who wait, in this process and, on PostgreSQL, in others.

use std::{future::Future, sync::Arc, time::Duration};

use baton_domain::{
    fixtures::{SeededChance, TestClock, contract::World},
    ports::{Store, Topic},
};
use baton_store::{Opened, Options, open};
use futures_util::{FutureExt as _, StreamExt as _};
use sea_orm::{ConnectionTrait as _, Database};

use crate::databases::{Folder, OwnDatabase};

fn options() -> Options {
    Options::new(Arc::new(TestClock::at(World::start())), Arc::new(SeededChance::new(1)))
}

async fn commit(store: &dyn Store, topic: Topic) {
    let mut tx = store.begin().await.expect("the store is up");
    tx.wake(topic);
    tx.commit().await.expect("nobody else writes");
}

/// Fails the test instead of hanging it.
async fn soon<T>(what: &str, waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap_or_else(|_| panic!("{what} took too long"))
}

#[tokio::test]
async fn a_commit_wakes_and_a_dropped_transaction_does_not() {
    let (folder, database) = (Folder::new(), OwnDatabase::migrated().await);
    for url in [format!("sqlite:{}", folder.file().display()), database.url()] {
        let Opened { store, .. } = open(&url, &options()).await.expect("it opens");
        let mut wakes = store.wakes(Topic::Queue);
        let mut tx = store.begin().await.expect("the store is up");
        tx.wake(Topic::Queue);
        drop(tx);
        assert_eq!(wakes.next().now_or_never(), None);
        commit(store.as_ref(), Topic::Contexts).await;
        assert_eq!(wakes.next().now_or_never(), None, "another topic");
        commit(store.as_ref(), Topic::Queue).await;
        assert_eq!(wakes.next().now_or_never(), Some(Some(())));
    }
}

#[tokio::test]
async fn a_commit_wakes_another_process_before_and_after_a_lost_connection() {
    let database = OwnDatabase::migrated().await;
    let Opened { store: ours, .. } = open(&database.url(), &options()).await.expect("it opens");
    let Opened {
        store: theirs,
        listener,
        ..
    } = open(&database.url(), &options()).await.expect("it opens twice");
    let mut wakes = theirs.wakes(Topic::Contexts);
    let listening = tokio::spawn(listener.expect("PostgreSQL notifies"));

    soon("the sweep of the first LISTEN", wakes.next()).await;
    commit(ours.as_ref(), Topic::Contexts).await;
    soon("the notification", wakes.next()).await;

    let administrator = Database::connect(database.url())
        .await
        .expect("the database accepts connections");
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN baton'";
    administrator
        .execute_unprepared(cut)
        .await
        .expect("the listener's connection can be cut");
    soon("the sweep of the second LISTEN", wakes.next()).await;
    commit(ours.as_ref(), Topic::Contexts).await;
    soon("the notification over the new connection", wakes.next()).await;
    assert!(!listening.is_finished());
    listening.abort();
}
