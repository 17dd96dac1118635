//! The contract suite over the in-memory store.

use std::sync::Arc;

use baton_domain::{
    fixtures::{MemoryStore, SeededChance, TestClock, contract::World},
    ports::Store,
    services::StoreQueue,
};

async fn world() -> World {
    let clock = Arc::new(TestClock::at(World::start()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    let queue = Arc::new(StoreQueue::new(Arc::clone(&store), Arc::new(SeededChance::new(1))));
    World::new(store, queue, clock, ())
}

baton_domain::contract_suite!(
    #[tokio::test]
    crate::world()
);
