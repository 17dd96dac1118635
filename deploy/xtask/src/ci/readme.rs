//! Checks the parts of README.md that a machine can: the first two commands and the tree.
//!
//! The first two fenced blocks are `cargo demo` and `cargo xtask test`. Under the first heading with the word "tree" a
//! fenced block names one path per line, indented below its directory; it lists every workspace member, and every path
//! that it names exists.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

const FIRST_COMMANDS: [&str; 2] = ["cargo demo", "cargo xtask test"];

pub fn check(workspace: &Workspace) -> Result<()> {
    let text = std::fs::read_to_string(workspace.root().join("README.md")).context("cannot read README.md")?;
    check_commands(&text)?;
    let tree = tree_paths(&text)?;
    let missing: Vec<_> = workspace
        .members()
        .iter()
        .filter(|member| !tree.contains(member))
        .collect();
    ensure!(
        missing.is_empty(),
        "README.md's tree does not list the members {missing:?}"
    );
    let gone: Vec<_> = tree
        .iter()
        .filter(|path| !workspace.root().join(path).exists())
        .collect();
    ensure!(gone.is_empty(), "README.md's tree names what does not exist: {gone:?}");
    Ok(())
}

fn check_commands(text: &str) -> Result<()> {
    let blocks = fenced_blocks(text);
    let first: Vec<_> = blocks
        .iter()
        .take(FIRST_COMMANDS.len())
        .map(|block| command_in(block))
        .collect();
    ensure!(
        first == FIRST_COMMANDS,
        "README.md's first two fenced blocks are {first:?}, not {FIRST_COMMANDS:?}"
    );
    Ok(())
}

/// A block's text without prompt and trailing comment.
fn command_in(block: &str) -> &str {
    let line = block.trim().trim_start_matches("$ ");
    line.split(" #").next().unwrap_or(line).trim_end()
}

fn fenced_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<String> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().starts_with("```")) {
            (Some(_), true) => blocks.extend(open.take()),
            (None, true) => open = Some(String::new()),
            (Some(block), false) => {
                block.push_str(line);
                block.push('\n');
            }
            (None, false) => {}
        }
    }
    blocks
}

fn tree_paths(text: &str) -> Result<Vec<PathBuf>> {
    let section = section_about_the_tree(text).context("README.md has no heading with the word \"tree\"")?;
    let block = fenced_blocks(&section).into_iter().next();
    Ok(paths_in(&block.context(
        "README.md has no fenced block under its heading about the tree",
    )?))
}

fn section_about_the_tree(text: &str) -> Option<String> {
    let is_tree_heading = |line: &&str| line.starts_with('#') && line.to_lowercase().contains("tree");
    let lines: Vec<_> = text.lines().skip_while(|line| !is_tree_heading(line)).skip(1).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// Joins each line's first word to the words of the less indented lines above it.
fn paths_in(block: &str) -> Vec<PathBuf> {
    let mut above: Vec<(usize, PathBuf)> = Vec::new();
    let mut paths = Vec::new();
    for line in block.lines() {
        let indent = line
            .chars()
            .take_while(|character| " │├└─".contains(*character))
            .count();
        let Some(name) = line
            .chars()
            .skip(indent)
            .collect::<String>()
            .split_whitespace()
            .next()
            .map(str::to_owned)
        else {
            continue;
        };
        above.retain(|(outer, _)| *outer < indent);
        let parent = above.last().map_or(Path::new(""), |(_, path)| path);
        let path = parent.join(name.trim_end_matches('/'));
        above.push((indent, path.clone()));
        paths.push(path);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "\
# Baton

```sh
cargo demo          # one minute
```

Then:

```
$ cargo xtask test
```

## The tree

```text
Cargo.toml      the workspace
services/
  domain/       the heart
    src/
  api/          gRPC
deploy/xtask/   this
```
";

    #[test]
    fn the_first_two_commands() {
        check_commands(README).expect("both are there");
        let swapped = README.replace("cargo demo ", "cargo build ");
        let error = check_commands(&swapped).expect_err("the first is another one");
        assert!(
            error.to_string().contains("[\"cargo build\", \"cargo xtask test\"]"),
            "{error}"
        );
        assert!(check_commands("# Baton\n").is_err());
    }

    #[test]
    fn the_tree_joins_what_is_indented() {
        let paths = tree_paths(README).expect("a tree");
        let expected = [
            "Cargo.toml",
            "services",
            "services/domain",
            "services/domain/src",
            "services/api",
            "deploy/xtask",
        ];
        assert_eq!(paths, expected.map(PathBuf::from));
    }

    #[test]
    fn box_drawing_counts_as_indentation() {
        let paths = paths_in("services/\n├── domain/\n│   └── src/\n└── api/\n");
        let expected = ["services", "services/domain", "services/domain/src", "services/api"];
        assert_eq!(paths, expected.map(PathBuf::from));
    }

    #[test]
    fn a_readme_without_a_tree_is_told_so() {
        assert!(tree_paths("# Baton\n").is_err());
        assert!(tree_paths("# Tree\n\nno block\n").is_err());
    }
}
