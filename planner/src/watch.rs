//! The one stream of planning contexts: opened, read, and opened again when it breaks.
//!
//! Runs beside the run loop and sends it [`Event`]s. A context is a state and not an event, so that a new stream's
//! snapshot simply replaces what was known; nothing is kept here but the snapshot being collected.

use std::{sync::Arc, time::Duration};

use baton_domain::ids::Chance;
use baton_proto::v1::{
    PlanningContext, WatchPlanningContextsResponse, watch_planning_contexts_response::Event as WireEvent,
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use crate::{backoff::Backoff, rpc::Scheduler};

const RECONNECT: Backoff = Backoff {
    base: Duration::from_millis(100),
    cap: Duration::from_secs(10),
};

/// What the run loop learns from the stream.
#[derive(Debug)]
pub enum Event {
    /// Every job there is. Replaces what was known.
    Snapshot(Vec<PlanningContext>),
    /// One job's latest state.
    Changed(Box<PlanningContext>),
    /// A job that needs no planning any more.
    Removed(String),
}

/// Keeps the stream open until the receiver is dropped.
pub async fn watch(scheduler: Scheduler, events: mpsc::Sender<Event>, chance: Arc<dyn Chance>) {
    let mut failures = 0;
    loop {
        let mut reader = Reader {
            events: &events,
            snapshot: Some(Vec::new()),
        };
        let end = reader.read(&scheduler).await;
        if events.is_closed() {
            return;
        }
        // A stream that gave its snapshot worked: what ended it is no reason to wait longer each time.
        failures = if reader.snapshot.is_none() { 1 } else { failures + 1 };
        let pause = RECONNECT.pause(failures, chance.as_ref());
        tell(&end, failures, pause);
        tokio::time::sleep(pause).await;
    }
}

/// Reads one stream. `snapshot` collects contexts until its end has come.
struct Reader<'a> {
    events: &'a mpsc::Sender<Event>,
    snapshot: Option<Vec<PlanningContext>>,
}

impl Reader<'_> {
    async fn read(&mut self, scheduler: &Scheduler) -> Result<(), Status> {
        let mut stream: Streaming<WatchPlanningContextsResponse> = scheduler.watch().await?;
        while let Some(message) = stream.message().await? {
            let Some(event) = message.event.and_then(|event| self.take(event)) else {
                continue;
            };
            if self.events.send(event).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// What the run loop should learn now.
    fn take(&mut self, event: WireEvent) -> Option<Event> {
        match (event, &mut self.snapshot) {
            (WireEvent::SnapshotEnd(_), snapshot) => {
                let contexts = snapshot.take()?;
                tracing::info!(jobs = contexts.len(), "watching planning contexts");
                Some(Event::Snapshot(contexts))
            }
            (WireEvent::Context(context), Some(snapshot)) => {
                // A job may come twice while the snapshot is sent: the later one counts, as everywhere.
                snapshot.push(context);
                None
            }
            (WireEvent::RemovedJobId(job_id), Some(snapshot)) => {
                snapshot.retain(|context| job_id_of(context) != job_id);
                None
            }
            (WireEvent::Context(context), None) => Some(Event::Changed(Box::new(context))),
            (WireEvent::RemovedJobId(job_id), None) => Some(Event::Removed(job_id)),
        }
    }
}

/// The job that a context is about.
pub fn job_id_of(context: &PlanningContext) -> &str {
    context.job.as_ref().map_or("", |job| job.id.as_str())
}

/// Once per outage in full, then quietly.
fn tell(end: &Result<(), Status>, failures: u32, pause: Duration) {
    let reason = match end {
        Ok(()) => "the scheduler closed the stream",
        Err(status) => status.message(),
    };
    if failures == 1 {
        tracing::warn!(reason, retry_in = ?pause, "watching planning contexts broke off");
    } else {
        tracing::debug!(reason, failures, retry_in = ?pause, "cannot watch planning contexts");
    }
}
