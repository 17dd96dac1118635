//! The checks on `Dockerfile`.

use crate::binaries::help;
use crate::deploy;
use crate::dockerfile::{Image, Stage, Step, stages};

const BINARIES: [&str; 3] = ["baton-scheduler", "baton-planner", "baton-migrations"];

fn stage(name: &str) -> Stage {
    stages()
        .into_iter()
        .find(|stage| stage.name == name)
        .unwrap_or_else(|| panic!("no stage named {name}"))
}

#[test]
fn what_is_copied_comes_from_an_earlier_stage() {
    let stages = stages();
    for (position, stage) in stages.iter().enumerate() {
        for step in &stage.steps {
            let Step::CopyFrom { stage: from, files } = step else {
                continue;
            };
            assert!(
                stages[..position].iter().any(|earlier| earlier.name == *from),
                "{files:?} come from {from}"
            );
            assert!(!files.is_empty());
        }
    }
}

#[test]
fn all_three_binaries_are_built_and_copied() {
    let (build, image) = (stage("build"), Image::read());
    let commands = build.runs();
    assert_eq!(commands.len(), 2, "dependencies first, then our own code: {commands:?}");
    for binary in BINARIES {
        assert!(
            commands
                .iter()
                .all(|command| command.contains(&format!("--package {binary}"))),
            "{commands:?}"
        );
        assert!(image.has_program(binary), "{binary} is not in the image");
    }
}

/// The layer with the dependencies is only of use when it is made from the recipe and before our own code arrives.
#[test]
fn dependencies_are_built_before_the_code_arrives() {
    let order: Vec<_> = stage("build").steps.iter().map(phase).collect();
    assert_eq!(order, ["recipe", "dependencies", "code", "compile"]);
}

fn phase(step: &Step) -> &'static str {
    match step {
        Step::CopyFrom { stage, .. } if stage == "recipe" => "recipe",
        Step::Run(line) if line.starts_with("cargo chef cook") => "dependencies",
        Step::Context => "code",
        Step::Run(line) if line.starts_with("cargo build") => "compile",
        _ => "something else",
    }
}

#[test]
fn it_does_not_run_as_root() {
    let image = Image::read();
    let users: Vec<_> = image
        .steps
        .iter()
        .filter(|step| matches!(step, Step::User(_)))
        .collect();
    assert_eq!(users, [&Step::User("nonroot".to_owned())]);
}

#[test]
fn the_default_command_is_accepted_by_the_real_binary() {
    let image = Image::read();
    let command = image
        .steps
        .iter()
        .find_map(|step| if let Step::Cmd(words) = step { Some(words) } else { None });
    let command = command.expect("a default command");
    assert!(image.has_program(&command[0]), "{command:?}");
    help(command).unwrap_or_else(|error| panic!("{command:?}: {error}"));
}

#[test]
fn the_toolchain_is_new_enough() {
    let manifest = std::fs::read_to_string(deploy("../Cargo.toml")).expect("the workspace's manifest");
    let needed = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "))
        .expect("a rust-version");
    let base = stage("chef").base;
    let given = base.strip_prefix("rust:").expect("an official Rust image");
    assert!(
        version(given) >= version(needed.trim_start_matches('"')),
        "{base} builds code that needs {needed}"
    );
}

/// Major and minor at the start of a text.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text
        .split(|character: char| !character.is_ascii_digit())
        .map(|digits| digits.parse().expect("a number"));
    (
        numbers.next().expect("a major version"),
        numbers.next().expect("a minor version"),
    )
}

/// Every member's manifest must reach the build: cargo reads all of them, whatever it compiles.
#[test]
fn the_ignore_file_lets_every_member_through() {
    let ignore = std::fs::read_to_string(deploy("Dockerfile.dockerignore")).expect("the ignore file");
    let let_through: Vec<_> = ignore.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let manifest = std::fs::read_to_string(deploy("../Cargo.toml")).expect("the workspace's manifest");
    let members = manifest
        .split_once("members = [")
        .and_then(|(_, rest)| rest.split_once(']'))
        .expect("members")
        .0;
    let members: Vec<_> = members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
        .collect();
    assert!(members.len() > 5, "{members:?}");
    for path in members
        .into_iter()
        .filter(|member| !member.is_empty())
        .chain(["Cargo.toml", "Cargo.lock", ".cargo"])
    {
        let is_let_through = let_through
            .iter()
            .any(|allowed| path == *allowed || path.starts_with(&format!("{allowed}/")));
        assert!(is_let_through, "{path} is ignored");
    }
}
