//! `cargo xtask ci`: everything that has to hold, in order, up to the first failure, with a table at the end.
//!
//! One step after the other: on two cores the compiler keeps both busy, and a demo that replays a timetable beside a
//! build would measure the build.

mod buf;
mod crate_graph;
mod demo_check;
mod readme;
mod steps;
mod summary;

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::processes::Processes;
use crate::workspace::Workspace;
use steps::STEPS;
use summary::{Outcome, Summary};

/// One thing that has to hold.
struct Step {
    name: &'static str,
    check: fn(&Workspace, &Processes) -> Result<()>,
}

/// Runs every step, or one alone; the error names the one that failed.
pub fn run(workspace: &Workspace, processes: &Processes, only: Option<&str>) -> Result<()> {
    let mut summary = Summary::default();
    let mut failure = None;
    for step in chosen(only)? {
        if failure.is_some() {
            summary.add(step.name, Outcome::NotRun);
            continue;
        }
        println!("\n==> {}", step.name);
        let started = Instant::now();
        let result = (step.check)(workspace, processes);
        let outcome = if result.is_ok() {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        summary.add(step.name, outcome(started.elapsed()));
        failure = result
            .err()
            .map(|error| error.context(format!("step \"{}\" failed", step.name)));
    }
    println!("\n{summary}");
    failure.map_or(Ok(()), Err)
}

fn chosen(only: Option<&str>) -> Result<Vec<&'static Step>> {
    let steps: Vec<_> = STEPS
        .iter()
        .filter(|step| only.is_none_or(|name| name == step.name))
        .collect();
    let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
    ensure!(!steps.is_empty(), "no such step; there are: {}", names.join(", "));
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_or_one() {
        assert_eq!(chosen(None).expect("all").len(), STEPS.len());
        let one: Vec<_> = chosen(Some("clippy"))
            .expect("known")
            .iter()
            .map(|step| step.name)
            .collect();
        assert_eq!(one, ["clippy"]);
        let error = chosen(Some("clip")).err().expect("unknown");
        assert!(error.to_string().contains("clippy, test"), "{error}");
    }
}
