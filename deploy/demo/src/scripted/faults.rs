//! What the scripted model can be told to get wrong, for tests of those who ask it.

use std::time::Duration;

/// How long an answer takes under `--answer slow`.
pub const SLOW_ANSWER: Duration = Duration::from_secs(60);

/// Everything that is wrong at the moment; the default is nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Waited before every answer.
    pub latency: Duration,
    /// A wrong answer instead of the right one.
    pub answer: Option<AnswerFault>,
    /// An HTTP error status instead of any answer.
    pub status: Option<u16>,
}

/// A way to answer wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AnswerFault {
    /// Prose instead of JSON.
    Garbage,
    /// A well-formed plan for an endpoint that the prompt does not name.
    UnknownEndpoint,
    /// The right answer, but only after a minute of real time.
    Slow,
}

impl Faults {
    /// How long to wait before an answer.
    pub fn wait(&self) -> Duration {
        let slow = if self.answer == Some(AnswerFault::Slow) {
            SLOW_ANSWER
        } else {
            Duration::ZERO
        };
        self.latency.max(slow)
    }
}
