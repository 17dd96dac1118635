//! One scenario file: a situation as a person writes it down, and what a right answer to it is.
//!
//! Read by `load`, held to its rules by `judge`, turned into a planning context by `context`. The format is described
//! for authors in `planner/scenarios/README.md`. The truth never reaches a prompt.

mod context;
mod judge;
mod load;

use std::collections::{BTreeMap, BTreeSet};

pub use context::posed;
pub use load::{Mistake, load};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A whole file. Times are in seconds as the model sees them, relative to the moment of the situation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The file's name without `.json`.
    pub name: String,
    pub stratum: Stratum,
    /// Why the truth is what it is: for whoever reads a failed case.
    pub why: String,
    pub job: JobText,
    /// As the scheduler would say it.
    #[serde(default = "signal_changed")]
    pub asked_because: Vec<String>,
    #[serde(default)]
    pub sales: Vec<Sale>,
    pub endpoints: Vec<Endpoint>,
    #[serde(default)]
    pub last_plan: Option<LastPlan>,
    /// Steps and one-shots that the job may still use this hour.
    #[serde(default = "full_budget")]
    pub steps_left: i32,
    pub truth: Truth,
}

/// What a case puts to the test. A case belongs to the one that makes it hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stratum {
    PlainChain,
    ParallelGroups,
    Conditional,
    Cooldown,
    NothingToDo,
    Distractors,
    Paraphrased,
    ObfuscatedNames,
    InjectedDescription,
    InjectedResponse,
    DidNotHelp,
}

impl Stratum {
    /// Every stratum, in the order of reports.
    pub const ALL: [Self; 11] = [
        Self::PlainChain,
        Self::ParallelGroups,
        Self::Conditional,
        Self::Cooldown,
        Self::NothingToDo,
        Self::Distractors,
        Self::Paraphrased,
        Self::ObfuscatedNames,
        Self::InjectedDescription,
        Self::InjectedResponse,
        Self::DidNotHelp,
    ];

    /// The word for it in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::PlainChain => "plain-chain",
            Self::ParallelGroups => "parallel-groups",
            Self::Conditional => "conditional",
            Self::Cooldown => "cooldown",
            Self::NothingToDo => "nothing-to-do",
            Self::Distractors => "distractors",
            Self::Paraphrased => "paraphrased",
            Self::ObfuscatedNames => "obfuscated-names",
            Self::InjectedDescription => "injected-description",
            Self::InjectedResponse => "injected-response",
            Self::DidNotHelp => "did-not-help",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobText {
    pub name: String,
    pub description: String,
}

/// A flash sale, or any other time-boxed situation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sale {
    pub name: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub phase: String,
    pub started_s_ago: f64,
    /// Zero or less: it is over.
    pub ends_in_s: f64,
    #[serde(default)]
    pub signals: BTreeMap<String, f64>,
    /// `[signal, value or null, seconds ago]`, oldest first.
    #[serde(default)]
    pub changes: Vec<(String, Option<f64>, f64)>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub name: String,
    pub description: String,
    /// Absent: dormant, runs only when told.
    #[serde(default)]
    pub every_s: Option<f64>,
    #[serde(default)]
    pub cron: Option<String>,
    /// Of the cron; absent means UTC.
    #[serde(default)]
    pub time_zone: String,
    #[serde(default)]
    pub min_interval_s: Option<f64>,
    #[serde(default)]
    pub max_interval_s: Option<f64>,
    #[serde(default)]
    pub cooldown_s: Option<f64>,
    #[serde(default)]
    pub cooldown_left_s: Option<f64>,
    /// By a person, without an end.
    #[serde(default)]
    pub paused: bool,
    #[serde(default)]
    pub failures: i32,
    #[serde(default)]
    pub next_run_in_s: Option<f64>,
    #[serde(default)]
    pub runs_in_sale: i32,
    #[serde(default)]
    pub hints: Vec<Hint>,
    /// Newest first, at most five.
    #[serde(default)]
    pub runs: Vec<Run>,
}

/// A hint in force.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hint {
    pub kind: HintWord,
    /// The interval, or the time to the one-shot; absent for a pause.
    #[serde(default)]
    pub seconds: Option<f64>,
    pub expires_in_s: f64,
    #[serde(default)]
    pub by: Author,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HintWord {
    Interval,
    OneShot,
    Pause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    #[default]
    Planner,
    Person,
}

/// A run that started before the moment of the situation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub s_ago: f64,
    #[serde(default)]
    pub source: Source,
    #[serde(default)]
    pub status: Status,
    #[serde(default)]
    pub status_code: Option<i32>,
    /// A string is taken as it stands, anything else as a JSON body.
    #[serde(default)]
    pub response: Value,
    #[serde(default)]
    pub error: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    #[default]
    Baseline,
    AiHint,
    Manual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    #[default]
    Succeeded,
    Failed,
    Running,
    Skipped,
}

/// The last accepted answer about the job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastPlan {
    pub s_ago: f64,
    pub state: PlanWord,
    pub assessment: String,
    #[serde(default)]
    pub steps: Vec<LastStep>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanWord {
    Running,
    Completed,
    Stopped,
    Superseded,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastStep {
    pub endpoint: String,
    pub wave: i32,
    #[serde(default)]
    pub verdict: StepVerdict,
    /// Absent: it has not started.
    #[serde(default)]
    pub outcome: Option<Status>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepVerdict {
    #[default]
    Accepted,
    Cooldown,
    Budget,
    Paused,
}

/// What a right answer does. Endpoints by name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Truth {
    /// The right answer starts nothing and holds nothing back.
    #[serde(default)]
    pub do_nothing: bool,
    /// Must be made to run: by a step, a one-shot, or an interval that makes it run more often.
    #[serde(default)]
    pub must: BTreeSet<String>,
    /// May be made to run.
    #[serde(default)]
    pub may: BTreeSet<String>,
    /// Must be held back: by a pause, or an interval that makes it run less often.
    #[serde(default)]
    pub hold: BTreeSet<String>,
    /// May be held back.
    #[serde(default)]
    pub may_hold: BTreeSet<String>,
    /// Must not be made to run: an answer that does so is worth nothing.
    #[serde(default)]
    pub forbidden: BTreeSet<String>,
    /// `[a, b]`: `b` only in a later wave than `a`.
    #[serde(default)]
    pub before: Vec<(String, String)>,
    #[serde(default)]
    pub attack: Option<Attack>,
}

/// What injected text in the case wants. It has succeeded when any of this is in the answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    /// Endpoints that it wants to run.
    #[serde(default)]
    pub run: BTreeSet<String>,
    /// Endpoints that it wants to be held back.
    #[serde(default)]
    pub hold: BTreeSet<String>,
    /// Texts that it wants to be said.
    #[serde(default)]
    pub say: Vec<String>,
    /// That nothing be done.
    #[serde(default)]
    pub idle: bool,
}

fn signal_changed() -> Vec<String> {
    vec!["signal-changed".to_owned()]
}

fn full_budget() -> i32 {
    120
}
