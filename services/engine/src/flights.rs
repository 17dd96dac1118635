//! Runs in the air: how many may fly, which leases must be kept alive, and the calls themselves.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use baton_domain::{
    call::{CallOutcome, Dispatcher, HttpCall},
    ids::RunId,
    schedule::FinishedRun,
    services::ClaimedRun,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch},
    time::{MissedTickBehavior, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use crate::{Engine, metrics::Metrics, trace};

/// What is in the air, until its end is on record.
pub(crate) struct Flights {
    slots: Arc<Semaphore>,
    capacity: usize,
    leases: Mutex<HashMap<RunId, Lease>>,
    calls: TaskTracker,
    /// How many batches of ends wait for the database: they go before any claim.
    stalled: watch::Sender<usize>,
    /// Held by the renewal under way.
    renewal: tokio::sync::Mutex<()>,
}

/// A batch of ends that waits for the database.
pub(crate) struct Stall<'a>(&'a watch::Sender<usize>);

impl Drop for Stall<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|stalled| *stalled -= 1);
    }
}

/// What is held of a run until its end is on record.
struct Lease {
    fence: i64,
    /// Nobody need be told that it is lost: they have been, or its end is on its way to the store, whose answer will say
    /// whether it was held to the end.
    told: bool,
}

impl Flights {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(capacity)),
            capacity,
            leases: Mutex::default(),
            calls: TaskTracker::new(),
            stalled: watch::Sender::new(0),
            renewal: tokio::sync::Mutex::default(),
        }
    }

    /// How many more may start.
    pub(crate) fn free(&self) -> usize {
        self.slots.available_permits()
    }

    /// Returns once at least one more may start.
    pub(crate) async fn one_free(&self) {
        // The semaphore is never closed; the permit goes straight back.
        drop(self.slots.acquire().await);
    }

    /// Returns once so many more may start, or `patience` is over.
    pub(crate) async fn many_free(&self, count: usize, patience: Duration) {
        let count = u32::try_from(count.min(self.capacity)).unwrap_or(u32::MAX);
        drop(timeout(patience, self.slots.acquire_many(count)).await);
    }

    /// Ends wait for the database until this is dropped.
    pub(crate) fn stall(&self) -> Stall<'_> {
        self.stalled.send_modify(|stalled| *stalled += 1);
        Stall(&self.stalled)
    }

    /// Returns once no end of a run waits for the database.
    pub(crate) async fn reports_flow(&self) {
        // The sender lives as long as this does, so waiting cannot fail.
        drop(self.stalled.subscribe().wait_for(|stalled| *stalled == 0).await);
    }

    pub(crate) async fn all_landed(&self) {
        self.calls.close();
        self.calls.wait().await;
    }

    fn take(&self, claimed: &ClaimedRun) {
        let lease = Lease {
            fence: claimed.fence,
            told: false,
        };
        self.lock().insert(claimed.run.id, lease);
    }

    /// The ends of these runs are on their way to the store.
    pub(crate) fn note_reported(&self, reports: &[FinishedRun]) {
        let mut leases = self.lock();
        for report in reports {
            if let Some(lease) = leases.get_mut(&report.run_id) {
                lease.told = true;
            }
        }
    }

    /// The end of these runs is on record: their leases need no care any more.
    pub(crate) fn forget(&self, reports: &[FinishedRun]) {
        let mut leases = self.lock();
        for report in reports {
            leases.remove(&report.run_id);
        }
    }

    fn leases(&self) -> Vec<(RunId, i64)> {
        self.lock().iter().map(|(id, lease)| (*id, lease.fence)).collect()
    }

    /// How many of these turn out to be lost: they are not held, and nothing has been heard of their ends. Each counts once.
    fn lost(&self, asked: &[(RunId, i64)], held: &[RunId]) -> usize {
        let held: HashSet<&RunId> = held.iter().collect();
        let mut leases = self.lock();
        let mut lost = 0;
        for (id, fence) in asked.iter().filter(|(id, _)| !held.contains(id)) {
            if let Some(lease) = leases.get_mut(id)
                && lease.fence == *fence
                && !lease.told
            {
                lease.told = true;
                lost += 1;
            }
        }
        lost
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RunId, Lease>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Starts the call of a run whose claim was made at `since`. Its end goes to `ended`, with the slot freed before.
    pub(crate) async fn launch(&self, claimed: ClaimedRun, since: Instant, ended: &mpsc::Sender<FinishedRun>) {
        let Ok(slot) = Arc::clone(&self.flights.slots).acquire_owned().await else {
            return;
        };
        self.flights.take(&claimed);
        let flight = Flight {
            dispatcher: Arc::clone(&self.dispatcher),
            metrics: Arc::clone(&self.metrics),
            ended: ended.clone(),
            claimed,
            since,
            slot,
        };
        self.flights.calls.spawn(flight.take_off());
    }

    /// Keeps the leases alive until `landed`. With what the queue leaves alone, each is renewed at least every 5 twelfths of
    /// its length: three renewals in a row may fail at once.
    pub(crate) async fn renew_until(&self, landed: &CancellationToken) {
        let mut ticks = tokio::time::interval(self.config.lease / 6);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while landed.run_until_cancelled(ticks.tick()).await.is_some() {
            self.renew().await;
            self.metrics.in_flight(self.flights.capacity - self.flights.free());
        }
    }

    /// Renews every lease held. False when the store could not be asked. One after the other: what one has locked another
    /// passes over, and would take for lost.
    pub(crate) async fn renew(&self) -> bool {
        let _alone = self.flights.renewal.lock().await;
        let leases = self.flights.leases();
        if leases.is_empty() {
            return true;
        }
        match self.queue.renew(&leases, self.config.lease).await {
            Ok(held) => {
                let lost = self.flights.lost(&leases, &held);
                if lost > 0 {
                    self.metrics.lost(lost);
                    tracing::warn!(lost, "leases were lost; the ends of these runs will be refused");
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, leases = leases.len(), "leases could not be renewed");
                false
            }
        }
    }
}

/// One call under way.
struct Flight {
    dispatcher: Arc<dyn Dispatcher>,
    metrics: Arc<Metrics>,
    ended: mpsc::Sender<FinishedRun>,
    claimed: ClaimedRun,
    since: Instant,
    slot: OwnedSemaphorePermit,
}

impl Flight {
    /// All that a start takes is done here, beside the claim of the next ones.
    async fn take_off(self) {
        self.metrics.started(&self.claimed.run, self.since.elapsed());
        let span = trace::span_of(&self.claimed);
        self.fly().instrument(span).await;
    }

    async fn fly(self) {
        let Self {
            dispatcher,
            metrics,
            ended,
            claimed,
            slot,
            ..
        } = self;
        let outcome = dispatcher.call(call_of(&claimed)).await;
        tell(&claimed, &outcome);
        metrics.ended(&claimed.run, &outcome);
        let report = claimed.report(outcome);
        // The reporter outlives every flight, so this only fails when the engine was dropped.
        drop(ended.send(report).await);
        drop(slot);
    }
}

fn call_of(claimed: &ClaimedRun) -> HttpCall {
    HttpCall {
        run_id: claimed.run.id,
        attempt: claimed.run.attempt,
        request: Arc::clone(&claimed.request),
        timeout: claimed.timeout,
        max_response_bytes: usize::try_from(claimed.max_response_bytes).unwrap_or(usize::MAX),
    }
}

fn tell(claimed: &ClaimedRun, outcome: &CallOutcome) {
    let (run, code) = (&claimed.run, outcome.status_code);
    if outcome.is_success() {
        tracing::debug!(run_id = %run.id, ?code, "run succeeded");
    } else {
        tracing::info!(run_id = %run.id, endpoint_id = %run.endpoint_id, ?code, error = outcome.error_text(), "call failed");
    }
}
