//! The command line: which command, and the arguments that are passed on untouched.
//!
//! clap drops a leading `--`, which `cargo xtask test -- --nocapture` needs kept and `cargo demo -- --json` needs
//! dropped, so everything after the command's name is taken from the raw arguments.

use std::ffi::{OsStr, OsString};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "The project's own commands",
    version
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Run every test, against a throw-away PostgreSQL cluster or the server in BATON_TEST_DATABASE_URL
    Test {
        /// Passed on to `cargo test`, such as `-p baton-store` or `-- --nocapture`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Everything that has to hold before a change is merged
    Ci {
        /// Run this step alone, named as in the table at the end, such as "cargo deny"
        #[arg(long, value_name = "STEP")]
        only: Option<String>,
    },
    /// Build the binaries and play a scenario; the same as `cargo demo`
    Demo {
        /// Passed on to `baton-demo`, such as `--json` or `--scenario PATH`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// Real schedulers on a PostgreSQL of their own while something goes wrong: processes killed, the database away, …
    Faults {
        /// `all`, `quick`, or names of faults
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// One JSON line a fault
        #[arg(long)]
        json: bool,
    },
    /// How fast it is, as ratios to the bare database measured in the same minute: release build, durable PostgreSQL
    Bench {
        #[command(flatten)]
        wanted: baton_bench_options::Wanted,
        /// Runs the benches' process under this, such as "valgrind --tool=callgrind"; words are parted by spaces
        #[arg(long, value_name = "COMMAND", default_value = "")]
        under: String,
    },
    /// One story in Go, Python, TypeScript and Rust, with stubs generated from the protos, against a real scheduler
    Clients,
    /// The lines of proto/COOKBOOK.md, against a real scheduler: they print what it says
    Cookbook,
    /// A round trip with grpcurl against a scheduler on a temporary SQLite file
    GrpcurlCheck,
}

/// Parses this process's arguments; prints help or the mistake and exits where clap says so.
pub fn parse() -> Command {
    parse_from(std::env::args_os().collect()).unwrap_or_else(|error| error.exit())
}

fn parse_from(arguments: Vec<OsString>) -> Result<Command, clap::Error> {
    let passes_on = matches!(arguments.get(1).and_then(|name| name.to_str()), Some("test" | "demo"));
    if !passes_on {
        return Cli::try_parse_from(arguments).map(|cli| cli.command);
    }
    let mut own = arguments;
    let rest = own.split_off(2);
    if is_test_help(&own[1], &rest) {
        own.extend(rest);
        return Cli::try_parse_from(own).map(|cli| cli.command);
    }
    Ok(match own[1].to_str() {
        Some("test") => Command::Test { args: rest },
        _ => Command::Demo {
            args: without_leading_separator(rest),
        },
    })
}

/// `cargo xtask test --help` is about xtask; `cargo demo --help` is about the demo.
fn is_test_help(command: &OsStr, rest: &[OsString]) -> bool {
    command == "test" && matches!(rest, [only] if only == "--help" || only == "-h")
}

fn without_leading_separator(mut args: Vec<OsString>) -> Vec<OsString> {
    if args.first().is_some_and(|first| first == "--") {
        args.remove(0);
    }
    args
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Command {
        parse_from(words(line)).expect("a valid line")
    }

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn test_arguments_keep_their_separator() {
        assert_eq!(
            parsed("xtask test -- --nocapture"),
            Command::Test {
                args: words("-- --nocapture")
            }
        );
        assert_eq!(
            parsed("xtask test -p x -- --ignored"),
            Command::Test {
                args: words("-p x -- --ignored")
            }
        );
        assert_eq!(parsed("xtask test"), Command::Test { args: vec![] });
    }

    #[test]
    fn demo_arguments_lose_a_leading_separator() {
        assert_eq!(parsed("xtask demo -- --json"), Command::Demo { args: words("--json") });
        assert_eq!(
            parsed("xtask demo --json --help"),
            Command::Demo {
                args: words("--json --help")
            }
        );
    }

    #[test]
    fn other_commands_are_strict() {
        assert_eq!(parsed("xtask ci"), Command::Ci { only: None });
        assert_eq!(
            parsed("xtask ci --only clippy"),
            Command::Ci {
                only: Some("clippy".into())
            }
        );
        assert!(parse_from(words("xtask ci --fast")).is_err());
        assert!(parse_from(words("xtask")).is_err());
    }

    #[test]
    fn benches_are_judged_here() {
        let Command::Bench { wanted, .. } = parsed("xtask bench nonsense --quick") else {
            panic!("`bench` is another command");
        };
        let told = wanted.judge().expect_err("there is no such bench").to_string();
        assert!(
            told.starts_with("`nonsense` is no bench") && !told.contains('\n'),
            "{told}"
        );
    }

    #[test]
    fn help_for_test_is_ours() {
        let error = parse_from(words("xtask test --help")).expect_err("help is an early exit");
        assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp);
    }

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
