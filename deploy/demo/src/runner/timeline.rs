//! The timeline as people read it: one line for each run, once it is over.

use std::collections::{BTreeMap, BTreeSet};

use baton_proto::v1::{Cause, Run, RunStatus};

use super::{
    console::{Console, Style},
    setup::Stage,
};
use crate::{
    clock::{ScenarioClock, minutes},
    expectations::ObservedRun,
    scenario::Scenario,
};

/// What has been shown, and what is needed to show more.
#[derive(Debug)]
pub(super) struct Timeline {
    scenario: Scenario,
    names: BTreeMap<String, String>,
    clock: ScenarioClock,
    shown: BTreeSet<String>,
}

impl Timeline {
    pub(super) fn new(stage: &Stage<'_>) -> Self {
        Self {
            scenario: stage.scenario.clone(),
            names: stage.names.clone(),
            clock: stage.clock,
            shown: BTreeSet::new(),
        }
    }

    pub(super) fn show_header(&self, console: &Console) {
        let header = line(["time", "phase", "endpoint", "source", "cause", "the model's reason"]);
        console.line(&console.styled(&header, Style::Dim));
    }

    /// Shows the runs that are over and were not shown yet, in order of start.
    pub(super) fn show_new(&mut self, runs: &[Run], console: &Console) -> anyhow::Result<()> {
        let over = |run: &&Run| matches!(run.status(), RunStatus::Succeeded | RunStatus::Failed);
        let mut new = Vec::new();
        for run in runs.iter().filter(over).filter(|run| !self.shown.contains(&run.id)) {
            new.extend(ObservedRun::read(run, &self.names, &self.clock)?.map(|observed| (observed, run)));
        }
        new.sort_by(|(a, _), (b, _)| a.started_s.total_cmp(&b.started_s));
        for (observed, run) in new {
            console.line(&self.shown_run(&observed, run, console));
            self.shown.insert(observed.id);
        }
        Ok(())
    }

    fn shown_run(&self, observed: &ObservedRun, run: &Run, console: &Console) -> String {
        let phase = self
            .scenario
            .phase_at(observed.started_s)
            .map_or("", |phase| phase.name.as_str());
        let note = if run.status() == RunStatus::Failed {
            format!("FAILED: {}", run.error)
        } else {
            run.plan_reason.clone()
        };
        let time = minutes(observed.started_s);
        let text = line([
            &time,
            phase,
            &observed.endpoint,
            &observed.source,
            cause_name(observed.cause),
            &note,
        ]);
        match (run.status(), observed.source.as_str()) {
            (RunStatus::Failed, _) => console.styled(&text, Style::Red),
            (_, "baseline") => console.styled(&text, Style::Dim),
            _ => console.styled(&text, Style::Cyan),
        }
    }
}

fn line([time, phase, endpoint, source, cause, reason]: [&str; 6]) -> String {
    let text = format!("{time:<6} {phase:<9} {endpoint:<23} {source:<9} {cause:<14} {reason}");
    text.trim_end().to_owned()
}

/// The cause in the words of the design.
fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Unspecified => "unknown",
        Cause::Cron => "cron",
        Cause::Interval => "interval",
        Cause::HintInterval => "hint-interval",
        Cause::HintOneshot => "hint-oneshot",
        Cause::PlanStep => "plan-step",
        Cause::Manual => "manual",
        Cause::Retry => "retry",
        Cause::Test => "test",
    }
}
