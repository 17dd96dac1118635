//! The real binaries, asked for their help.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs `program args… --help`. clap reads from left to right, so an unknown flag, subcommand or a malformed value
/// before `--help` is an error.
pub fn help(command: &[String]) -> Result<String, String> {
    let (program, args) = command.split_first().ok_or("an empty command")?;
    let output = call(program, args)?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn call(program: &str, args: &[String]) -> Result<Output, String> {
    let path = beside_this_test(program)?;
    Command::new(&path)
        .args(args)
        .arg("--help")
        .output()
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Test executables are in `deps`, binaries one directory above.
fn beside_this_test(program: &str) -> Result<PathBuf, String> {
    let test = std::env::current_exe().map_err(|error| error.to_string())?;
    let directory = test
        .parent()
        .and_then(|deps| deps.parent())
        .ok_or("this test is in no target directory")?;
    let path = directory.join(program);
    if path.is_file() {
        Ok(path)
    } else {
        Err(format!(
            "{} is missing: `cargo build --workspace --bins` or `cargo xtask test` builds it",
            path.display()
        ))
    }
}

/// Whether a help text names an environment variable, as a whole word.
pub fn names_variable(help: &str, variable: &str) -> bool {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    help.split(|character| !is_word(character)).any(|word| word == variable)
}
