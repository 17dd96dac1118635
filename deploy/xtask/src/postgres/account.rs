//! Who runs the cluster: PostgreSQL refuses to run as root, so root hands it to `postgres`, or else to `nobody`.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::processes::Processes;

const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// The account of the cluster's processes and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// Whoever runs us.
    Own,
    /// Another one, since we are root.
    Other { user: u32, group: u32 },
}

impl Account {
    /// Our own account unless that is root.
    pub fn choose(processes: &Processes) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let other = CANDIDATES.iter().find_map(|name| look_up(processes, name));
        other.context("PostgreSQL refuses to run as root, and there is neither a postgres nor a nobody account")
    }

    /// Where this account can reach a new directory: root's own temporary directory may be closed to others.
    pub fn temporary_directory(self) -> PathBuf {
        match self {
            Self::Own => std::env::temp_dir(),
            Self::Other { .. } => "/tmp".into(),
        }
    }

    /// Hands a directory over.
    pub fn take_over(self, directory: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { user, group } => std::os::unix::fs::chown(directory, Some(user), Some(group))
                .with_context(|| format!("cannot hand over {}", directory.display())),
        }
    }

    /// A command under this account, without our supplementary groups, deaf to the caller's `PG…` variables.
    pub fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { user, group } = self {
            command.uid(user).gid(group);
        }
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("PG")) {
                command.env_remove(name);
            }
        }
        command
    }
}

fn look_up(processes: &Processes, name: &str) -> Option<Account> {
    let number = |flag: &str| -> Option<u32> {
        let output = processes.output(Command::new("id").args([flag, name])).ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    Some(Account::Other {
        user: number("-u")?,
        group: number("-g")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_looked_up_by_name() {
        let processes = Processes::default();
        assert_eq!(look_up(&processes, "root"), Some(Account::Other { user: 0, group: 0 }));
        assert_eq!(look_up(&processes, "no-such-account-anywhere"), None);
    }

    #[test]
    fn the_cluster_is_never_root() {
        let chosen = Account::choose(&Processes::default()).expect("some account");
        let is_root = rustix::process::geteuid().is_root();
        assert_eq!(chosen == Account::Own, !is_root);
        assert!(!matches!(chosen, Account::Other { user: 0, .. }));
    }
}
