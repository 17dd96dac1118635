//! Stops the server and removes its directory when the owner is gone, even by SIGKILL.
//!
//! The warden is a small shell in a process group of its own that holds one end of a pipe. The other end closes when the
//! owner drops it or dies. There is no second way to stop, so the one that matters in an accident runs every time.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Waits for the end of the pipe, stops the server (it has nothing worth a checkpoint), removes the directory.
/// Arguments: pg_ctl, the data directory, the whole directory.
const SCRIPT: &str = r#"cat; "$1" stop --silent --mode immediate --pgdata "$2"; rm -rf "$3""#;

/// Guards one cluster's directory.
#[derive(Debug)]
pub struct Warden {
    shell: Child,
    directory: PathBuf,
}

impl Warden {
    /// `shell` is `sh` under the account that owns the directory and the server.
    pub fn post(mut shell: Command, pg_ctl: &Path, data: &Path, directory: PathBuf) -> Result<Self> {
        shell.args(["-c", SCRIPT, "warden"]).args([pg_ctl, data, &directory]);
        let shell = shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start the shell that stops the cluster")?;
        Ok(Self { shell, directory })
    }

    /// The directory that goes away with this value.
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let ended = self.shell.wait();
        if self.directory.exists() {
            eprintln!(
                "could not stop the test cluster in {} ({ended:?})",
                self.directory.display()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The real script, with a program in the place of pg_ctl that writes down what it was told.
    #[test]
    fn dropping_stops_the_server_and_removes_the_directory() {
        let outside = tempfile::tempdir().expect("a temporary directory");
        let directory = tempfile::tempdir().expect("a temporary directory").keep();
        let pg_ctl = outside.path().join("pg_ctl");
        let told = outside.path().join("told");
        let script = format!("#!/bin/sh\necho \"$@\" > '{}'\n", told.display());
        write_program(&pg_ctl, &script);

        let data = directory.join("data");
        let warden = Warden::post(Command::new("sh"), &pg_ctl, &data, directory.clone()).expect("sh exists");
        assert!(directory.exists() && !told.exists(), "nothing happens while it is held");
        drop(warden);

        assert!(!directory.exists());
        let arguments = std::fs::read_to_string(told).expect("pg_ctl was called");
        assert_eq!(
            arguments,
            format!("stop --silent --mode immediate --pgdata {}\n", data.display())
        );
    }

    fn write_program(path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(path, text).expect("a new file");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("own file");
    }
}
