//! What can be wrong with an answer, and how it is told to the model and to the record.

use std::fmt;

/// The kinds of violation. Where an answer has several, the first in this order names the verdict of the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The text is no JSON document.
    NotJson,
    /// A property is missing, unknown or of the wrong type.
    SchemaViolation,
    /// An endpoint that the context does not have.
    UnknownAlias,
    /// Two steps for one endpoint in one wave.
    DuplicateStep,
    /// Two hints of one kind for one endpoint.
    DuplicateHint,
    /// More steps or waves than allowed.
    TooMany,
    /// The waves are not numbered 1, 2, 3, … without a gap.
    WaveGap,
    /// A number outside its bounds.
    OutOfRange,
    /// A text that is too long or has control characters.
    BadText,
}

impl Verdict {
    /// Every verdict, the gravest first.
    pub const ALL: [Self; 9] = [
        Self::NotJson,
        Self::SchemaViolation,
        Self::UnknownAlias,
        Self::DuplicateStep,
        Self::DuplicateHint,
        Self::TooMany,
        Self::WaveGap,
        Self::OutOfRange,
        Self::BadText,
    ];

    /// The verdict behind a recorded word, if it is one about an answer.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == word)
    }

    /// The word that is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotJson => "not-json",
            Self::SchemaViolation => "schema-violation",
            Self::UnknownAlias => "unknown-alias",
            Self::DuplicateStep => "duplicate-step",
            Self::DuplicateHint => "duplicate-hint",
            Self::TooMany => "too-many",
            Self::WaveGap => "wave-gap",
            Self::OutOfRange => "out-of-range",
            Self::BadText => "bad-text",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub verdict: Verdict,
    /// Where in the answer, such as `steps[2].wave`; empty for the whole.
    pub path: String,
    /// What must be otherwise, without the path.
    pub message: String,
}

impl Violation {
    pub fn new(verdict: Verdict, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            verdict,
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path} {}", self.message),
        }
    }
}

/// Everything that is wrong with one answer: at least one violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    violations: Vec<Violation>,
}

impl Rejection {
    pub(super) fn new(violations: Vec<Violation>) -> Self {
        Self { violations }
    }

    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// The verdict of the answer as a whole.
    pub fn verdict(&self) -> Verdict {
        self.violations
            .iter()
            .map(|violation| violation.verdict)
            .min()
            .unwrap_or(Verdict::SchemaViolation)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.violations.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}
