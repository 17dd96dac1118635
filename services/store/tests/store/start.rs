//! A store opens only on a database that is its own, up to date and free, and says why where it does not.

use std::{path::Path, sync::Arc};

use baton_domain::{
    fixtures::{SeededChance, TestClock, contract::World},
    ports::Store as _,
};
use baton_store::{Opened, Options, StartError, open, sqlite};
use sea_orm::{ConnectionTrait as _, Database};

use crate::databases::{Folder, OwnDatabase};

fn options() -> Options {
    Options::new(Arc::new(TestClock::at(World::start())), Arc::new(SeededChance::new(1)))
}

async fn refusal(url: &str) -> StartError {
    match open(url, &options()).await {
        Ok(_) => panic!("{url} was opened"),
        Err(error) => error,
    }
}

async fn execute(url: &str, statement: &str) {
    let db = Database::connect(url).await.expect("the database accepts connections");
    db.execute_unprepared(statement).await.expect("the statement runs");
    db.close().await.expect("the connection closes");
}

fn url_of(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

#[tokio::test]
async fn a_fresh_file_is_migrated_and_opens_again() {
    let folder = Folder::new();
    for _ in 0..2 {
        let Opened { store, listener, .. } = open(&url_of(&folder.file()), &options()).await.expect("it opens");
        store.check().await.expect("it serves");
        assert!(listener.is_none());
    }
}

#[tokio::test]
async fn a_second_serving_process_is_refused() {
    let folder = Folder::new();
    let clock = Arc::new(TestClock::at(World::start()));
    let first = sqlite::connect(&folder.file(), clock).await.expect("the first opens");
    let error = refusal(&url_of(&folder.file())).await;
    assert!(matches!(&error, StartError::Locked { .. }), "{error}");
    assert!(
        error.to_string().contains("is being served by another process"),
        "{error}"
    );
    first.check().await.expect("the first goes on");
    drop(first);
    open(&url_of(&folder.file()), &options())
        .await
        .expect("the lock goes with its holder");
}

#[tokio::test]
async fn a_database_that_is_behind_is_refused_and_named() {
    let database = OwnDatabase::empty().await;
    let error = refusal(&database.url()).await;
    assert!(
        matches!(&error, StartError::Behind(pending) if *pending == baton_migrations::steps()),
        "{error}"
    );
    assert!(error.to_string().contains("baton-migrations up"), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_on_both() {
    const NEWER: &str = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_later', 0)";
    let database = OwnDatabase::migrated().await;
    execute(&database.url(), NEWER).await;
    let folder = Folder::new();
    drop(
        open(&url_of(&folder.file()), &options())
            .await
            .expect("a fresh file opens"),
    );
    execute(&format!("sqlite://{}", folder.file().display()), NEWER).await;
    for url in [database.url(), url_of(&folder.file())] {
        let error = refusal(&url).await;
        assert!(
            matches!(&error, StartError::UnknownMigrations(steps) if steps == &["m9999_later"]),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_database_of_somebody_else_is_refused_on_both() {
    const THEIRS: &str = "CREATE TABLE jobs (title TEXT)";
    let database = OwnDatabase::empty().await;
    execute(&database.url(), THEIRS).await;
    let folder = Folder::new();
    execute(&format!("sqlite://{}?mode=rwc", folder.file().display()), THEIRS).await;
    for url in [database.url(), url_of(&folder.file())] {
        let error = refusal(&url).await;
        assert!(matches!(error, StartError::OtherSchema), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_says_so() {
    for url in ["postgres://nobody@127.0.0.1:1/none", "sqlite:/nowhere/at/all/baton.db"] {
        let error = refusal(url).await;
        assert!(matches!(error, StartError::Unreachable(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_url_of_something_else_is_refused() {
    for url in ["mysql://host/database", "sqlite::memory:", "", "baton.db"] {
        let error = refusal(url).await;
        assert!(matches!(error, StartError::Url(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_migrated_server_opens_and_serves() {
    let database = OwnDatabase::migrated().await;
    let Opened { store, listener, .. } = open(&database.url(), &options()).await.expect("it opens");
    store.check().await.expect("it serves");
    assert!(listener.is_some());
    let (first, second) = (store.begin().await.unwrap().now(), store.begin().await.unwrap().now());
    assert!(
        first != World::start() && second > first,
        "the database's clock is asked at each begin"
    );
}
