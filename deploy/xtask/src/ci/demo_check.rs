//! Plays a scenario with `baton-demo --json` and checks its last line: everything met, and both the endpoints' own
//! schedules and the planner at work.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::processes::Processes;
use crate::workspace::Workspace;

/// The sources that must have caused runs.
const AT_WORK: [&str; 2] = ["baseline", "ai-hint"];

/// The default scenario.
pub fn flash_sale(workspace: &Workspace, processes: &Processes) -> Result<()> {
    play("flash-sale.json", workspace, processes)
}

/// The one in which the trouble lasts.
pub fn no_recovery(workspace: &Workspace, processes: &Processes) -> Result<()> {
    play("flash-sale-no-recovery.json", workspace, processes)
}

fn play(scenario: &str, workspace: &Workspace, processes: &Processes) -> Result<()> {
    processes.run(&mut workspace.build_binaries())?;
    let path = workspace.root().join("deploy/demo/scenarios").join(scenario);
    let mut command = Command::new(workspace.binary("baton-demo")?);
    command.arg("--json").arg("--scenario").arg(path);

    let mut stdout = Vec::new();
    let status = processes.tee(&mut command, |piece| stdout.extend_from_slice(piece))?;
    ensure!(status.success(), "baton-demo ended with {status}");
    judge(&String::from_utf8_lossy(&stdout))
}

fn judge(stdout: &str) -> Result<()> {
    let last = stdout.lines().last().context("the demo printed nothing")?;
    let report: Value = serde_json::from_str(last).with_context(|| format!("the last line is not JSON: {last}"))?;
    ensure!(report["ok"] == true, "the demo reports that it is not ok");
    for source in AT_WORK {
        let runs = report["runs_by_source"][source].as_u64();
        ensure!(
            runs.is_some_and(|runs| runs > 0),
            "the demo reports no runs with source {source}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(ok: bool, baseline: u64, hints: u64) -> Result<()> {
        judge(&format!(
            "timeline\n{{\"ok\":{ok},\"runs_by_source\":{{\"baseline\":{baseline},\"ai-hint\":{hints}}}}}\n"
        ))
    }

    #[test]
    fn all_of_it_has_to_hold() {
        assert!(judged(true, 3, 2).is_ok());
        assert!(judged(false, 3, 2).is_err());
        assert!(judged(true, 0, 2).is_err());
        assert!(judged(true, 3, 0).is_err());
    }

    #[test]
    fn the_report_is_the_last_line() {
        assert!(judge("").is_err());
        assert!(judge("{\"ok\":true,\"runs_by_source\":{\"baseline\":1,\"ai-hint\":1}}\nafterthought\n").is_err());
        assert!(judge("{\"ok\":true}\n").is_err());
    }
}
