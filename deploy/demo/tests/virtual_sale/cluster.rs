//! Schedulers over one store: each is the real engine and the real API, reached over pipes within the process.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use baton_api::{Options, Server};
use baton_domain::{
    fixtures::{MemoryStore, SeededChance},
    ids::Chance,
    limits::PlanLimits,
    ports::{Store, Topic},
    services::{Services, StoreQueue},
    time::{Clock, Timestamp, after, from_micros},
};
use baton_engine::{Engine, EngineConfig};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{DuplexStream, copy_bidirectional, duplex},
    sync::mpsc::{self, UnboundedSender},
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::shop::Shop;

const PIPE_BYTES: usize = 64 * 1_024;

/// Tokio's clock, which the tests pause, as the store's.
pub struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        after(from_micros(1_800_000_000_000_000), self.0.elapsed())
    }
}

/// A connection of a planner or a client, and the scheduler that holds its other end.
type Door = UnboundedSender<io::Result<DuplexStream>>;

/// A scheduler that works until it is killed, with everything that would die with its process.
struct Scheduler {
    door: Door,
    life: Vec<AbortHandle>,
}

/// The schedulers that live. Everything ends when it is dropped.
pub struct Cluster {
    pub clock: Arc<VirtualClock>,
    pub chance: Arc<dyn Chance>,
    living: Arc<Mutex<Vec<Scheduler>>>,
    tasks: JoinSet<()>,
}

impl Cluster {
    pub fn start(schedulers: usize, shop: &Arc<Shop>) -> Self {
        let clock = Arc::new(VirtualClock(Instant::now()));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let chance: Arc<dyn Chance> = Arc::new(SeededChance::new(11));
        let mut cluster = Self {
            clock,
            chance,
            living: Arc::default(),
            tasks: JoinSet::new(),
        };
        for number in 0..schedulers {
            cluster.start_one(&format!("scheduler-{number}"), &store, shop);
        }
        cluster
    }

    fn start_one(&mut self, name: &str, store: &Arc<dyn Store>, shop: &Arc<Shop>) {
        let services = Services::new(Arc::clone(store), Arc::clone(&self.chance), PlanLimits::default());
        let queue = Arc::new(StoreQueue::new(Arc::clone(store), Arc::clone(&self.chance)));
        let config = EngineConfig {
            exact: false,
            ..EngineConfig::named(name)
        };
        let engine = Engine::new(queue, shop.clone(), config);
        let wakes = store.wakes(Topic::Queue);
        let working = self
            .tasks
            .spawn(async move { engine.run(wakes, CancellationToken::new()).await });
        let server = Server::new(services, Options::default()).expect("descriptors are readable");
        let (door, incoming) = mpsc::unbounded_channel();
        let serving = self.tasks.spawn(async move {
            let incoming = UnboundedReceiverStream::new(incoming);
            drop(server.serve_on(incoming, CancellationToken::new()).await);
        });
        let life = vec![working, serving];
        lock(&self.living).push(Scheduler { door, life });
    }

    /// Ends that scheduler in the midst of whatever it does: nothing is finished, its connections break.
    pub fn kill(&self, number: usize) {
        let killed = lock(&self.living).remove(number);
        killed.life.iter().for_each(AbortHandle::abort);
    }

    /// Connects to the first scheduler that lives, and again when that is gone.
    pub fn channel(&self) -> Channel {
        let living = Arc::clone(&self.living);
        let connector = tower::service_fn(move |_: Uri| {
            let connected = lock(&living).first_mut().map(connect);
            let connected = connected.unwrap_or_else(|| Err(io::Error::other("nobody lives")));
            async move { connected.map(TokioIo::new) }
        });
        Endpoint::from_static("http://in-process").connect_with_connector_lazy(connector)
    }
}

/// The near end of a pipe whose far end is the scheduler's; the wire between them is cut when it is killed.
fn connect(scheduler: &mut Scheduler) -> io::Result<DuplexStream> {
    let (near, mut wire_near) = duplex(PIPE_BYTES);
    let (mut wire_far, far) = duplex(PIPE_BYTES);
    let wire = tokio::spawn(async move { copy_bidirectional(&mut wire_near, &mut wire_far).await });
    scheduler.life.push(wire.abort_handle());
    let sent = scheduler.door.send(Ok(far));
    sent.map_err(|_| io::Error::other("the scheduler is gone"))?;
    Ok(near)
}

fn lock(living: &Mutex<Vec<Scheduler>>) -> MutexGuard<'_, Vec<Scheduler>> {
    living.lock().unwrap_or_else(PoisonError::into_inner)
}
