//! Installs the distribution's PostgreSQL server where we may: as root or with a sudo that asks nothing.
//!
//! Otherwise the error is one line that says what to install.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::processes::Processes;

/// A package manager, and the package that holds the server.
#[derive(Debug, PartialEq, Eq)]
struct Distribution {
    program: &'static str,
    package: &'static str,
    /// Debian's lists may be absent (fresh containers) or old.
    refresh: Option<&'static [&'static str]>,
    install: &'static [&'static str],
}

const DISTRIBUTIONS: [Distribution; 2] = [
    Distribution {
        program: "apt-get",
        package: "postgresql",
        refresh: Some(&["update", "-qq"]),
        install: &["install", "-y", "-qq", "--no-install-recommends", "--no-upgrade"],
    },
    Distribution {
        program: "dnf",
        package: "postgresql-server",
        refresh: None,
        install: &["install", "-y", "-q"],
    },
];

/// Installs the server, or says what to do.
pub fn install(processes: &Processes) -> Result<()> {
    let Some(distribution) = DISTRIBUTIONS.iter().find(|known| on_path(known.program).is_some()) else {
        bail!(
            "{}",
            advice("with your package manager (Homebrew: `brew install postgresql@17`)")
        );
    };
    let by_hand = format!("with `sudo {} install {}`", distribution.program, distribution.package);
    let Some(prefix) = privilege(processes) else {
        bail!("{}", advice(&by_hand));
    };
    println!(
        "PostgreSQL is missing: installing {} with {}",
        distribution.package, distribution.program
    );
    let call = |arguments: &[&str]| processes.run(&mut as_administrator(prefix, distribution.program, arguments));
    if let Some(refresh) = distribution.refresh {
        call(refresh).with_context(|| advice(&by_hand))?;
    }
    call(&[distribution.install, &[distribution.package]].concat()).with_context(|| advice(&by_hand))
}

fn advice(how: &str) -> String {
    format!("the tests need PostgreSQL's server programs: install them {how}, or set BATON_TEST_DATABASE_URL")
}

/// What to put before a command to run it as root: nothing, sudo, or `None` where neither works.
fn privilege(processes: &Processes) -> Option<&'static [&'static str]> {
    if rustix::process::geteuid().is_root() {
        return Some(&[]);
    }
    let sudo_works = processes
        .output(Command::new("sudo").args(["-n", "true"]))
        .ok()?
        .status
        .success();
    sudo_works.then_some(&["sudo", "-n"])
}

fn as_administrator(prefix: &[&str], program: &str, arguments: &[&str]) -> Command {
    let mut words = prefix
        .iter()
        .chain([&"env", &"DEBIAN_FRONTEND=noninteractive", &program])
        .chain(arguments);
    let mut command = Command::new(words.next().unwrap_or(&program));
    command.args(words);
    command
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn root_needs_no_sudo() {
        let command = as_administrator(&[], "dnf", &["install", "-y"]);
        assert_eq!(line(&command), "env DEBIAN_FRONTEND=noninteractive dnf install -y");
    }

    #[test]
    fn sudo_never_asks() {
        let command = as_administrator(&["sudo", "-n"], "apt-get", &["update"]);
        assert_eq!(
            line(&command),
            "sudo -n env DEBIAN_FRONTEND=noninteractive apt-get update"
        );
    }

    #[test]
    fn the_advice_is_one_line() {
        let text = advice("with `sudo apt-get install postgresql`");
        assert!(!text.contains('\n'));
        assert!(text.contains("sudo apt-get install postgresql") && text.contains("BATON_TEST_DATABASE_URL"));
    }
}
