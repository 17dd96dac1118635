//! Changes of runs, read from the store once for all watches of this server.
//!
//! [`RunFeed::run`] is driven by [`crate::server`] as long as it serves: it reads on whenever a commit wakes it, and at
//! least every [`FeedOptions::poll`], and keeps a bounded [`window`] of what it has read last. Each [`watch`] takes its
//! changes from there. The truth is the store: a watch whose place is not in the window reads for itself until it is.
//! While nobody watches, nothing is read.

mod watch;
mod window;

pub(crate) use watch::RunWatch;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use baton_domain::{
    error::Error,
    ids::UserId,
    limits,
    ports::{ChangeCursor, ChangeQuery, Changes, RunFilter, Topic},
    services::Services,
};
use futures_util::StreamExt as _;
use tokio::{
    sync::{Notify, Semaphore, watch as news},
    time::{sleep, timeout},
};

use window::{Found, Window};

use crate::backoff::{Backoff, is_passing};

/// How watches of runs are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedOptions {
    /// How often to look for changes that no wake told of: what another scheduler starts is told by nobody.
    pub poll: Duration,
    /// The least time between two looks. Wakes that come meanwhile are one.
    pub pace: Duration,
    /// How much is kept for watches that do not take a change at once.
    pub window_changes: usize,
    pub window_bytes: usize,
    /// How long a watch may be behind the window before it is cut.
    pub patience: Duration,
    /// After this much silence a watch is sent its cursor.
    pub heartbeat: Duration,
    /// Watches that read for themselves at the same time; others wait for their turn.
    pub own_readers: usize,
}

impl Default for FeedOptions {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            pace: Duration::from_millis(10),
            window_changes: 10_000,
            window_bytes: 16 * 1_024 * 1_024,
            patience: Duration::from_secs(30),
            heartbeat: Duration::from_secs(15),
            own_readers: 4,
        }
    }
}

/// How much one look of the feed takes: changes of whomever, and bytes of responses.
const LOOK_CHANGES: usize = 2_000;
const LOOK_BYTES: usize = 4 * 1_024 * 1_024;

/// The one reader of a server, and what it has read.
pub(crate) struct RunFeed {
    services: Services,
    options: FeedOptions,
    window: Mutex<Window>,
    /// Rung when the first watch of a user comes.
    joined: Notify,
    /// Tells watches of each look.
    looks: news::Sender<()>,
    /// Turns of watches that read for themselves.
    turns: Semaphore,
}

impl RunFeed {
    pub(crate) fn new(services: Services, options: FeedOptions) -> Arc<Self> {
        Arc::new(Self {
            services,
            window: Mutex::new(Window::new(options.window_changes, options.window_bytes)),
            joined: Notify::new(),
            looks: news::Sender::new(()),
            turns: Semaphore::new(options.own_readers),
            options,
        })
    }

    /// Reads for as long as it is polled.
    pub(crate) async fn run(&self) -> Infallible {
        let mut wakes = self.services.store().wakes(Topic::Queue);
        let mut backoff = Backoff::default();
        loop {
            match self.look().await {
                Ok(Look::Nobody) => self.joined.notified().await,
                Ok(Look::More) => backoff.reset(),
                Ok(Look::All) => {
                    backoff.reset();
                    sleep(self.options.pace).await;
                    let rest = self.options.poll.saturating_sub(self.options.pace);
                    tokio::select! {
                        _ = timeout(rest, wakes.next()) => {}
                        () = self.joined.notified() => {}
                    }
                }
                Err(error) => {
                    if !is_passing(&error) {
                        tracing::error!(%error, "changes of runs cannot be read");
                        // Whatever is wrong with this place: those who watch read for themselves, and tell.
                        self.window().forget();
                    }
                    backoff.wait(&error, "changes of runs").await;
                }
            }
        }
    }

    /// Reads a stretch of the feed into the window.
    async fn look(&self) -> Result<Look, Error> {
        let Some(head) = self.window().head() else {
            if self.window().is_unwatched() {
                return Ok(Look::Nobody);
            }
            let head = self.services.change_head().await?;
            self.window().begin(head);
            return Ok(Look::More);
        };
        let Some(users) = self.window().users_to_read() else {
            return Ok(Look::Nobody);
        };
        let query = ChangeQuery {
            after: head,
            until: None,
            live_only: false,
            users,
            limit: LOOK_CHANGES,
            bytes: LOOK_BYTES,
        };
        let Changes { runs, next, is_last } = self.services.read_changes(&query).await?;
        self.window().add(runs, next);
        self.looks.send_replace(());
        Ok(if is_last { Look::All } else { Look::More })
    }

    fn join(&self, user: &UserId) {
        if self.window().join(user) {
            self.joined.notify_one();
        }
    }

    fn leave(&self, user: &UserId) {
        self.window().leave(user);
    }

    fn find(&self, at: ChangeCursor, filter: &RunFilter) -> Found {
        self.window().find(at, filter)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look came to.
enum Look {
    Nobody,
    More,
    All,
}

/// How many changes a watch that reads for itself takes at once: what it holds beside the window.
fn own_page(after: ChangeCursor, user: &UserId) -> ChangeQuery {
    ChangeQuery {
        after,
        until: None,
        live_only: false,
        users: vec![user.clone()],
        limit: limits::PAGE_MAX,
        bytes: 128 * 1_024,
    }
}
