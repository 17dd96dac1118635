//! Sums up libtest's result lines (`test result: ok. 5 passed; 0 failed; …`) over all test binaries of a cargo call.
//!
//! Fed by `test` with cargo's stdout in pieces, cut anywhere.

use std::fmt;

/// Tests counted so far.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    unfinished_line: Vec<u8>,
}

impl Tally {
    /// Takes the next piece of output.
    pub fn observe(&mut self, piece: &[u8]) {
        for byte in piece {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.unfinished_line);
                self.count(&String::from_utf8_lossy(&line));
            } else {
                self.unfinished_line.push(*byte);
            }
        }
    }

    fn count(&mut self, line: &str) {
        let Some((passed, failed)) = parse_result_line(line) else {
            return;
        };
        self.passed += passed;
        self.failed += failed;
    }
}

/// The closing line that people and machines read.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// (passed, failed) of a result line; `None` for any other line.
fn parse_result_line(line: &str) -> Option<(u64, u64)> {
    let (_verdict, counts) = line.trim().strip_prefix("test result: ")?.split_once(". ")?;
    let count_of = |label: &str| {
        counts
            .split("; ")
            .find_map(|part| part.strip_suffix(label)?.trim_end().parse().ok())
    };
    Some((count_of("passed")?, count_of("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 2 tests
test a ... ok
test result: this line is what a test printed
test b ... FAILED
test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

   Doc-tests baton_domain
test result: ok. 40 passed; 0 failed; 3 ignored; 0 measured; 7 filtered out; finished in 1.25s
";

    #[test]
    fn sums_over_binaries_however_the_output_is_cut() {
        for size in [1, 7, 64, OUTPUT.len()] {
            let mut tally = Tally::default();
            OUTPUT.as_bytes().chunks(size).for_each(|piece| tally.observe(piece));
            assert_eq!((tally.passed, tally.failed), (41, 1), "pieces of {size}");
        }
    }

    #[test]
    fn the_closing_line_is_plain() {
        let tally = Tally {
            passed: 41,
            failed: 1,
            ..Tally::default()
        };
        assert_eq!(tally.to_string(), "41 passed, 1 failed");
    }

    #[test]
    fn a_line_without_end_does_not_count() {
        let mut tally = Tally::default();
        tally.observe(b"test result: ok. 40 passed; 0 failed");
        assert_eq!(tally.passed, 0);
    }

    #[test]
    fn other_lines_are_not_result_lines() {
        assert_eq!(parse_result_line("test result: ok"), None);
        assert_eq!(parse_result_line("5 passed; 0 failed;"), None);
        assert_eq!(
            parse_result_line("test result: ok. x passed; 0 failed; 0 ignored"),
            None
        );
    }
}
