//! What a bench is asked for: which benches, and how thoroughly. Every mistake is one clear line.
//!
//! A crate of its own because two programs read the same words: `cargo xtask bench` judges them before a build of many
//! minutes, `baton-bench` acts on them. It must not need anything that takes long to compile.

mod bench;

use anyhow::{Result, bail, ensure};
use clap::Args;

pub use bench::Bench;

/// Most samples that a figure may be the median of.
const SAMPLES_MAX: usize = 9;

/// The words as they come.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Wanted {
    /// The benches to run, or `all` but those that take long by themselves.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// One JSON line a figure on standard output, and nothing else there.
    #[arg(long)]
    pub json: bool,
    /// Less of everything: figures are rougher, and what takes long is left out.
    #[arg(long)]
    quick: bool,
    /// Samples that a figure is the median of: 1 to 9.
    #[arg(long, default_value = "3", value_name = "COUNT")]
    samples: String,
    /// Runs in a sample of what is measured by throughput: 100 to 2000000. The bench's own number without it.
    #[arg(long, value_name = "COUNT")]
    runs: Option<String>,
}

/// What is asked for, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub benches: Vec<Bench>,
    /// What `all` leaves out.
    pub apart: Vec<Bench>,
    pub samples: usize,
    pub quick: bool,
    /// `None` leaves it to the bench.
    pub runs: Option<usize>,
}

impl Wanted {
    /// What is asked for, or the first mistake.
    ///
    /// # Errors
    /// One line: a name that is none, `all` beside others, a number out of range.
    pub fn judge(&self) -> Result<Asked> {
        let samples = within("--samples", &self.samples, 1, SAMPLES_MAX)?;
        let runs = self.runs.as_deref().map(|runs| within("--runs", runs, 100, 2_000_000));
        let (benches, apart) = select(&self.names)?;
        Ok(Asked {
            benches,
            apart,
            samples,
            quick: self.quick,
            runs: runs.transpose()?,
        })
    }

    /// The same words for another program that reads them.
    pub fn words(&self) -> Vec<String> {
        let flags = [("--json", self.json), ("--quick", self.quick)];
        let flags = flags.iter().filter(|(_, is_given)| *is_given);
        let runs = self.runs.iter().map(|runs| format!("--runs={runs}"));
        self.names
            .iter()
            .cloned()
            .chain(flags.map(|(flag, _)| (*flag).to_owned()))
            .chain([format!("--samples={}", self.samples)])
            .chain(runs)
            .collect()
    }
}

impl Asked {
    /// What is not done of a bench, if anything.
    pub fn left_out(&self, bench: Bench) -> Option<&'static str> {
        let left_out = bench.quick_leaves_out().filter(|_| self.quick);
        left_out.filter(|what| self.runs.is_none() || *what != bench::RUNS)
    }

    /// How many runs a sample has: what was asked for, else the bench's own number, a quarter of it when time is short.
    pub fn runs_or(&self, own: usize) -> usize {
        self.runs.unwrap_or(if self.quick { own / 4 } else { own })
    }
}

/// The benches, and what `all` leaves out.
fn select(names: &[String]) -> Result<(Vec<Bench>, Vec<Bench>)> {
    if names.iter().any(|name| name == "all") {
        ensure!(names.len() == 1, "`all` stands alone");
        return Ok(Bench::ALL.iter().copied().partition(|bench| !bench.stands_apart()));
    }
    let benches: Result<Vec<Bench>> = names.iter().map(|name| named(name)).collect();
    Ok((benches?, Vec::new()))
}

fn named(name: &str) -> Result<Bench> {
    let known = || Bench::ALL.iter().map(|bench| bench.name());
    match Bench::ALL.iter().find(|bench| bench.name() == name) {
        Some(bench) => Ok(*bench),
        None => bail!(
            "`{name}` is no bench; there are: all, {}",
            known().collect::<Vec<_>>().join(", ")
        ),
    }
}

fn within(flag: &str, text: &str, min: usize, max: usize) -> Result<usize> {
    match text.parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        Ok(_) | Err(_) => bail!("{flag}: `{text}` is not a number from {min} to {max}"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        wanted: Wanted,
    }

    fn wanted(line: &str) -> Wanted {
        Line::parse_from(["bench"].into_iter().chain(line.split_whitespace())).wanted
    }

    fn judge(line: &str) -> Result<Asked, String> {
        wanted(line).judge().map_err(|error| error.to_string())
    }

    #[test]
    fn names_select_benches_and_all_is_every_one_but_what_it_says() {
        let two = judge("execute hostile").unwrap();
        assert_eq!(two.benches, [Bench::Execute, Bench::Hostile]);
        assert_eq!(two.apart, []);
        let all = judge("all").unwrap();
        assert_eq!(all.apart, [Bench::Hostile, Bench::HostileSqlite]);
        assert_eq!(all.benches.len() + all.apart.len(), Bench::ALL.len());
        assert!(!all.benches.iter().any(|bench| all.apart.contains(bench)));
        assert_eq!(judge("all herd").unwrap_err(), "`all` stands alone");
        let unknown = judge("exec").unwrap_err();
        assert!(
            unknown.starts_with("`exec` is no bench; there are: all, ") && unknown.contains("execute"),
            "{unknown}"
        );
    }

    #[test]
    fn what_is_out_of_range_is_one_line() {
        for (line, told) in [
            ("all --samples 0", "--samples: `0` is not a number from 1 to 9"),
            ("all --samples many", "--samples: `many` is not a number from 1 to 9"),
            ("all --runs 99", "--runs: `99` is not a number from 100 to 2000000"),
        ] {
            assert_eq!(judge(line).unwrap_err(), told);
        }
    }

    #[test]
    fn quick_is_a_quarter_unless_a_number_is_given() {
        assert_eq!(judge("all").unwrap().runs_or(200_000), 200_000);
        assert_eq!(judge("all --quick").unwrap().runs_or(200_000), 50_000);
        assert_eq!(judge("all --quick --runs 700").unwrap().runs_or(200_000), 700);
    }

    #[test]
    fn what_quick_leaves_out_is_told() {
        assert_eq!(judge("all").unwrap().left_out(Bench::Execute), None);
        let quick = judge("all --quick").unwrap();
        assert_eq!(quick.left_out(Bench::Execute), Some("three quarters of the runs"));
        assert_eq!(quick.left_out(Bench::Herd), None);
        let asked_for = judge("all --quick --runs 700").unwrap();
        assert_eq!(asked_for.left_out(Bench::Execute), None);
        assert!(asked_for.left_out(Bench::Growth).is_some());
    }

    #[test]
    fn what_is_passed_on_is_read_as_the_same() {
        for line in [
            "all",
            "execute herd --json --quick --samples 1 --runs 700",
            "all --samples 0",
        ] {
            let given = wanted(line);
            assert_eq!(wanted(&given.words().join(" ")), given);
        }
    }
}
