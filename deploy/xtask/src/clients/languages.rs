//! How each language's story becomes a program to start.

use std::process::Command;

use anyhow::Result;

use super::Stage;

/// A language that services use Baton from.
pub struct Language {
    pub name: &'static str,
    /// Compiles where that is needed; the command lacks the arguments: the scheduler's address and the URL to call.
    pub program: fn(&Stage) -> Result<Command>,
}

pub const LANGUAGES: &[Language] = &[
    Language {
        name: "Go",
        program: go,
    },
    Language {
        name: "Python",
        program: python,
    },
    Language {
        name: "TypeScript",
        program: typescript,
    },
    Language {
        name: "Rust",
        program: rust,
    },
];

/// The files that stand beside generated stubs, by folder.
pub const STORIES: &[(&str, &[&str])] = &[
    ("go", &["go.mod", "go.sum", "main.go"]),
    ("python", &["story.py"]),
    ("typescript", &["package.json", "tsconfig.json", "story.ts"]),
];

fn go(stage: &Stage) -> Result<Command> {
    let directory = stage.directory.join("go");
    let program = directory.join("story");
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).current_dir(&directory);
    stage.processes.run(&mut build)?;
    Ok(Command::new(program))
}

fn python(stage: &Stage) -> Result<Command> {
    let directory = stage.directory.join("python");
    let mut command = Command::new(stage.toolbox.python());
    command
        .arg(directory.join("story.py"))
        .env("PYTHONPATH", directory.join("gen"));
    Ok(command)
}

fn typescript(stage: &Stage) -> Result<Command> {
    let directory = stage.directory.join("typescript");
    std::os::unix::fs::symlink(stage.toolbox.node_modules(), directory.join("node_modules"))?;
    let mut compile = Command::new(stage.toolbox.node_modules().join(".bin/tsc"));
    stage.processes.run(compile.current_dir(&directory))?;
    let mut command = Command::new("node");
    command.arg(directory.join("dist/story.js"));
    Ok(command)
}

/// Built with everything else; its stubs are those of the crate.
fn rust(stage: &Stage) -> Result<Command> {
    Ok(Command::new(stage.workspace.binary("baton-client-story")?))
}
