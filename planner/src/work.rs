//! The run loop: keeps the latest context of every job and starts what is due.
//!
//! Started once by the binary. It owns the circuit and every running task; per job `job::JobState` decides. What is
//! decided here is only what concerns all jobs: how many asks may run at once, and whether the model may be asked.

mod job;
mod tasks;

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use baton_domain::ids::Chance;
use baton_proto::v1::PlanningContext;
use tokio::{sync::mpsc, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use self::{
    job::JobState,
    tasks::{Finished, Tasks},
};
use crate::{
    ask::{self, Asker, End, ModelHealth},
    circuit::{self, Change, Circuit, Permit},
    metrics::Metrics,
    model::Model,
    rpc::Scheduler,
    watch::{self, Event, job_id_of},
};

/// Events waiting for the loop. When it is full the stream waits, and HTTP/2 tells the scheduler.
const EVENT_QUEUE: usize = 64;
/// What asks get at the end to put on record that they were stopped.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// Long enough to be no timer at all.
const FAR_AWAY: Duration = Duration::from_secs(24 * 3_600);

/// How the loop works.
#[derive(Debug, Clone)]
pub struct Settings {
    pub ask: ask::Settings,
    /// How long an ask that has become due waits for what else may change.
    pub debounce: Duration,
    /// Asks at once, over all jobs.
    pub max_concurrent: usize,
    pub circuit: circuit::Config,
}

/// Everything the loop needs.
pub struct Planner {
    pub scheduler: Scheduler,
    pub model: Arc<dyn Model>,
    pub chance: Arc<dyn Chance>,
    pub metrics: Metrics,
    pub settings: Settings,
}

impl Planner {
    /// Plans until `stop` is cancelled; then gives up running asks and returns within a few seconds.
    ///
    /// # Errors
    /// When the watching task ended, which only a defect can cause.
    pub async fn run(self, stop: CancellationToken) -> Result<(), WatchEnded> {
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let mut watching = JoinSet::new();
        watching.spawn(watch::watch(self.scheduler.clone(), sender, Arc::clone(&self.chance)));
        let outcome = RunLoop::new(self, stop.clone()).run(events, &stop).await;
        watching.shutdown().await;
        outcome
    }
}

/// The task that reads the stream of contexts panicked.
#[derive(Debug, thiserror::Error)]
#[error("the task that watches planning contexts ended")]
pub struct WatchEnded;

struct RunLoop {
    jobs: HashMap<String, JobState>,
    tasks: Tasks,
    circuit: Circuit,
    chance: Arc<dyn Chance>,
    metrics: Metrics,
    debounce: Duration,
    max_concurrent: usize,
}

impl RunLoop {
    fn new(planner: Planner, stop: CancellationToken) -> Self {
        let Settings {
            ask,
            debounce,
            max_concurrent,
            circuit,
        } = planner.settings;
        let metrics = planner.metrics.clone();
        let asker = Asker {
            scheduler: planner.scheduler,
            model: planner.model,
            settings: ask,
            metrics: planner.metrics,
            stop,
        };
        Self {
            jobs: HashMap::new(),
            tasks: Tasks::new(asker),
            circuit: Circuit::new(circuit),
            chance: planner.chance,
            metrics,
            debounce,
            max_concurrent,
        }
    }

    async fn run(mut self, mut events: mpsc::Receiver<Event>, stop: &CancellationToken) -> Result<(), WatchEnded> {
        loop {
            let wake_at = self.start_due(Instant::now());
            tokio::select! {
                () = stop.cancelled() => break,
                event = events.recv() => self.observe(event.ok_or(WatchEnded)?),
                finished = self.tasks.next() => self.settle(finished),
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
        self.tasks.finish_within(STOP_LIMIT).await;
        Ok(())
    }

    fn observe(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Snapshot(contexts) => self.replace(contexts, now),
            Event::Changed(context) => self.update(*context, now),
            Event::Removed(job_id) => {
                self.jobs.remove(&job_id);
            }
        }
    }

    /// A job that is not in the snapshot is gone; what is known of the others' running tasks stays.
    fn replace(&mut self, contexts: Vec<PlanningContext>, now: Instant) {
        let mut known = std::mem::take(&mut self.jobs);
        for context in contexts {
            if let Some((job_id, job)) = known.remove_entry(job_id_of(&context)) {
                self.jobs.insert(job_id, job);
            }
            self.update(context, now);
        }
    }

    fn update(&mut self, context: PlanningContext, now: Instant) {
        match self.jobs.entry(job_id_of(&context).to_owned()) {
            Entry::Occupied(mut known) => known.get_mut().observe(context, self.debounce, now),
            Entry::Vacant(unknown) => {
                unknown.insert(JobState::new(context, self.debounce, now));
            }
        }
    }

    /// Starts everything that is due, and says when to look again.
    fn start_due(&mut self, now: Instant) -> Instant {
        self.start_advances(now);
        let circuit_wait = self.start_asks(now);
        let timers = self
            .jobs
            .values()
            .flat_map(|job| [job.ask_time(), job.advance_time()])
            .flatten();
        // What is due and was not started waits for a task to end, or for the circuit.
        let next = timers.filter(|time| *time > now).chain(circuit_wait).min();
        next.unwrap_or(now + FAR_AWAY)
    }

    fn start_advances(&mut self, now: Instant) {
        for (job_id, job) in &mut self.jobs {
            if job.advance_time().is_some_and(|time| time <= now)
                && let Some(wave) = job.begin_advance()
            {
                self.tasks.advance(job_id.clone(), wave);
            }
        }
    }

    /// In order of due time, while there is room and the circuit lets them. Answers until when the circuit does not.
    fn start_asks(&mut self, now: Instant) -> Option<Instant> {
        for job_id in self.due_asks(now) {
            if self.tasks.running_asks() >= self.max_concurrent {
                return None;
            }
            match self.circuit.begin(now) {
                Permit::Granted => self.start_ask(job_id),
                Permit::NotUntil(until) => return Some(until),
                Permit::AfterProbe => return None,
            }
        }
        None
    }

    fn due_asks(&self, now: Instant) -> Vec<String> {
        let due = self
            .jobs
            .iter()
            .filter_map(|(job_id, job)| Some((job.ask_time()?, job_id)));
        // A job that went and came back may still have its ask running.
        let mut due: Vec<_> = due
            .filter(|(time, job_id)| *time <= now && !self.tasks.is_asking(job_id))
            .collect();
        due.sort();
        due.into_iter().map(|(_, job_id)| job_id.clone()).collect()
    }

    fn start_ask(&mut self, job_id: String) {
        if let Some(job) = self.jobs.get_mut(&job_id) {
            let context_revision = job.begin_ask();
            self.tasks.ask(job_id, context_revision);
        }
    }

    fn settle(&mut self, finished: Finished) {
        let now = Instant::now();
        match finished {
            Finished::Ask { job_id, end } => self.settle_ask(&job_id, end, now),
            Finished::Advance { job_id, wave, outcome } => {
                if outcome.is_ok() {
                    self.metrics.wave();
                }
                if let Some(job) = self.jobs.get_mut(&job_id) {
                    job.end_advance(wave, outcome, now, self.chance.as_ref());
                }
            }
        }
    }

    /// `end` is absent when the ask panicked.
    fn settle_ask(&mut self, job_id: &str, end: Option<End>, now: Instant) {
        let health = match &end {
            Some(End::Begun { model, .. }) => *model,
            Some(End::NotBegun(_)) | None => ModelHealth::Unknown,
        };
        self.note_health(health, now);
        if let Some(job) = self.jobs.get_mut(job_id) {
            job.end_ask(end, now, self.chance.as_ref());
        }
    }

    fn note_health(&mut self, health: ModelHealth, now: Instant) {
        let change = match health {
            ModelHealth::Healthy => self.circuit.succeeded(),
            ModelHealth::Failing(failure) => self.circuit.failed(failure, now),
            ModelHealth::Unknown => {
                self.circuit.unused(now);
                Change::None
            }
        };
        match change {
            Change::None => {}
            Change::Closed => tracing::info!("the model answers again: asks go on"),
            Change::Opened(pause) => {
                self.metrics.circuit_opened();
                tracing::error!(
                    ?pause,
                    "the model gives nothing usable: no asks until it has had a pause"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
