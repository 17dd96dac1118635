//! The table at the end of `cargo xtask ci`: each step, how it went, how long it took.

use std::fmt;
use std::time::Duration;

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Steps in order.
#[derive(Debug, Default)]
pub struct Summary {
    rows: Vec<(&'static str, Outcome)>,
}

impl Summary {
    pub fn add(&mut self, step: &'static str, outcome: Outcome) {
        self.rows.push((step, outcome));
    }

    fn total(&self) -> Duration {
        self.rows.iter().map(|(_, outcome)| outcome.time()).sum()
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Passed(_) => "passed",
            Self::Failed(_) => "FAILED",
            Self::NotRun => "not run",
        }
    }

    fn time(self) -> Duration {
        match self {
            Self::Passed(time) | Self::Failed(time) => time,
            Self::NotRun => Duration::ZERO,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|(step, _)| step.len()).max().unwrap_or_default();
        for (step, outcome) in &self.rows {
            writeln!(
                formatter,
                "{step:width$}  {:7}  {:>7.1} s",
                outcome.word(),
                outcome.time().as_secs_f64()
            )?;
        }
        write!(
            formatter,
            "{:width$}  {:7}  {:>7.1} s",
            "total",
            "",
            self.total().as_secs_f64()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lines_up() {
        let mut summary = Summary::default();
        summary.add("format", Outcome::Passed(Duration::from_millis(1_240)));
        summary.add("documentation", Outcome::Failed(Duration::from_secs(100)));
        summary.add("demo", Outcome::NotRun);
        let expected = "\
format         passed       1.2 s
documentation  FAILED     100.0 s
demo           not run      0.0 s
total                     101.2 s";
        assert_eq!(summary.to_string(), expected);
    }
}
