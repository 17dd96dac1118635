//! `cargo xtask cookbook`: runs the lines of `proto/COOKBOOK.md` in order, as a reader would paste them into a shell,
//! against a real scheduler, and compares what they print with what the document says. Also a step of `cargo xtask ci`.
//!
//! How to read it: `recipes` finds the lines and what is said of them, `likeness` tells whether an answer is as stated.

mod likeness;
mod recipes;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::listening_process::ListeningProcess;
use crate::processes::Processes;
use crate::scheduler;
use crate::tools::{GOJQ, GRPCURL};
use crate::workspace::Workspace;
use likeness::Ids;
use recipes::Recipe;

const DOCUMENT: &str = "proto/COOKBOOK.md";

/// The addresses in the document: of the scheduler, and of a web server for it to call.
const SCHEDULER: &str = "127.0.0.1:50051";
const SINK: &str = "127.0.0.1:18080";

/// How long a line that only reads is tried again: what it tells of may still be under way.
const READ_LIMIT: Duration = Duration::from_secs(15);
const READ_POLL: Duration = Duration::from_millis(200);
const READS: [&str; 4] = ["Service/Get", "Service/List", "Service/Explain", "Health/Check"];

pub fn run(workspace: &Workspace, processes: &Processes) -> Result<()> {
    let recipes = recipes::read(&workspace.root().join(DOCUMENT))?;
    processes.run(&mut workspace.build_binaries())?;
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let path = tools(processes, &directory.path().join("bin"))?;
    let sink = ListeningProcess::start(processes, &mut Command::new(workspace.binary("baton-sink")?))?;
    let arguments = ["--egress-allow", "127.0.0.0/8"];
    let scheduler = scheduler::serve(workspace, processes, directory.path(), &arguments)?;
    let kitchen = Kitchen {
        processes,
        directory: directory.path(),
        path,
        addresses: [(SCHEDULER, scheduler.address()), (SINK, sink.address())],
    };
    let mut ids = Ids::default();
    for recipe in &recipes {
        kitchen
            .cook(recipe, &mut ids)
            .with_context(|| format!("{DOCUMENT}: {}", recipe.line))?;
    }
    println!("{} lines of {DOCUMENT} print what it says", recipes.len());
    let status = scheduler.terminate()?;
    ensure!(status.success(), "the scheduler answered SIGTERM with {status}");
    Ok(())
}

/// A search path with grpcurl, and with jq where the machine has none.
fn tools(processes: &Processes, directory: &Path) -> Result<OsString> {
    std::fs::create_dir(directory)?;
    let grpcurl = GRPCURL.obtain(processes)?;
    if grpcurl.is_absolute() {
        std::os::unix::fs::symlink(grpcurl, directory.join("grpcurl"))?;
    }
    if processes.output(Command::new("jq").arg("--version")).is_err() {
        std::os::unix::fs::symlink(GOJQ.obtain(processes)?, directory.join("jq"))?;
    }
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&inherited));
    std::env::join_paths(all).context("PATH")
}

/// Where lines are run: one directory, so that a line finds the files of the lines before.
struct Kitchen<'a> {
    processes: &'a Processes,
    directory: &'a Path,
    path: OsString,
    /// As the document says, and as it is.
    addresses: [(&'a str, &'a str); 2],
}

impl Kitchen<'_> {
    /// Runs the line until it prints what is stated; one that writes is run once.
    fn cook(&self, recipe: &Recipe, ids: &mut Ids) -> Result<()> {
        let deadline = Instant::now() + READ_LIMIT;
        loop {
            let printed = self.run(&recipe.line)?;
            match ids.compare(&self.here(&recipe.expected), &printed) {
                Ok(()) => return Ok(()),
                Err(_) if is_read(&recipe.line) && Instant::now() < deadline => thread::sleep(READ_POLL),
                Err(difference) => bail!(
                    "{difference}\nprinted:\n{printed}\nthe document says:\n{}",
                    recipe.expected
                ),
            }
        }
    }

    /// What the line prints, errors included. A line whose last program fails is only right if the document says so.
    fn run(&self, line: &str) -> Result<String> {
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("{{ {} ; }} 2>&1", self.here(line)))
            .current_dir(self.directory)
            .env("PATH", &self.path);
        let output = self.processes.output(&mut command)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The text with the addresses of this run.
    fn here(&self, text: &str) -> String {
        let replaced = |text: String, (document, here): &(&str, &str)| text.replace(document, here);
        self.addresses.iter().fold(text.to_owned(), replaced)
    }
}

fn is_read(line: &str) -> bool {
    READS.iter().any(|method| line.contains(method))
}
