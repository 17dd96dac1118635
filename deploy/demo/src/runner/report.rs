//! The end of a demonstration: what was counted, what was expected, and the JSON object for machines.

use std::collections::BTreeMap;

use baton_proto::v1::{Plan, PlanState};
use serde::Serialize;

use super::{
    console::{Console, Style},
    replay::Watched,
    setup::Stage,
};
use crate::{
    client::Account,
    expectations::{self, Evidence, Finding, ObservedRun, slowest_answer_s},
    scenario::Scenario,
};

/// The sources that the JSON object always names.
const SOURCES: [&str; 3] = ["baseline", "ai-hint", "manual"];

/// What came of a demonstration.
#[derive(Debug, Clone)]
pub struct Report {
    /// Every expectation is met, and the scheduler's account agrees with the sink's.
    pub ok: bool,
    /// Every run that started, in order of start.
    pub runs: Vec<ObservedRun>,
    /// Plans that were put into force, and answers that were not.
    pub plans: Plans,
    /// One for each key of `expected`.
    pub findings: Vec<Finding>,
    /// Whether the scheduler's account agrees with the sink's.
    pub agreement: Finding,
    /// Why answers were not put into force.
    pub rejections: Vec<String>,
}

/// How many answers were put into force, and how many were not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Plans {
    /// Running, completed, stopped or replaced.
    pub accepted: usize,
    /// Refused by the scheduler, unusable, or never received.
    pub rejected: usize,
}

/// The object that `--json` prints.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    ok: bool,
    runs_total: usize,
    runs_by_source: BTreeMap<&'a str, usize>,
    plans: Plans,
    expected: BTreeMap<&'a str, bool>,
}

/// Judges the whole account.
pub(super) fn judge(stage: &Stage<'_>, account: &Account, watched: Watched) -> anyhow::Result<Report> {
    let mut runs = Vec::new();
    for run in &account.runs {
        runs.extend(ObservedRun::read(run, &stage.names, &stage.clock)?);
    }
    runs.sort_by(|a, b| a.started_s.total_cmp(&b.started_s));
    let evidence = Evidence {
        runs,
        hint_samples: watched.hint_samples,
        slowest_answer_s: slowest_answer_s(&account.plans, &stage.clock),
        tolerance_s: stage.clock.tolerance_s(),
    };
    let agreement = expectations::agreement(&evidence.runs, &stage.sink.received());
    let findings = expectations::judge(stage.scenario, &evidence);
    let (plans, rejections) = count_plans(&account.plans);
    Ok(Report::new(evidence.runs, plans, findings, agreement, rejections))
}

impl Report {
    fn new(
        runs: Vec<ObservedRun>,
        plans: Plans,
        findings: Vec<Finding>,
        agreement: Finding,
        rejections: Vec<String>,
    ) -> Self {
        let ok = agreement.met && findings.iter().all(|finding| finding.met);
        Self {
            ok,
            runs,
            plans,
            findings,
            agreement,
            rejections,
        }
    }

    /// The JSON object, on one line.
    pub fn json(&self) -> String {
        let summary = Summary {
            ok: self.ok,
            runs_total: self.runs.len(),
            runs_by_source: SOURCES
                .iter()
                .map(|source| (*source, self.count(None, source)))
                .collect(),
            plans: self.plans,
            expected: self.findings.iter().map(|finding| (finding.key, finding.met)).collect(),
        };
        serde_json::to_string(&summary).expect("a summary is plain data with text keys")
    }

    /// Shows the table, the plans and every expectation.
    pub(super) fn show(&self, scenario: &Scenario, console: &Console) {
        console.line(&format!("\n{}", self.table(scenario)));
        let Plans { accepted, rejected } = self.plans;
        console.line(&format!("\nplans: {accepted} accepted, {rejected} rejected"));
        for rejection in &self.rejections {
            console.line(&console.styled(&format!("  {rejection}"), Style::Red));
        }
        console.line("\nexpectations");
        for finding in self.findings.iter().chain([&self.agreement]) {
            let word = if finding.met {
                ("met    ", Style::Green)
            } else {
                ("NOT MET", Style::Red)
            };
            console.line(&format!(
                "  {} {:<34} {}",
                console.styled(word.0, word.1),
                finding.key,
                finding.explanation
            ));
        }
    }

    fn table(&self, scenario: &Scenario) -> String {
        let row = |name: &str, endpoint: Option<&str>| {
            let counts = SOURCES
                .map(|source| format!("{:>9}", self.count(endpoint, source)))
                .concat();
            let total = self
                .runs
                .iter()
                .filter(|run| endpoint.is_none_or(|endpoint| run.endpoint == endpoint))
                .count();
            format!("{name:<24}{counts}{total:>9}")
        };
        let header = format!(
            "{:<24}{}{:>9}",
            "runs",
            SOURCES.map(|source| format!("{source:>9}")).concat(),
            "total"
        );
        let rows = scenario
            .endpoints
            .iter()
            .map(|endpoint| row(&endpoint.name, Some(&endpoint.name)));
        [header]
            .into_iter()
            .chain(rows)
            .chain([row("total", None)])
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn count(&self, endpoint: Option<&str>, source: &str) -> usize {
        let of_endpoint = |run: &&ObservedRun| endpoint.is_none_or(|endpoint| run.endpoint == endpoint);
        self.runs
            .iter()
            .filter(of_endpoint)
            .filter(|run| run.source == source)
            .count()
    }
}

fn count_plans(plans: &[Plan]) -> (Plans, Vec<String>) {
    let mut count = Plans {
        accepted: 0,
        rejected: 0,
    };
    let mut rejections = Vec::new();
    for plan in plans {
        match plan.state() {
            PlanState::Running | PlanState::Completed | PlanState::Stopped | PlanState::Superseded => {
                count.accepted += 1
            }
            PlanState::Refused | PlanState::Failed => {
                count.rejected += 1;
                rejections.push(format!("{}: {}", plan.verdict, plan.detail));
            }
            PlanState::Expired => {
                count.rejected += 1;
                rejections.push("the planner was lost before it answered".to_owned());
            }
            // Nothing of these was in force.
            PlanState::Asking
            | PlanState::Suggested
            | PlanState::Observed
            | PlanState::Rejected
            | PlanState::Unspecified => {}
        }
    }
    (count, rejections)
}

#[cfg(test)]
mod tests;
