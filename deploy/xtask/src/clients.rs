//! `cargo xtask clients`: one and the same story in Go, Python, TypeScript and Rust, each with stubs generated from the
//! protos as they are now, against a real scheduler. Also a step of `cargo xtask ci`.
//!
//! How to read it: `languages` is how each one's story is made ready and started, `toolbox` what is downloaded for it,
//! once for each state of its lock file.

mod languages;
mod toolbox;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::listening_process::ListeningProcess;
use crate::processes::Processes;
use crate::scheduler;
use crate::tools::BUF;
use crate::workspace::Workspace;
use languages::LANGUAGES;
use toolbox::Toolbox;

/// What the programs need, in a folder that is gone afterwards.
struct Stage<'a> {
    workspace: &'a Workspace,
    processes: &'a Processes,
    toolbox: &'a Toolbox,
    directory: &'a Path,
}

/// Generates, starts a scheduler and something for it to call, and plays the story in every language.
pub fn run(workspace: &Workspace, processes: &Processes) -> Result<()> {
    let toolbox = Toolbox::fill(workspace, processes)?;
    processes.run(&mut workspace.build_binaries())?;
    let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
    let stage = Stage {
        workspace,
        processes,
        toolbox: &toolbox,
        directory: directory.path(),
    };
    stage.generate()?;
    let sink = ListeningProcess::start(processes, &mut Command::new(workspace.binary("baton-sink")?))?;
    let scheduler = scheduler::serve(
        workspace,
        processes,
        directory.path(),
        &["--egress-allow", "127.0.0.0/8"],
    )?;
    let url = format!("http://{}/story", sink.address());
    for language in LANGUAGES {
        let mut program = (language.program)(&stage).with_context(|| format!("the story in {}", language.name))?;
        program.args([scheduler.address(), &url]);
        play(language.name, &mut program, processes)?;
    }
    let status = scheduler.terminate()?;
    ensure!(status.success(), "the scheduler answered SIGTERM with {status}");
    Ok(())
}

fn play(language: &str, program: &mut Command, processes: &Processes) -> Result<()> {
    let output = processes.output(program)?;
    ensure!(
        output.status.success(),
        "the story in {language} ended with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    print!("{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

impl Stage<'_> {
    /// The stubs of every language, each beside a copy of its story.
    fn generate(&self) -> Result<()> {
        let stories = self.workspace.root().join("deploy/clients");
        for (from, files) in languages::STORIES {
            let to = self.directory.join(from);
            std::fs::create_dir_all(&to)?;
            for file in *files {
                let story = stories.join(from).join(file);
                std::fs::copy(&story, to.join(file)).with_context(|| story.display().to_string())?;
            }
        }
        let mut protos = self.buf()?;
        self.processes
            .run(protos.current_dir(self.workspace.root().join("proto")))?;
        self.generate_error_details()
    }

    /// Go and Python have packages with google.rpc.BadRequest; for TypeScript it is generated from the proto in Python's.
    fn generate_error_details(&self) -> Result<()> {
        let packages = self.toolbox.python_packages(self.processes)?;
        let template =
            r#"{"version":"v2","plugins":[{"local":"protoc-gen-es","out":"typescript/gen","opt":["target=ts"]}]}"#;
        let mut details = self.buf()?;
        details
            .current_dir(packages)
            .args(["--template", template, "--path", "google/rpc/error_details.proto", "."]);
        self.processes.run(&mut details)
    }

    fn buf(&self) -> Result<Command> {
        let mut command = Command::new(BUF.obtain(self.processes)?);
        command
            .args(["generate", "--output"])
            .arg(self.directory)
            .env("PATH", self.toolbox.path()?);
        Ok(command)
    }
}
