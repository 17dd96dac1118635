//! What the languages need beside their toolchains, downloaded once for each state of their lock files into
//! `target/clients`: generators for Go, a virtual environment of Python, packages of npm.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::processes::Processes;
use crate::workspace::Workspace;

/// A copy of what a folder was filled from; written last, so that one that was interrupted is filled anew.
const FILLED_FROM: &str = "filled-from";

/// The toolchains that have to be there already.
const TOOLCHAINS: [(&str, &str, &str); 3] = [
    ("go", "version", "Go (https://go.dev/dl)"),
    ("python3", "--version", "Python 3 with venv (https://www.python.org)"),
    ("npm", "--version", "Node.js with npm (https://nodejs.org)"),
];

/// Where everything is.
pub struct Toolbox {
    directory: PathBuf,
}

impl Toolbox {
    pub fn fill(workspace: &Workspace, processes: &Processes) -> Result<Self> {
        for (program, question, needs) in TOOLCHAINS {
            let answer = processes.output(Command::new(program).arg(question));
            ensure!(
                answer.is_ok_and(|answer| answer.status.success()),
                "{program} is missing: the stories of other languages need {needs}"
            );
        }
        let toolbox = Self {
            directory: workspace.target().join("clients"),
        };
        let stories = workspace.root().join("deploy/clients");
        toolbox.fill_one("go", &stories.join("go"), &["go.mod", "go.sum"], |into, from| {
            processes.run(
                Command::new("go")
                    .args(["install", "tool"])
                    .current_dir(from)
                    .env("GOBIN", into),
            )
        })?;
        toolbox.fill_one(
            "python",
            &stories.join("python"),
            &["requirements.txt"],
            |into, from| {
                processes.run(Command::new("python3").args(["-m", "venv"]).arg(into))?;
                let mut install = Command::new(into.join("bin/pip"));
                install.args(["install", "--quiet", "--no-deps", "--requirement"]);
                processes.run(install.arg(from.join("requirements.txt")))
            },
        )?;
        let files = ["package.json", "package-lock.json", ".npmrc"];
        toolbox.fill_one("typescript", &stories.join("typescript"), &files, |into, from| {
            for file in files {
                fs::copy(from.join(file), into.join(file))?;
            }
            processes.run(Command::new("npm").args(["ci", "--silent"]).current_dir(into))
        })?;
        Ok(toolbox)
    }

    /// The search path for buf's plugins.
    pub fn path(&self) -> Result<OsString> {
        let own = [
            self.directory.join("go"),
            self.directory.join("python/bin"),
            self.node_modules().join(".bin"),
        ];
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(own.into_iter().chain(std::env::split_paths(&inherited))).context("PATH")
    }

    pub fn python(&self) -> PathBuf {
        self.directory.join("python/bin/python3")
    }

    /// Where Python's packages are.
    pub fn python_packages(&self, processes: &Processes) -> Result<PathBuf> {
        let mut command = Command::new(self.python());
        command.args(["-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]);
        let output = processes.output(&mut command)?;
        ensure!(output.status.success(), "python3 does not know where its packages are");
        Ok(String::from_utf8(output.stdout)?.trim().into())
    }

    pub fn node_modules(&self) -> PathBuf {
        self.directory.join("typescript/node_modules")
    }

    /// Fills a folder unless it was filled from these very files.
    fn fill_one(
        &self,
        name: &str,
        from: &Path,
        files: &[&str],
        fill: impl FnOnce(&Path, &Path) -> Result<()>,
    ) -> Result<()> {
        let into = self.directory.join(name);
        let mut wanted = Vec::new();
        for file in files {
            wanted.extend(fs::read(from.join(file)).with_context(|| format!("{name}: {file}"))?);
        }
        if fs::read(into.join(FILLED_FROM)).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        println!("fetching what the story in {name} needs");
        if into.exists() {
            fs::remove_dir_all(&into)?;
        }
        fs::create_dir_all(&into)?;
        fill(&into, from).with_context(|| format!("cannot fetch what {name} needs; this takes the network"))?;
        fs::write(into.join(FILLED_FROM), wanted)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch {
        directory: tempfile::TempDir,
        toolbox: Toolbox,
    }

    impl Scratch {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let toolbox = Toolbox {
                directory: directory.path().join("toolbox"),
            };
            Self { directory, toolbox }
        }

        /// True when the folder had to be filled.
        fn fills(&self, lock: &str, result: Result<()>) -> (bool, Result<()>) {
            fs::write(self.directory.path().join("lock"), lock).expect("written");
            let mut filled = false;
            let outcome = self.toolbox.fill_one("x", self.directory.path(), &["lock"], |_, _| {
                filled = true;
                result
            });
            (filled, outcome)
        }
    }

    #[test]
    fn a_folder_is_filled_once_for_each_state_of_the_lock_file() {
        let scratch = Scratch::new();
        for (lock, expected) in [("1", true), ("1", false), ("2", true), ("2", false)] {
            let (filled, outcome) = scratch.fills(lock, Ok(()));
            assert_eq!((filled, outcome.is_ok()), (expected, true), "{lock}");
        }
    }

    #[test]
    fn one_that_could_not_be_filled_is_tried_again() {
        let scratch = Scratch::new();
        let (_, outcome) = scratch.fills("1", Err(anyhow::anyhow!("no network")));
        assert!(outcome.is_err());
        assert!(scratch.fills("1", Ok(())).0);
    }
}
