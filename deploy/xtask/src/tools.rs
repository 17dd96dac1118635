//! Tools that `cargo xtask ci` needs beside Rust and PostgreSQL, each in a pinned version.
//!
//! One on PATH that says it is that version is used. Otherwise the tool comes from a cache of our own (`$XDG_CACHE_HOME`
//! or `~/.cache`, then `baton-xtask/NAME-VERSION/bin`), which outlives a fresh clone, and is installed there when missing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::processes::Processes;

/// How one tool gets into a directory.
pub struct Tool {
    pub name: &'static str,
    pub version: &'static str,
    install: fn(tool: &Tool, into: &Path) -> Command,
    needs: &'static str,
}

/// Checks licences, sources and who may use which crate.
pub const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    install: install_cargo_deny,
    needs: "a Rust toolchain",
};

/// Speaks gRPC as a stranger would: by reflection.
pub const GRPCURL: Tool = Tool {
    name: "grpcurl",
    version: "1.9.4",
    install: install_grpcurl,
    needs: "Go (https://go.dev/dl)",
};

/// jq for machines that have none.
pub const GOJQ: Tool = Tool {
    name: "gojq",
    version: "0.12.20",
    install: install_gojq,
    needs: "Go (https://go.dev/dl)",
};

/// Lints the protos, compares them with earlier ones, and has stubs generated.
pub const BUF: Tool = Tool {
    name: "buf",
    version: "1.75.0",
    install: install_buf,
    needs: "Node.js with npm (https://nodejs.org)",
};

impl Tool {
    /// Where the tool is, installed first if need be.
    pub fn obtain(&self, processes: &Processes) -> Result<PathBuf> {
        if self.is_on_path(processes) {
            return Ok(self.name.into());
        }
        let directory = cache()?.join(format!("{}-{}", self.name, self.version)).join("bin");
        let program = directory.join(self.name);
        if !program.is_file() {
            self.install_into(&directory, processes)?;
            ensure!(
                program.is_file(),
                "{} was installed, but {} is not there",
                self.name,
                program.display()
            );
        }
        Ok(program)
    }

    /// Some tools tell their version on stderr.
    fn is_on_path(&self, processes: &Processes) -> bool {
        let Ok(output) = processes.output(Command::new(self.name).arg("--version")) else {
            return false;
        };
        output.status.success()
            && [output.stdout, output.stderr]
                .iter()
                .any(|text| names_version(text, self.version))
    }

    fn install_into(&self, directory: &Path, processes: &Processes) -> Result<()> {
        println!("installing {} {} into {}", self.name, self.version, directory.display());
        let started = Instant::now();
        processes
            .run(&mut (self.install)(self, directory))
            .with_context(|| format!("cannot install {}; it needs {} and the network", self.name, self.needs))?;
        println!("installed {} in {:.0} s", self.name, started.elapsed().as_secs_f64());
        Ok(())
    }
}

/// Unoptimised and without the advisory database's network code: a tenth of the usual build time for a tool that works
/// for a second.
fn install_cargo_deny(tool: &Tool, into: &Path) -> Command {
    let root = into.parent().unwrap_or(into);
    let mut command = Command::new("cargo");
    command
        .args([
            "install",
            "--quiet",
            "--locked",
            "--no-default-features",
            "--version",
            tool.version,
            tool.name,
        ])
        .arg("--root")
        .arg(root)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    command
}

fn install_grpcurl(tool: &Tool, into: &Path) -> Command {
    go_install("github.com/fullstorydev/grpcurl/cmd/grpcurl", tool, into)
}

fn install_gojq(tool: &Tool, into: &Path) -> Command {
    go_install("github.com/itchyny/gojq/cmd/gojq", tool, into)
}

fn go_install(package: &str, tool: &Tool, into: &Path) -> Command {
    let mut command = Command::new("go");
    command.arg("install").arg(format!("{package}@v{}", tool.version));
    command.env("GOBIN", into);
    command
}

/// A package of npm brings the program for this machine along; `--global` means: into `bin` below the prefix.
fn install_buf(tool: &Tool, into: &Path) -> Command {
    let prefix = into.parent().unwrap_or(into);
    let mut command = Command::new("npm");
    command
        .args(["install", "--silent", "--no-audit", "--no-fund", "--global", "--prefix"])
        .arg(prefix)
        .arg(format!("@bufbuild/buf@{}", tool.version));
    command
}

fn names_version(text: &[u8], version: &str) -> bool {
    let text = String::from_utf8_lossy(text);
    text.split_whitespace()
        .any(|word| word.trim_start_matches('v') == version)
}

fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let base = base.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    Ok(base
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("baton-xtask"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(command: &Command) -> String {
        command
            .get_args()
            .map(|argument| argument.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn versions_are_pinned() {
        let deny = install_cargo_deny(&CARGO_DENY, Path::new("/cache/cargo-deny-0/bin"));
        assert!(arguments(&deny).contains("--locked"));
        assert!(arguments(&deny).contains(&format!(
            "--version {} cargo-deny --root /cache/cargo-deny-0",
            CARGO_DENY.version
        )));
        let grpcurl = install_grpcurl(&GRPCURL, Path::new("/cache/bin"));
        assert!(arguments(&grpcurl).ends_with(&format!("@v{}", GRPCURL.version)));
        let buf = install_buf(&BUF, Path::new("/cache/buf-0/bin"));
        assert!(arguments(&buf).ends_with(&format!("/cache/buf-0 @bufbuild/buf@{}", BUF.version)));
    }

    #[test]
    fn only_the_pinned_version_counts() {
        assert!(names_version(b"cargo-deny 0.20.2\n", "0.20.2"));
        assert!(names_version(b"grpcurl v1.9.4", "1.9.4"));
        assert!(!names_version(b"grpcurl dev build <no version set>", "1.9.4"));
        assert!(!names_version(b"cargo-deny 0.20.21", "0.20.2"));
    }

    #[test]
    fn a_tool_that_cannot_be_installed_says_what_it_needs() {
        let broken = Tool {
            name: "x",
            version: "1",
            install: |_, _| Command::new("false"),
            needs: "a miracle",
        };
        let error = broken
            .install_into(Path::new("/nowhere"), &Processes::default())
            .expect_err("it fails");
        assert_eq!(
            error.to_string(),
            "cannot install x; it needs a miracle and the network"
        );
    }
}
