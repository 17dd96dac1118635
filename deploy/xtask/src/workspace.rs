//! Where this checkout is, where cargo puts what it builds, and which packages belong to it.
//!
//! Every command starts here. All of it comes from `cargo metadata`, nothing from the machine that compiled xtask.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The workspace that the current directory belongs to.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    members: Vec<PathBuf>,
}

impl Workspace {
    /// Asks cargo, which looks upwards from the current directory.
    pub fn locate() -> Result<Self> {
        let output = cargo_command()
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo metadata")?;
        ensure!(output.status.success(), "cargo metadata failed");
        Self::from_metadata(&serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")?)
    }

    fn from_metadata(metadata: &Value) -> Result<Self> {
        let path = |field: &str| -> Result<PathBuf> {
            Ok(metadata[field]
                .as_str()
                .with_context(|| format!("cargo metadata has no {field}"))?
                .into())
        };
        let root = path("workspace_root")?;
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata has no packages")?;
        let members = packages
            .iter()
            .map(|package| member_directory(package, &root))
            .collect::<Result<_>>()?;
        Ok(Self {
            target: path("target_directory")?,
            members,
            root,
        })
    }

    /// The directory of the workspace's `Cargo.toml`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The directory of each member, relative to the root.
    pub fn members(&self) -> &[PathBuf] {
        &self.members
    }

    /// A cargo call in the root that decides for itself, as if typed into a shell.
    pub fn cargo<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        let mut command = cargo_command();
        command.args(args).current_dir(&self.root);
        command
    }

    /// Builds every binary with the features that all members together ask for.
    pub fn build_binaries(&self) -> Command {
        self.cargo(["build", "--workspace", "--bins"])
    }

    /// Builds these binaries as they are released, with the features that all members together ask for.
    pub fn build_released(&self, names: &[&str]) -> Command {
        let mut command = self.cargo(["build", "--workspace", "--release"]);
        command.args(names.iter().flat_map(|name| ["--bin", *name]));
        command
    }

    /// Where the debug build of a binary is.
    pub fn binary(&self, name: &str) -> Result<PathBuf> {
        self.built("debug", name)
    }

    /// Where the release build of a binary is.
    pub fn released(&self, name: &str) -> Result<PathBuf> {
        self.built("release", name)
    }

    fn built(&self, profile: &str, name: &str) -> Result<PathBuf> {
        let path = self.target.join(profile).join(name);
        ensure!(
            path.is_file(),
            "{} is missing: `cargo build --workspace --bins` builds it",
            path.display()
        );
        Ok(path)
    }
}

fn member_directory(package: &Value, root: &Path) -> Result<PathBuf> {
    let manifest = package["manifest_path"]
        .as_str()
        .context("a package without manifest_path")?;
    let directory = Path::new(manifest).parent().context("a manifest without a directory")?;
    Ok(directory
        .strip_prefix(root)
        .context("a member outside of the workspace")?
        .to_path_buf())
}

/// The cargo that runs us, freed of what it sets for us: build scripts that watch these variables (ring's does) would
/// otherwise run again each time that cargo is called from here and from a shell by turns.
fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_set_for_a_package) {
            command.env_remove(name);
        }
    }
    command
}

fn is_set_for_a_package(variable: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|prefix| variable.starts_with(prefix))
        || variable == "CARGO_PRIMARY_PACKAGE"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_gives_members_relative_to_the_root() {
        let workspace = Workspace::from_metadata(&json!({
            "workspace_root": "/w",
            "target_directory": "/elsewhere",
            "packages": [{ "manifest_path": "/w/services/api/Cargo.toml" }, { "manifest_path": "/w/planner/Cargo.toml" }],
        }))
        .expect("complete metadata");
        assert_eq!(
            workspace.members(),
            [PathBuf::from("services/api"), PathBuf::from("planner")]
        );
        assert_eq!(workspace.target, Path::new("/elsewhere"));
    }

    #[test]
    fn a_binary_that_is_not_built_is_named() {
        let target = tempfile::tempdir().expect("a temporary directory");
        let workspace = Workspace {
            root: "/w".into(),
            target: target.path().into(),
            members: vec![],
        };
        let error = workspace.binary("baton-scheduler").expect_err("nothing is built");
        assert!(
            error.to_string().contains("debug/baton-scheduler is missing"),
            "{error}"
        );
    }

    #[test]
    fn only_what_cargo_sets_for_a_package_is_removed() {
        assert!(is_set_for_a_package("CARGO_MANIFEST_DIR"));
        assert!(is_set_for_a_package("CARGO_PKG_VERSION"));
        assert!(!is_set_for_a_package("CARGO_HOME"));
        assert!(!is_set_for_a_package("CARGO_TARGET_DIR"));
        assert!(!is_set_for_a_package("CARGO_TERM_COLOR"));
    }
}
