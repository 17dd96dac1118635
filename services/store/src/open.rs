//! Opens whatever database a URL names: what the scheduler calls at start.

use std::{path::Path, sync::Arc};

use baton_domain::{
    ids::Chance,
    ports::Store,
    services::{Queue, StoreSubmissions, Submissions},
    time::Clock,
};
use futures_util::{FutureExt as _, future::BoxFuture};

use crate::{
    postgres::{
        self, pool,
        queue::PostgresQueue,
        session::{Hot, Sessions},
        submit::PostgresSubmissions,
        tls::Target,
    },
    sqlite::{self, queue::SqliteQueue},
    start::StartError,
    store::DbClock,
};

/// How to open a store.
#[derive(Clone)]
pub struct Options {
    /// The time on SQLite. PostgreSQL has its own.
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    /// Connections to PostgreSQL for everything but the hot path.
    pub connections: u32,
    /// Connections to PostgreSQL for submitting, claiming and finishing, at most: they are made as they are needed. A busy engine
    /// claims on two and records ends on two.
    pub queue_connections: usize,
    /// Hear the commits of other processes. Without it nothing needs a session of PostgreSQL for longer than a
    /// transaction, as behind a transaction pooler.
    pub listen: bool,
}

impl Options {
    /// The usual number of connections.
    pub fn new(clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            clock,
            chance,
            connections: 10,
            queue_connections: 8,
            listen: true,
        }
    }
}

/// What to do where there is no SQLite file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    Make,
    Refuse,
}

/// An open store.
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub queue: Arc<dyn Queue>,
    pub submissions: Arc<dyn Submissions>,
    /// Hears the commits of other processes; to be run beside everything else until the process stops. `None` on
    /// SQLite, where there are none, and when nobody is to listen: waiting is by polling alone then.
    pub listener: Option<BoxFuture<'static, ()>>,
}

/// Opens `sqlite:PATH` or `postgres://…`.
pub async fn open(url: &str, options: &Options) -> Result<Opened, StartError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return open_postgres(url, options).await;
    }
    match sqlite_path(url) {
        Some(path) => open_sqlite(Path::new(path), options).await,
        None => Err(StartError::Url("neither of both".to_owned())),
    }
}

/// Opens the same for reading only, beside whoever serves from it. SQLite files are neither made nor migrated.
pub async fn open_reader(url: &str, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StartError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(
            postgres::connect(url, DbClock::Database, 1, Sessions::Own).await?,
        ));
    }
    match sqlite_path(url) {
        Some(path) => Ok(Arc::new(sqlite::connect_reader(Path::new(path), clock).await?)),
        None => Err(StartError::Url("neither of both".to_owned())),
    }
}

/// Opens the same for reading and writing beside whoever serves from it. A SQLite file that is new or behind is migrated
/// if nobody serves from it.
pub async fn open_beside(url: &str, clock: Arc<dyn Clock>, missing: Missing) -> Result<Arc<dyn Store>, StartError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Arc::new(
            postgres::connect(url, DbClock::Database, 1, Sessions::Own).await?,
        ));
    }
    match sqlite_path(url) {
        Some(path) => Ok(Arc::new(
            sqlite::connect_beside(Path::new(path), clock, missing == Missing::Make).await?,
        )),
        None => Err(StartError::Url("neither of both".to_owned())),
    }
}

async fn open_sqlite(path: &Path, options: &Options) -> Result<Opened, StartError> {
    let store = sqlite::connect(path, Arc::clone(&options.clock)).await?;
    let hot = sqlite::session::Hot::open(path, &store)?;
    let store: Arc<dyn Store> = Arc::new(store);
    let queue = Arc::new(SqliteQueue::new(hot, Arc::clone(&store), Arc::clone(&options.chance)));
    let submissions = Arc::new(StoreSubmissions::new(Arc::clone(&store), Arc::clone(&options.chance)));
    Ok(Opened {
        store,
        queue,
        submissions,
        listener: None,
    })
}

async fn open_postgres(url: &str, options: &Options) -> Result<Opened, StartError> {
    let target = Target::parse(url)?;
    let sessions = if options.listen {
        Sessions::Own
    } else {
        Sessions::Pooled
    };
    let store = postgres::connect(url, DbClock::Database, options.connections, sessions).await?;
    let pool = pool::open(&target, options.queue_connections, sessions)?;
    let (hot, wakes) = (Hot::new(&store, pool, sessions), store.wakes.clone());
    let store: Arc<dyn Store> = Arc::new(store);
    let chance = || Arc::clone(&options.chance);
    let queue = Arc::new(PostgresQueue::new(hot.clone(), Arc::clone(&store), chance()));
    let submissions = Arc::new(PostgresSubmissions::new(hot, Arc::clone(&store), chance()));
    Ok(Opened {
        store,
        queue,
        submissions,
        listener: options.listen.then(|| postgres::listen::listen(target, wakes).boxed()),
    })
}

/// The path of `sqlite:PATH` or `sqlite://PATH`; a database in memory would be another one for each connection.
fn sqlite_path(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.strip_prefix("//").unwrap_or(rest);
    let path = path.split('?').next().unwrap_or_default();
    (!path.is_empty() && path != ":memory:").then_some(path)
}

#[cfg(test)]
mod tests {
    use super::sqlite_path;

    #[test]
    fn a_sqlite_url_names_a_file() {
        let table = [
            ("sqlite:baton.db", Some("baton.db")),
            ("sqlite://baton.db", Some("baton.db")),
            ("sqlite:///var/lib/baton.db?mode=rwc", Some("/var/lib/baton.db")),
            ("sqlite::memory:", None),
            ("sqlite:", None),
            ("mysql://host/db", None),
        ];
        for (url, path) in table {
            assert_eq!(sqlite_path(url), path, "{url}");
        }
    }
}
