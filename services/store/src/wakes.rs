//! Wakes those who wait for a topic, within this process.
//!
//! A wake is a count that grows, so one that comes between two looks of a waiter is not lost, and many at once are one.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use baton_domain::ports::Topic;
use event_listener::Event;
use futures_core::stream::BoxStream;
use futures_util::stream;

/// Every topic.
pub const TOPICS: [Topic; 2] = [Topic::Queue, Topic::Contexts];

#[derive(Default)]
struct Bell {
    rings: AtomicU64,
    event: Event,
}

impl Bell {
    fn ring(&self) {
        self.rings.fetch_add(1, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    /// Returns the count as soon as it differs from `seen`.
    async fn after(&self, seen: u64) -> u64 {
        loop {
            // Listen before looking: a ring after the look then ends the wait.
            let ring = self.event.listen();
            let rings = self.rings.load(Ordering::SeqCst);
            if rings != seen {
                return rings;
            }
            ring.await;
        }
    }
}

/// The bells of one store, shared with its transactions and its listener.
#[derive(Clone, Default)]
pub struct Wakes {
    queue: Arc<Bell>,
    contexts: Arc<Bell>,
}

impl Wakes {
    /// Wakes everybody who waits for the topic.
    pub fn wake(&self, topic: Topic) {
        self.bell(topic).ring();
    }

    /// Wakes everybody: something may have happened while nobody listened.
    pub fn sweep(&self) {
        for topic in TOPICS {
            self.wake(topic);
        }
    }

    /// An item for each look that finds wakes since the look before. Never ends.
    pub fn stream(&self, topic: Topic) -> BoxStream<'static, ()> {
        let bell = Arc::clone(self.bell(topic));
        let seen = bell.rings.load(Ordering::SeqCst);
        Box::pin(stream::unfold((bell, seen), |(bell, seen)| async move {
            let seen = bell.after(seen).await;
            Some(((), (bell, seen)))
        }))
    }

    fn bell(&self, topic: Topic) -> &Arc<Bell> {
        match topic {
            Topic::Queue => &self.queue,
            Topic::Contexts => &self.contexts,
        }
    }
}

/// The topic's name in a notification.
pub fn topic_name(topic: Topic) -> &'static str {
    match topic {
        Topic::Queue => "queue",
        Topic::Contexts => "contexts",
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::{Topic, Wakes};

    #[test]
    fn a_wake_between_two_looks_is_not_lost_and_many_are_one() {
        let wakes = Wakes::default();
        let mut queue = wakes.stream(Topic::Queue);
        let mut contexts = wakes.stream(Topic::Contexts);
        assert_eq!(queue.next().now_or_never(), None);

        wakes.wake(Topic::Queue);
        wakes.wake(Topic::Queue);
        assert_eq!(queue.next().now_or_never(), Some(Some(())));
        assert_eq!(queue.next().now_or_never(), None, "both wakes were one");
        assert_eq!(contexts.next().now_or_never(), None, "the other topic sleeps on");

        wakes.sweep();
        assert_eq!(queue.next().now_or_never(), Some(Some(())));
        assert_eq!(contexts.next().now_or_never(), Some(Some(())));
    }
}
