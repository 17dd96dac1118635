//! The real scheduler on a temporary SQLite file, for checks from outside.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::listening_process::ListeningProcess;
use crate::processes::Processes;
use crate::workspace::Workspace;

/// Starts `baton-scheduler serve` in `directory`, where it creates its default database; answers once it serves.
pub fn serve(
    workspace: &Workspace,
    processes: &Processes,
    directory: &Path,
    args: &[&str],
) -> Result<ListeningProcess> {
    let mut command = Command::new(workspace.binary("baton-scheduler")?);
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(args)
        .env("RUST_LOG", "warn")
        .current_dir(directory);
    forget_configuration(&mut command);
    ListeningProcess::start(processes, &mut command)
}

/// The caller's own settings must not reach a check.
fn forget_configuration(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let is_setting = |name: &str| name == "DATABASE_URL" || name.starts_with("BATON_") || name.starts_with("OTEL_");
        if name.to_str().is_some_and(is_setting) {
            command.env_remove(name);
        }
    }
}
