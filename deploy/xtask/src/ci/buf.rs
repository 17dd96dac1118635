//! The protos as `proto/buf.yaml` wants them: well formed, and no break of what callers may have been built from.
//!
//! Needs the repository's history: the protos are compared with the last release or, before the first one, with the
//! first commit in which a server speaks the package.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::processes::Processes;
use crate::tools::BUF;
use crate::workspace::Workspace;

/// A tag of a release.
const RELEASES: &str = "v[0-9]*";

/// With this file the package got its server.
const FIRST_SERVED_WITH: &str = "services/api/src/handlers.rs";

pub fn lint(workspace: &Workspace, processes: &Processes) -> Result<()> {
    let buf = BUF.obtain(processes)?;
    processes.run(
        Command::new(buf)
            .arg("lint")
            .current_dir(workspace.root().join("proto")),
    )
}

pub fn breaking(workspace: &Workspace, processes: &Processes) -> Result<()> {
    let reference = Repository::at(workspace.root(), processes).reference()?;
    println!("compared with {reference}");
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let before = directory.path().join("before.tar");
    let archive = git(workspace.root(), &["archive", "--format=tar", "--output"]);
    processes.run({ archive }.arg(&before).args([&reference, "proto/baton"]))?;
    let buf = BUF.obtain(processes)?;
    processes.run(
        Command::new(buf)
            .args(["breaking", "--against"])
            .arg(format!("{}#subdir=proto", before.display()))
            .current_dir(workspace.root().join("proto")),
    )
}

/// The history that this checkout is of.
struct Repository<'a> {
    root: &'a Path,
    processes: &'a Processes,
}

impl<'a> Repository<'a> {
    fn at(root: &'a Path, processes: &'a Processes) -> Self {
        Self { root, processes }
    }

    /// The tag or commit that callers may have been built from.
    fn reference(&self) -> Result<String> {
        if let Ok(tag) = self.told(&["describe", "--tags", "--abbrev=0", "--match", RELEASES]) {
            return Ok(tag);
        }
        let shallow = self.told(&["rev-parse", "--is-shallow-repository"]);
        let shallow =
            shallow.context("the protos are compared with an earlier commit: this needs a clone with history")?;
        ensure!(
            shallow == "false",
            "the protos are compared with an earlier commit, which this shallow clone lacks: `git fetch --unshallow --tags`"
        );
        let added = self.told(&["log", "--diff-filter=A", "--format=%H", "--", FIRST_SERVED_WITH])?;
        let first = added.lines().last();
        Ok(first
            .with_context(|| format!("no commit added {FIRST_SERVED_WITH}"))?
            .to_owned())
    }

    /// What git answers.
    fn told(&self, args: &[&str]) -> Result<String> {
        let output = self.processes.output(&mut git(self.root, args))?;
        ensure!(
            output.status.success(),
            "git {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn git(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(args).current_dir(root);
    command
}

#[cfg(test)]
mod tests;
