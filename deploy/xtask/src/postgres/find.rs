//! Finds the server's programs: on PATH, then where Debian, Homebrew and Red Hat put them, newest version first.
//!
//! Debian's PATH has wrappers of the client programs but not `initdb`, so a directory counts only with all of `PROGRAMS`.

use std::cmp::Reverse;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::install;
use crate::processes::Processes;

const PROGRAMS: [&str; 3] = ["initdb", "pg_ctl", "postgres"];

/// Where distributions put the programs. A `*` stands for a version, at the end of a component.
const PLACES: [&str; 5] = [
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/usr/pgsql-*/bin",
    "/usr/bin",
];

/// A directory with the server's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    directory: PathBuf,
}

impl Binaries {
    /// Finds the programs, or installs the distribution's package where that is allowed; the error says what to install.
    pub fn find_or_install(processes: &Processes) -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        install::install(processes)?;
        Self::find().context("PostgreSQL was installed, but its initdb, pg_ctl and postgres are in no known place")
    }

    /// Looks in every known place.
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path: Vec<PathBuf> = std::env::split_paths(&path).collect();
        search(&on_path, Path::new("/"))
    }

    /// One of `PROGRAMS`.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// `root` is where the absolute places begin: `/` but for tests.
fn search(on_path: &[PathBuf], root: &Path) -> Option<Binaries> {
    let places = PLACES.iter().flat_map(|place| expand(place, root));
    let directory = on_path
        .iter()
        .cloned()
        .chain(places)
        .find(|directory| has_all_programs(directory))?;
    Some(Binaries { directory })
}

fn has_all_programs(directory: &Path) -> bool {
    PROGRAMS.iter().all(|program| is_executable(&directory.join(program)))
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The directories that a place stands for, highest version first.
fn expand(place: &str, root: &Path) -> Vec<PathBuf> {
    let place = place.trim_start_matches('/');
    let Some((before, after)) = place.split_once('*') else {
        return vec![root.join(place)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let mut names = names_in(&root.join(parent));
    names.retain(|name| name.starts_with(prefix));
    names.sort_by_key(|name| Reverse(version(name)));
    names
        .iter()
        .map(|name| root.join(parent).join(name).join(after.trim_start_matches('/')))
        .collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// The numbers in a name, for comparison: `postgresql@17` gives 17, `9.6` gives 9 and 6.
fn version(name: &str) -> Vec<u32> {
    name.split(|character: char| !character.is_ascii_digit())
        .filter_map(|digits| digits.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File, Permissions};
    use tempfile::TempDir;

    fn machine(directories: &[&str]) -> TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        for directory in directories {
            install_into(&root.path().join(directory), &PROGRAMS);
        }
        root
    }

    fn install_into(directory: &Path, programs: &[&str]) {
        fs::create_dir_all(directory).expect("a new directory");
        for program in programs {
            let file = directory.join(program);
            File::create(&file).expect("a new file");
            fs::set_permissions(file, Permissions::from_mode(0o755)).expect("own file");
        }
    }

    fn found(on_path: &[PathBuf], root: &TempDir) -> Option<PathBuf> {
        let binaries = search(on_path, root.path())?;
        Some(
            binaries
                .directory
                .strip_prefix(root.path())
                .expect("below the root")
                .to_path_buf(),
        )
    }

    #[test]
    fn nothing_installed() {
        assert_eq!(found(&[], &machine(&[])), None);
    }

    #[test]
    fn path_comes_first() {
        let root = machine(&["own/bin", "usr/lib/postgresql/17/bin"]);
        let on_path = [root.path().join("absent"), root.path().join("own/bin")];
        assert_eq!(found(&on_path, &root), Some("own/bin".into()));
    }

    #[test]
    fn debian_newest_version_first_by_number_not_by_text() {
        let root = machine(&[
            "usr/lib/postgresql/9.6/bin",
            "usr/lib/postgresql/15/bin",
            "usr/lib/postgresql/16/bin",
        ]);
        assert_eq!(found(&[], &root), Some("usr/lib/postgresql/16/bin".into()));
    }

    #[test]
    fn homebrew_and_red_hat_places() {
        for place in [
            "opt/homebrew/opt/postgresql@17/bin",
            "opt/homebrew/opt/postgresql/bin",
            "usr/local/opt/postgresql@16/bin",
            "usr/pgsql-17/bin",
            "usr/bin",
        ] {
            assert_eq!(found(&[], &machine(&[place])), Some(place.into()));
        }
    }

    #[test]
    fn an_incomplete_directory_is_passed_over() {
        let root = machine(&["usr/lib/postgresql/15/bin"]);
        install_into(&root.path().join("usr/lib/postgresql/17/bin"), &["postgres", "pg_ctl"]);
        assert_eq!(found(&[], &root), Some("usr/lib/postgresql/15/bin".into()));
    }

    #[test]
    fn a_file_that_cannot_be_executed_is_no_program() {
        let root = machine(&["usr/bin"]);
        fs::set_permissions(root.path().join("usr/bin/initdb"), Permissions::from_mode(0o644)).expect("own file");
        assert_eq!(found(&[], &root), None);
    }
}
