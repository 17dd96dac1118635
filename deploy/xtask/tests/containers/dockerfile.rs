//! `Dockerfile`, stage by stage, and what ends up in its last one.

use parse_dockerfile::{Command, CopyInstruction, Instruction, Source};

/// From one FROM to the next.
#[derive(Debug)]
pub struct Stage {
    pub base: String,
    pub name: String,
    pub steps: Vec<Step>,
}

/// What an instruction does, as far as the tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Run(String),
    /// From the build context.
    Context,
    CopyFrom {
        stage: String,
        files: Vec<(String, String)>,
    },
    User(String),
    Cmd(Vec<String>),
    Other,
}

/// The last stage.
#[derive(Debug)]
pub struct Image {
    pub steps: Vec<Step>,
}

/// Every stage in order.
pub fn stages() -> Vec<Stage> {
    let text = std::fs::read_to_string(crate::deploy("Dockerfile")).expect("deploy/Dockerfile is there");
    let parsed = parse_dockerfile::parse(&text).expect("deploy/Dockerfile can be parsed");
    let stages = parsed.stages().map(|stage| Stage {
        base: stage.from.image.value.to_string(),
        name: stage
            .from
            .as_
            .as_ref()
            .expect("every stage has a name")
            .1
            .value
            .to_string(),
        steps: stage.instructions.iter().map(step).collect(),
    });
    stages.collect()
}

fn step(instruction: &Instruction<'_>) -> Step {
    match instruction {
        Instruction::Run(run) => Step::Run(words(&run.arguments).join(" ")),
        Instruction::Copy(copy) => copied(copy),
        Instruction::User(user) => Step::User(user.arguments.value.to_string()),
        Instruction::Cmd(cmd) => Step::Cmd(words(&cmd.arguments)),
        _ => Step::Other,
    }
}

/// One word per element in the form with brackets, the whole line otherwise.
fn words(command: &Command<'_>) -> Vec<String> {
    match command {
        Command::Exec(words) => words.value.iter().map(|word| word.value.to_string()).collect(),
        Command::Shell(line) => vec![line.value.to_string()],
        other => panic!("a form of command that this test does not know: {other:?}"),
    }
}

fn copied(copy: &CopyInstruction<'_>) -> Step {
    let from = copy.options.iter().find(|option| option.name.value == "from");
    let Some(stage) = from.and_then(|option| option.value.as_ref()) else {
        return Step::Context;
    };
    let files = copy.src.iter().map(|source| match source {
        Source::Path(path) => (path.value.to_string(), destination(&path.value, &copy.dest.value)),
        other => panic!("a source that this test does not know: {other:?}"),
    });
    Step::CopyFrom {
        stage: stage.value.to_string(),
        files: files.collect(),
    }
}

fn destination(source: &str, destination: &str) -> String {
    match destination.strip_suffix('/') {
        Some(directory) => format!("{directory}/{}", source.rsplit('/').next().unwrap_or(source)),
        None => destination.to_owned(),
    }
}

impl Stage {
    /// Every command that it runs.
    pub fn runs(&self) -> Vec<&str> {
        self.steps
            .iter()
            .filter_map(|step| {
                if let Step::Run(line) = step {
                    Some(line.as_str())
                } else {
                    None
                }
            })
            .collect()
    }
}

impl Image {
    pub fn read() -> Self {
        Self {
            steps: stages().pop().expect("a Dockerfile has stages").steps,
        }
    }

    /// Whether a path was copied into it.
    pub fn has_file(&self, path: &str) -> bool {
        self.steps.iter().any(|step| match step {
            Step::CopyFrom { files, .. } => files.iter().any(|(_, target)| target == path),
            _ => false,
        })
    }

    /// Whether a bare name is found: distroless images have this directory on PATH.
    pub fn has_program(&self, name: &str) -> bool {
        self.has_file(&format!("/usr/local/bin/{name}"))
    }
}
