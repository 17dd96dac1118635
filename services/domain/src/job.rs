//! A job: a group of endpoints of one user, with a description of how they belong together.

use crate::{
    error::{Error, Violations},
    ids::{JobId, UserId},
    limits,
    time::Timestamp,
};

/// Active and paused change into each other; archived is terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobStatus {
    Active,
    Paused,
    Archived,
}

impl JobStatus {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Archived => "archived",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "active" => Some(Self::Active),
            "paused" => Some(Self::Paused),
            "archived" => Some(Self::Archived),
            _ => None,
        }
    }
}

/// How far the planner may go on a job. The scheduler holds it to this, whatever the planner says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum PlannerMode {
    /// Plans are recorded with their verdicts; nothing is put into force.
    Observe,
    /// A plan waits for a person to approve it.
    Suggest,
    /// A plan is put into force at once, within the guardrails.
    #[default]
    Act,
}

impl PlannerMode {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Suggest => "suggest",
            Self::Act => "act",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "observe" => Some(Self::Observe),
            "suggest" => Some(Self::Suggest),
            "act" => Some(Self::Act),
            _ => None,
        }
    }

    /// Whether what the planner has in force stays there when the mode becomes `next`: what no person approved does not
    /// outlive `act`, and nothing does in `observe`.
    pub fn keeps_in_force(self, next: Self) -> bool {
        match next {
            Self::Observe => false,
            Self::Suggest => self == Self::Suggest,
            Self::Act => true,
        }
    }
}

/// A group of endpoints of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub user_id: UserId,
    /// 1 to 255 characters.
    pub name: String,
    /// At most 4 000 characters. Coordination needs live here, and nowhere else.
    pub description: String,
    pub status: JobStatus,
    pub planner_mode: PlannerMode,
    /// Grows with each write; the etag.
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub archived_at: Option<Timestamp>,
}

impl Job {
    /// Moves to `target`, or says which state forbids it.
    pub fn transition(&mut self, target: JobStatus, now: Timestamp) -> Result<(), Error> {
        let allowed = matches!(
            (self.status, target),
            (JobStatus::Active, JobStatus::Paused | JobStatus::Archived)
                | (JobStatus::Paused, JobStatus::Active | JobStatus::Archived)
        );
        if !allowed {
            return Err(Error::Precondition {
                reason: "JOB_STATE",
                message: format!("job is {}, it cannot become {}", self.status.as_str(), target.as_str()),
            });
        }
        self.status = target;
        self.archived_at = (target == JobStatus::Archived).then_some(now);
        self.touch(now);
        Ok(())
    }

    /// Marks a write.
    pub fn touch(&mut self, now: Timestamp) {
        self.version += 1;
        self.updated_at = now;
    }
}

/// Checks the two texts of anything that has a name and a description.
pub fn check_texts(violations: &mut Violations, prefix: &str, name: &str, description: &str) {
    let length = name.chars().count();
    violations.check(
        (1..=limits::NAME_CHARS).contains(&length) && !name.trim().is_empty(),
        &format!("{prefix}name"),
        format!(
            "must have 1 to {} characters, not all of them blank",
            limits::NAME_CHARS
        ),
    );
    violations.check(
        description.chars().count() <= limits::DESCRIPTION_CHARS,
        &format!("{prefix}description"),
        format!("must have at most {} characters", limits::DESCRIPTION_CHARS),
    );
    violations.check(
        !name.chars().any(char::is_control),
        &format!("{prefix}name"),
        "must not contain control characters",
    );
    violations.check(
        !description.contains('\0'),
        &format!("{prefix}description"),
        "must not contain NUL characters",
    );
}
