//! A store that breaks when a test says so.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use baton_domain::{
    error::StoreError,
    fixtures::MemoryStore,
    ports::{Store, StoreResult, Topic, Tx},
    time::Timestamp,
};
use futures_util::stream::{self, BoxStream, StreamExt as _};

/// What the store does when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mood {
    Well,
    Unavailable,
    Broken,
    /// Never answers.
    Stuck,
    Panics,
    /// Works, but what is committed wakes nobody who begins to listen now.
    Deaf,
}

const MOODS: [Mood; 6] = [
    Mood::Well,
    Mood::Unavailable,
    Mood::Broken,
    Mood::Stuck,
    Mood::Panics,
    Mood::Deaf,
];

/// An in-memory store with moods.
pub struct MoodyStore {
    inner: MemoryStore,
    mood: Arc<AtomicU8>,
    reads: Arc<AtomicUsize>,
}

/// Changes the mood.
#[derive(Debug, Clone, Default)]
pub struct MoodSwitch {
    mood: Arc<AtomicU8>,
    reads: Arc<AtomicUsize>,
}

impl MoodSwitch {
    pub fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// How often the store was read from.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl MoodyStore {
    pub fn new(inner: MemoryStore, switch: &MoodSwitch) -> Self {
        Self {
            inner,
            mood: Arc::clone(&switch.mood),
            reads: Arc::clone(&switch.reads),
        }
    }

    fn mood(&self) -> Mood {
        MOODS[usize::from(self.mood.load(Ordering::SeqCst))]
    }

    async fn in_the_mood(&self) -> StoreResult<()> {
        match self.mood() {
            Mood::Well | Mood::Deaf => Ok(()),
            Mood::Unavailable => Err(StoreError::Unavailable("connection to 10.1.2.3 refused".to_owned())),
            Mood::Broken => Err(StoreError::Broken("column secret is missing".to_owned())),
            Mood::Stuck => std::future::pending().await,
            Mood::Panics => panic!("the store panics because a test wants it to"),
        }
    }
}

#[async_trait]
impl Store for MoodyStore {
    async fn begin(&self) -> StoreResult<Box<dyn Tx>> {
        self.in_the_mood().await?;
        self.inner.begin().await
    }

    async fn read(&self) -> StoreResult<Box<dyn Tx>> {
        self.in_the_mood().await?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.read().await
    }

    fn wakes(&self, topic: Topic) -> BoxStream<'static, ()> {
        match self.mood() {
            Mood::Deaf => stream::pending().boxed(),
            _ => self.inner.wakes(topic),
        }
    }

    async fn check(&self) -> StoreResult<()> {
        match self.mood() {
            // A call's panic is that call's; what checks the store outlives all calls.
            Mood::Panics => {}
            _ => self.in_the_mood().await?,
        }
        self.inner.check().await
    }

    async fn arrange_history(&self, kept_from: Timestamp) -> StoreResult<u64> {
        self.in_the_mood().await?;
        self.inner.arrange_history(kept_from).await
    }
}
