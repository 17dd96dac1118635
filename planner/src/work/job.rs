//! One job as the run loop sees it: its latest context, what is under way, and when something is to be done next.
//!
//! Pure: instants come in, decisions go out. The scheduler says when an ask is due by its own clock; the difference to
//! the context's own time is laid onto the monotonic clock at arrival, so that the two clocks need not agree.

use std::time::Duration;

use baton_domain::ids::Chance;
use baton_proto::v1::PlanningContext;
use prost_types::Timestamp;
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    ask::End,
    backoff::Backoff,
    rpc::{is_transient, retry_delay},
    scale::{is_later, seconds_between},
};

/// Between attempts whose failure says nothing about when to try again.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(500),
    cap: Duration::from_secs(30),
};
/// A refused ask is normally followed by a new context. If none comes it is tried again after this.
const RECHECK: Duration = Duration::from_secs(30);
/// No sooner than this, whatever the refusal says.
const MIN_RECHECK: Duration = Duration::from_millis(100);
/// Bounds of the pause after RESOURCE_EXHAUSTED; the default is for an answer without RetryInfo.
const MIN_BUDGET_PAUSE: Duration = Duration::from_millis(100);
const DEFAULT_BUDGET_PAUSE: Duration = Duration::from_secs(60);
const MAX_BUDGET_PAUSE: Duration = Duration::from_secs(3_600);

/// A plan's next wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    pub plan_id: String,
    pub wave: i32,
}

/// What is known of one job.
#[derive(Debug)]
pub struct JobState {
    context: PlanningContext,
    arrived_at: Instant,
    /// Counts the contexts that have come.
    arrivals: u64,
    /// When the latest context's ask is to be made, the debounce included.
    due_at: Option<Instant>,
    /// When another planner's lease ends.
    leased_until: Option<Instant>,
    /// Number of arrivals when the running ask began.
    asking_since: Option<u64>,
    settled: Settled,
    hold: Option<Hold>,
    failed_attempts: u32,
    advance: Advance,
}

/// Which contexts the last begun ask has dealt with: they may still name the ask that was made then.
#[derive(Debug, Default)]
struct Settled {
    arrivals: u64,
    as_of: Option<Timestamp>,
    /// Decides between contexts of one instant.
    context_revision: i64,
}

/// What keeps the next ask back.
#[derive(Debug)]
struct Hold {
    until: Instant,
    /// Any new context ends it earlier.
    ends_with_context: bool,
}

#[derive(Debug, Default)]
struct Advance {
    running: bool,
    /// The last wave that was started.
    started: Option<Wave>,
    /// Number of arrivals when the scheduler did not want a wave started.
    refused_at: Option<u64>,
    not_before: Option<Instant>,
    failed_attempts: u32,
}

impl JobState {
    /// A job's first context.
    pub fn new(context: PlanningContext, debounce: Duration, now: Instant) -> Self {
        Self {
            due_at: due_at(&context, debounce, now),
            leased_until: leased_until(&context, now),
            context,
            arrived_at: now,
            arrivals: 1,
            asking_since: None,
            settled: Settled::default(),
            hold: None,
            failed_attempts: 0,
            advance: Advance::default(),
        }
    }

    /// Takes in a newer context.
    pub fn observe(&mut self, context: PlanningContext, debounce: Duration, now: Instant) {
        let window_end = now + debounce;
        let pending = self.pending().filter(|due_at| *due_at <= window_end);
        self.due_at = due_at(&context, debounce, now);
        // Changes that come while an ask is due join it; they do not put it off.
        if let (Some(pending), Some(due_at)) = (pending, &mut self.due_at)
            && *due_at <= window_end
        {
            *due_at = pending.min(*due_at);
        }
        self.leased_until = leased_until(&context, now);
        self.hold = self.hold.take().filter(|hold| !hold.ends_with_context);
        self.context = context;
        self.arrived_at = now;
        self.arrivals += 1;
    }

    /// When to ask the model: absent while there is nothing to ask or an ask is running.
    pub fn ask_time(&self) -> Option<Instant> {
        let due_at = self.due_at.filter(|_| self.is_open())?;
        let held_until = self.hold.as_ref().map(|hold| hold.until);
        [Some(due_at), self.leased_until, held_until]
            .into_iter()
            .flatten()
            .max()
    }

    /// When an ask is due that nothing but time and room holds back.
    fn pending(&self) -> Option<Instant> {
        let is_free = self.hold.is_none() && self.leased_until.is_none();
        self.due_at.filter(|_| is_free && self.is_open())
    }

    /// Whether the latest context's ask is still to be made.
    fn is_open(&self) -> bool {
        let is_known_earlier = match (&self.context.as_of_time, &self.settled.as_of) {
            (Some(as_of), Some(settled)) if as_of == settled => {
                self.context.context_revision <= self.settled.context_revision
            }
            (Some(as_of), Some(settled)) => !is_later(as_of, settled),
            _ => false,
        };
        self.asking_since.is_none() && self.arrivals > self.settled.arrivals && !is_known_earlier
    }

    /// Notes that an ask begins, and says of which revision.
    pub fn begin_ask(&mut self) -> i64 {
        self.asking_since = Some(self.arrivals);
        self.hold = None;
        self.context.context_revision
    }

    /// Notes what came of the ask; `None` is one that panicked.
    pub fn end_ask(&mut self, end: Option<End>, now: Instant, chance: &dyn Chance) {
        let began_at = self.asking_since.take().unwrap_or_default();
        match end {
            Some(End::Begun {
                as_of,
                context_revision,
                ..
            }) => {
                self.failed_attempts = 0;
                self.settled = Settled {
                    arrivals: began_at,
                    as_of,
                    context_revision,
                };
            }
            Some(End::NotBegun(status)) => {
                self.hold = self.hold_after(&status, began_at == self.arrivals, now, chance);
            }
            None => self.hold = Some(self.retry_later(now, chance)),
        }
    }

    fn hold_after(&mut self, status: &Status, unchanged: bool, now: Instant, chance: &dyn Chance) -> Option<Hold> {
        match status.code() {
            // Another planner has it, it was made already, or the context has moved on: the next context tells. A lease
            // that was renewed is told by nothing but the refusal.
            Code::Aborted | Code::NotFound | Code::FailedPrecondition => unchanged.then(|| Hold {
                until: self.lease_end(status).unwrap_or(now + RECHECK).max(now + MIN_RECHECK),
                ends_with_context: true,
            }),
            Code::ResourceExhausted => {
                let pause = retry_delay(status).unwrap_or(DEFAULT_BUDGET_PAUSE);
                let until = now + pause.clamp(MIN_BUDGET_PAUSE, MAX_BUDGET_PAUSE);
                Some(Hold {
                    until,
                    ends_with_context: false,
                })
            }
            code => {
                if !is_transient(status) {
                    tracing::error!(
                        ?code,
                        message = status.message(),
                        "the scheduler does not let this planner ask"
                    );
                }
                Some(self.retry_later(now, chance))
            }
        }
    }

    /// When the lease that a refusal names ends, by the clock of the latest context.
    fn lease_end(&self, status: &Status) -> Option<Instant> {
        let details = status.get_error_details();
        let end = details.error_info()?.metadata.get("lease_expire_time")?;
        let left = seconds_between(self.context.as_of_time.as_ref()?, &end.parse().ok()?);
        shifted(self.arrived_at, left)
    }

    fn retry_later(&mut self, now: Instant, chance: &dyn Chance) -> Hold {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        Hold {
            until: now + RETRY.pause(self.failed_attempts, chance),
            ends_with_context: false,
        }
    }

    /// When to start the next wave of the running plan: absent while there is none.
    pub fn advance_time(&self) -> Option<Instant> {
        let wave = self.next_wave()?;
        let Advance {
            running,
            started,
            refused_at,
            not_before,
            ..
        } = &self.advance;
        let is_open = !running && started.as_ref() != Some(&wave) && *refused_at != Some(self.arrivals);
        is_open.then(|| not_before.unwrap_or(self.arrived_at))
    }

    fn next_wave(&self) -> Option<Wave> {
        let plan_id = self.context.advance_plan_id.clone()?;
        Some(Wave {
            plan_id,
            wave: self.context.advance_wave?,
        })
    }

    /// Notes that the next wave is being started, and says which.
    pub fn begin_advance(&mut self) -> Option<Wave> {
        let wave = self.next_wave()?;
        self.advance.running = true;
        Some(wave)
    }

    /// Notes what came of it.
    pub fn end_advance(&mut self, wave: Wave, outcome: Result<(), Status>, now: Instant, chance: &dyn Chance) {
        self.advance.running = false;
        match outcome {
            Ok(()) => {
                self.advance = Advance {
                    started: Some(wave),
                    ..Advance::default()
                }
            }
            Err(status) if is_transient(&status) => {
                self.advance.failed_attempts = self.advance.failed_attempts.saturating_add(1);
                self.advance.not_before = Some(now + RETRY.pause(self.advance.failed_attempts, chance));
            }
            // The next context tells whether it is still wanted.
            Err(_) => {
                self.advance = Advance {
                    refused_at: Some(self.arrivals),
                    ..Advance::default()
                }
            }
        }
    }
}

/// When the ask of a context that arrives now is to be made, if there is one.
fn due_at(context: &PlanningContext, debounce: Duration, now: Instant) -> Option<Instant> {
    let as_of = context.as_of_time.unwrap_or_default();
    let due = context.ask.as_ref()?.due_time.unwrap_or(as_of);
    shifted(now, seconds_between(&as_of, &due))?.checked_add(debounce)
}

/// When the lease in a context that arrives now ends, if somebody holds it.
fn leased_until(context: &PlanningContext, now: Instant) -> Option<Instant> {
    let expiry = context
        .lease_expire_time
        .as_ref()
        .filter(|_| !context.lease_holder.is_empty())?;
    shifted(now, seconds_between(context.as_of_time.as_ref()?, expiry))
}

/// `None` for a time that never comes; a time before this process's clock began counts as now.
fn shifted(now: Instant, seconds: f64) -> Option<Instant> {
    match Duration::try_from_secs_f64(seconds.abs()) {
        Ok(distance) if seconds >= 0.0 => now.checked_add(distance),
        Ok(distance) => Some(now.checked_sub(distance).unwrap_or(now)),
        Err(_) => (seconds < 0.0).then_some(now),
    }
}

#[cfg(test)]
mod tests;
