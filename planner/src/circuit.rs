//! The circuit breaker in front of the model: after failures in a row it holds every ask back, then lets one try.
//!
//! The run loop asks it before BeginPlan, so that an ask which could only fail costs no budget. A pure state machine:
//! instants come in as arguments, nothing here sleeps or logs.

use std::time::Duration;

use tokio::time::Instant;

/// When the circuit opens and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Failures in a row that open it.
    pub threshold: u32,
    /// How long it stays open the first time. Doubles with every failed probe.
    pub first_pause: Duration,
    /// The longest it stays open.
    pub max_pause: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threshold: 5,
            first_pause: Duration::from_secs(5),
            max_pause: Duration::from_secs(5 * 60),
        }
    }
}

/// What a failure says about the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// May work next time.
    Ordinary,
    /// Will not work again before this much time has passed: the server said so.
    HoldFor(Duration),
    /// Will not work until somebody changes something: a wrong key.
    Lasting,
}

/// Whether an ask may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Granted,
    /// Not before this instant.
    NotUntil(Instant),
    /// A single try is under way; its end decides.
    AfterProbe,
}

/// What changed with a report, for whoever logs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    None,
    Opened(Duration),
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Instant },
    Probing,
}

/// One per model.
#[derive(Debug)]
pub struct Circuit {
    config: Config,
    state: State,
    failures_in_a_row: u32,
    openings_in_a_row: u32,
}

impl Circuit {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            state: State::Closed,
            failures_in_a_row: 0,
            openings_in_a_row: 0,
        }
    }

    /// Asks to begin. Every grant must be followed by exactly one of `succeeded`, `failed` and `unused`.
    pub fn begin(&mut self, now: Instant) -> Permit {
        match self.state {
            State::Closed => Permit::Granted,
            State::Open { until } if now < until => Permit::NotUntil(until),
            State::Open { .. } => {
                self.state = State::Probing;
                Permit::Granted
            }
            State::Probing => Permit::AfterProbe,
        }
    }

    /// The model gave a usable answer.
    pub fn succeeded(&mut self) -> Change {
        let was_closed = self.state == State::Closed;
        self.state = State::Closed;
        self.failures_in_a_row = 0;
        self.openings_in_a_row = 0;
        if was_closed { Change::None } else { Change::Closed }
    }

    /// The model gave nothing usable.
    pub fn failed(&mut self, failure: Failure, now: Instant) -> Change {
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        match self.state {
            // An ask from before the circuit opened, or one that ended beside the probe: the decision stands.
            State::Open { until } => self.stay_open(failure, until, now),
            State::Probing => self.open(failure, now),
            State::Closed if self.opens_at(failure) => self.open(failure, now),
            State::Closed => Change::None,
        }
    }

    /// The model was not asked after all.
    pub fn unused(&mut self, now: Instant) {
        if self.state == State::Probing {
            self.state = State::Open { until: now };
        }
    }

    fn opens_at(&self, failure: Failure) -> bool {
        failure != Failure::Ordinary || self.failures_in_a_row >= self.config.threshold
    }

    fn open(&mut self, failure: Failure, now: Instant) -> Change {
        let doublings = self.openings_in_a_row.min(31);
        let grown = self
            .config
            .first_pause
            .saturating_mul(1 << doublings)
            .min(self.config.max_pause);
        let pause = held_for(failure, self.config.max_pause).max(grown);
        self.openings_in_a_row = self.openings_in_a_row.saturating_add(1);
        self.state = State::Open { until: now + pause };
        Change::Opened(pause)
    }

    fn stay_open(&mut self, failure: Failure, until: Instant, now: Instant) -> Change {
        let held_until = now + held_for(failure, self.config.max_pause);
        self.state = State::Open {
            until: until.max(held_until),
        };
        Change::None
    }
}

fn held_for(failure: Failure, cap: Duration) -> Duration {
    match failure {
        Failure::HoldFor(pause) => pause.min(cap),
        Failure::Ordinary | Failure::Lasting => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
