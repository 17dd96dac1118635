//! Fresh databases for tests: a file in a temporary folder, or a database of its own on the given server.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use baton_domain::{
    fixtures::{SeededChance, TestClock, contract::World},
    ports::Store,
    services::{Queue, StoreQueue},
};
use baton_migrations::migrate_up;
use baton_store::{
    DbClock, SqlStore,
    postgres::{
        self, pool,
        queue::PostgresQueue,
        session::{Hot, Sessions},
        submit::PostgresSubmissions,
        tls::Target,
    },
    sqlite::{self, queue::SqliteQueue},
};
use tempfile::TempDir;

/// A folder with room for one database, gone with the value.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder can be made"))
    }

    pub fn file(&self) -> PathBuf {
        self.0.path().join("baton.db")
    }
}

/// A database of its own, dropped with the value.
pub struct OwnDatabase {
    server: String,
    name: String,
}

impl OwnDatabase {
    /// Creates an empty database on the server that the environment names.
    pub async fn empty() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Ok(server) = std::env::var("BATON_TEST_DATABASE_URL") else {
            panic!("BATON_TEST_DATABASE_URL is not set: PostgreSQL tests need a server; run `cargo xtask test`");
        };
        let name = format!(
            "baton_test_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        administer(&server, &format!("CREATE DATABASE {name}"))
            .await
            .expect("the server lets us create a database");
        Self { server, name }
    }

    /// Creates a database with the current schema.
    pub async fn migrated() -> Self {
        let database = Self::empty().await;
        let db = sea_orm::Database::connect(database.url())
            .await
            .expect("the new database accepts connections");
        migrate_up(&db).await.expect("the migrations apply");
        db.close().await.expect("the connection closes");
        database
    }

    /// A plain connection beside whatever is tested.
    pub async fn connect(&self) -> sea_orm::DatabaseConnection {
        sea_orm::Database::connect(self.url())
            .await
            .expect("the database accepts connections")
    }

    pub fn url(&self) -> String {
        let mut url = url::Url::parse(&self.server).expect("the server's URL is one");
        url.set_path(&self.name);
        url.into()
    }
}

impl Drop for OwnDatabase {
    /// From a thread of its own, because a test's runtime cannot block. What remains open is closed by force.
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let statement = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            runtime
                .block_on(administer(&server, &statement))
                .map_err(std::io::Error::other)
        });
        if let Ok(Err(error)) = dropping.join() {
            eprintln!("test database {} remains: {error}", self.name);
        }
    }
}

async fn administer(server: &str, statement: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(statement).await;
    drop(client);
    connection.await.expect("the connection task does not panic")?;
    done
}

fn test_clock() -> Arc<TestClock> {
    Arc::new(TestClock::at(World::start()))
}

fn general(store: &Arc<dyn Store>) -> StoreQueue {
    StoreQueue::new(Arc::clone(store), Arc::new(SeededChance::new(1)))
}

/// A store on a fresh file whose time is `clock`, and the connection of the hot path beside it.
pub async fn sqlite_store(folder: &Folder, clock: &Arc<TestClock>) -> (Arc<dyn Store>, sqlite::session::Hot) {
    let store = sqlite::connect(&folder.file(), clock.clone())
        .await
        .expect("a fresh file opens");
    let hot = sqlite::session::Hot::open(&folder.file(), &store).expect("the file is there");
    (Arc::new(store), hot)
}

/// SQLite with the queue that is its own.
pub async fn sqlite_world() -> World {
    let (clock, folder) = (test_clock(), Folder::new());
    let (store, hot) = sqlite_store(&folder, &clock).await;
    let queue = SqliteQueue::new(hot, Arc::clone(&store), Arc::new(SeededChance::new(1)));
    World::new(store, Arc::new(queue), clock, folder)
}

/// SQLite with the queue that every store shares.
pub async fn general_sqlite_world() -> World {
    let (clock, folder) = (test_clock(), Folder::new());
    let (store, _) = sqlite_store(&folder, &clock).await;
    let queue = Arc::new(general(&store));
    World::new(store, queue, clock, folder)
}

/// A store on a fresh database whose time is `clock`.
pub async fn postgres_store(database: &OwnDatabase, clock: &Arc<TestClock>) -> SqlStore {
    let clock = DbClock::Injected(clock.clone());
    postgres::connect(&database.url(), clock, 4, Sessions::Own)
        .await
        .expect("a migrated database opens")
}

/// The connections of the hot path to the database of `store`.
pub fn hot(database: &OwnDatabase, store: &SqlStore, sessions: Sessions) -> Hot {
    let target = Target::parse(&database.url()).expect("the URL is one");
    let pool = pool::open(&target, 4, sessions).expect("the pool opens");
    Hot::new(store, pool, sessions)
}

/// A store, and the queue that works on sets of rows beside it.
pub async fn postgres_pair(database: &OwnDatabase, clock: &Arc<TestClock>) -> (Arc<dyn Store>, PostgresQueue) {
    let store = postgres_store(database, clock).await;
    let hot = hot(database, &store, Sessions::Own);
    let store: Arc<dyn Store> = Arc::new(store);
    let queue = PostgresQueue::new(hot, Arc::clone(&store), Arc::new(SeededChance::new(1)));
    (store, queue)
}

/// Everything by sets of rows.
pub async fn postgres_world() -> World {
    postgres_world_on(OwnDatabase::migrated().await).await
}

/// A world over a migrated database.
pub async fn postgres_world_on(database: OwnDatabase) -> World {
    let clock = test_clock();
    let store = postgres_store(&database, &clock).await;
    let hot = hot(&database, &store, Sessions::Own);
    let store: Arc<dyn Store> = Arc::new(store);
    let [queues, submits] = [1, 2].map(|seed| Arc::new(SeededChance::new(seed)));
    let queue = PostgresQueue::new(hot.clone(), Arc::clone(&store), queues);
    let submissions = PostgresSubmissions::new(hot, Arc::clone(&store), submits);
    World::new(store, Arc::new(queue), clock, database).with_submissions(Arc::new(submissions))
}

pub async fn general_postgres_world() -> World {
    let (clock, database) = (test_clock(), OwnDatabase::migrated().await);
    let store: Arc<dyn Store> = Arc::new(postgres_store(&database, &clock).await);
    let queue: Arc<dyn Queue> = Arc::new(general(&store));
    World::new(store, queue, clock, database)
}
