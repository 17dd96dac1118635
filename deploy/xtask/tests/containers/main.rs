//! Checks `deploy/Dockerfile` and `deploy/compose.yaml` without a container engine: both are parsed, compared with each
//! other and with the workspace, and every command and variable is tried on the real binaries.
//!
//! `cargo xtask test` builds those binaries first; the tests find them beside themselves and fail where they are missing.

mod binaries;
mod compose;
mod compose_test;
mod dockerfile;
mod dockerfile_test;

use std::path::PathBuf;

/// A file in `deploy/`.
fn deploy(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}
