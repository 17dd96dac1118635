//! The compiled crates as `cargo tree` sees them: which must be there exactly once, and which never.
//!
//! `cargo deny` cannot say "exactly one version, and it is there"; and `Cargo.lock` also names what no feature turns on.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use crate::processes::Processes;
use crate::workspace::Workspace;

/// One gRPC stack, one HTTP stack, one runtime, one TLS stack with one provider, one SQL driver core.
const EXACTLY_ONCE: [&str; 10] = [
    "tonic",
    "prost",
    "hyper",
    "reqwest",
    "tokio",
    "rustls",
    "ring",
    "sqlx-core",
    "sea-orm",
    "tokio-postgres",
];

/// Other TLS stacks and providers.
const NEVER: [&str; 5] = ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

/// Versions by crate name.
type Versions = BTreeMap<String, BTreeSet<String>>;

pub fn check(workspace: &Workspace, processes: &Processes) -> Result<()> {
    let mut command = workspace.cargo(["tree", "--workspace", "--locked", "--target", "all"]);
    command.args(["--edges", "normal,build,dev", "--prefix", "none", "--format", "{p}"]);
    let output = processes.output(&mut command)?;
    ensure!(
        output.status.success(),
        "cargo tree failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mistakes = mistakes(&parse(&String::from_utf8_lossy(&output.stdout))?);
    ensure!(
        mistakes.is_empty(),
        "{}; `cargo tree --invert CRATE` shows why",
        mistakes.join("; ")
    );
    Ok(())
}

/// Reads lines such as `tonic v0.14.9`, `serde_derive v1.0.0 (proc-macro)` and `tokio v1.0.0 (*)`.
fn parse(tree: &str) -> Result<Versions> {
    let mut versions = Versions::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let name = words
            .next()
            .with_context(|| format!("not a line of cargo tree: {line}"))?;
        let version = words.next().and_then(|word| word.strip_prefix('v'));
        let version = version.with_context(|| format!("no version in a line of cargo tree: {line}"))?;
        versions.entry(name.to_owned()).or_default().insert(version.to_owned());
    }
    Ok(versions)
}

fn mistakes(versions: &Versions) -> Vec<String> {
    let none = BTreeSet::new();
    let of = |name: &str| versions.get(name).unwrap_or(&none);
    let listed = |name: &str| of(name).iter().cloned().collect::<Vec<_>>().join(", ");
    let once = EXACTLY_ONCE.iter().filter(|name| of(name).len() != 1);
    let never = NEVER.iter().filter(|name| !of(name).is_empty());
    once.map(|name| {
        format!(
            "{name} must be there exactly once, but the versions are: [{}]",
            listed(name)
        )
    })
    .chain(never.map(|name| format!("{name} must not be there, but {} is", listed(name))))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Versions {
        EXACTLY_ONCE
            .iter()
            .map(|name| ((*name).to_owned(), BTreeSet::from(["1.0.0".to_owned()])))
            .collect()
    }

    #[test]
    fn lines_of_cargo_tree() {
        let tree = "\
baton-api v0.1.0 (/w/services/api)
tonic v0.14.9
tonic v0.14.9 (*)
serde_derive v1.0.229 (proc-macro)

tonic v0.13.0
";
        let versions = parse(tree).expect("well-formed");
        assert_eq!(
            versions["tonic"],
            BTreeSet::from(["0.13.0".to_owned(), "0.14.9".to_owned()])
        );
        assert_eq!(versions["serde_derive"], BTreeSet::from(["1.0.229".to_owned()]));
        assert_eq!(versions.len(), 3);
        assert!(parse("tonic").is_err());
    }

    #[test]
    fn one_of_each_and_no_other_tls() {
        assert_eq!(mistakes(&good()), Vec::<String>::new());
    }

    #[test]
    fn a_second_version_a_missing_crate_and_another_provider_are_all_named() {
        let mut versions = good();
        versions.entry("tonic".into()).or_default().insert("0.13.0".into());
        versions.remove("ring");
        versions.insert("aws-lc-rs".into(), BTreeSet::from(["1.2.3".into()]));
        let mistakes = mistakes(&versions);
        assert_eq!(mistakes.len(), 3);
        assert!(mistakes[0].starts_with("tonic must be there exactly once") && mistakes[0].contains("0.13.0, 1.0.0"));
        assert!(mistakes[1].starts_with("ring must be there exactly once"));
        assert_eq!(mistakes[2], "aws-lc-rs must not be there, but 1.2.3 is");
    }
}
