//! What the planner needs of a language model: messages in, text out, and one error that says what went wrong.
//!
//! [`Model`] is implemented by [`openai::OpenAiModel`] and by test doubles. It knows nothing of plans; what an error means
//! for the circuit is decided here, not in the adapter.

pub mod openai;
mod transport;

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use crate::circuit::Failure;

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Message {
    pub fn system(content: impl Into<String>) -> Self {
        Self {
            role: Role::System,
            content: content.into(),
        }
    }

    pub fn user(content: impl Into<String>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    pub fn assistant(content: impl Into<String>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }
}

/// Tokens that a request cost, as far as the server said so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub input_tokens: u64,
    pub output_tokens: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
    }
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
    pub usage: Usage,
}

/// A language model behind some server.
#[async_trait]
pub trait Model: Send + Sync {
    /// The name under which its answers are recorded.
    fn name(&self) -> &str;

    /// Asks once, without retries, and takes at most `timeout`. The answer should follow the JSON schema, but a caller
    /// must not rely on it.
    async fn ask(&self, messages: &[Message], schema: &Value, timeout: Duration) -> Result<Reply, ModelError>;
}

/// Why there is no complete answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No connection, or it broke.
    Unreachable,
    /// No complete response in time.
    Timeout,
    /// 429.
    RateLimited,
    /// 401 or 403.
    Unauthorized,
    /// 5xx.
    ServerError,
    /// Any other status but 2xx: the server does not take such requests, or knows no such model.
    BadRequest,
    /// A 2xx whose body is not a chat completion.
    BadResponse,
    /// The response was longer than the planner reads.
    TooLong,
    /// The model declined, or a filter did.
    Refused,
    /// The answer was cut off at a token limit.
    Truncated,
    /// No choice, or no text in it.
    Empty,
}

impl ErrorKind {
    /// The verdict that is recorded with the plan.
    pub fn verdict(self) -> &'static str {
        match self {
            Self::Unreachable => "model-unreachable",
            Self::Timeout => "model-timeout",
            Self::RateLimited => "model-rate-limited",
            Self::Unauthorized => "model-unauthorized",
            Self::ServerError => "model-server-error",
            Self::BadRequest => "model-bad-request",
            Self::BadResponse => "model-bad-response",
            Self::TooLong => "answer-too-long",
            Self::Refused => "model-refused",
            Self::Truncated => "answer-truncated",
            Self::Empty => "answer-empty",
        }
    }
}

/// Why there is no complete answer, and what there is instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    pub kind: ErrorKind,
    /// One sentence for people.
    pub message: String,
    /// What the server asked to wait.
    pub retry_after: Option<Duration>,
    /// What it cost all the same.
    pub usage: Usage,
    /// What came: the cut or refused answer, or the body of an error.
    pub raw: String,
}

impl ModelError {
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self {
            kind,
            message: message.to_string(),
            retry_after: None,
            usage: Usage::default(),
            raw: String::new(),
        }
    }

    /// What this says about the next attempt.
    pub fn failure(&self) -> Failure {
        match (self.kind, self.retry_after) {
            (ErrorKind::Unauthorized, _) => Failure::Lasting,
            (_, Some(pause)) => Failure::HoldFor(pause),
            _ => Failure::Ordinary,
        }
    }
}

#[cfg(test)]
mod tests;
