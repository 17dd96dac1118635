//! Whether what was printed is what a document says: the same words, where ids, instants and durations are placeholders.
//!
//! An id stands for the same id throughout the document. White space does not count, and a line `…` stands for any lines.

use std::collections::BTreeMap;

/// In a document: any number of lines.
const ANY_LINES: &str = "…";

/// Ids of the document, and what they turned out to be.
#[derive(Debug, Default)]
pub struct Ids(BTreeMap<String, String>);

/// What a word is to a reader.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Id,
    Instant,
    Duration,
    Itself,
}

impl Ids {
    /// Says what differs first, if anything does.
    pub fn compare(&mut self, expected: &str, printed: &str) -> Result<(), String> {
        let mut found = printed.lines().filter(|line| !line.trim().is_empty());
        let mut skipping = false;
        for line in expected.lines().filter(|line| !line.trim().is_empty()) {
            if line.trim() == ANY_LINES {
                skipping = true;
                continue;
            }
            let mut matching = None;
            for candidate in found.by_ref() {
                matching = self.same_line(line, candidate);
                if matching.is_some() || !skipping {
                    break;
                }
            }
            let bound = matching.ok_or_else(|| format!("nothing like `{}` where it should be", line.trim()))?;
            self.0.extend(bound);
            skipping = false;
        }
        match found.next() {
            Some(line) if !skipping => Err(format!("`{}` is not in the document", line.trim())),
            _ => Ok(()),
        }
    }

    /// The ids that the lines being alike would bind; `None` when they are not alike.
    fn same_line(&self, expected: &str, printed: &str) -> Option<Vec<(String, String)>> {
        let (expected, printed) = (words(expected), words(printed));
        if expected.len() != printed.len() {
            return None;
        }
        let mut bound = Vec::new();
        for (expected, printed) in expected.into_iter().zip(printed) {
            match (kind(expected), kind(printed)) {
                (Word::Itself, Word::Itself) if expected == printed => {}
                (Word::Id, Word::Id) if self.0.get(expected).is_none_or(|known| known == printed) => {
                    bound.push((expected.to_owned(), printed.to_owned()));
                }
                (Word::Instant, Word::Instant) | (Word::Duration, Word::Duration) => {}
                _ => return None,
            }
        }
        Some(bound)
    }
}

/// Texts between quotes and white space; quotes, brackets, commas and colons outside of an instant are words' ends.
fn words(line: &str) -> Vec<&str> {
    line.split(|character: char| character.is_whitespace() || "\"{}[],".contains(character))
        .map(|word| word.trim_end_matches(':'))
        .filter(|word| !word.is_empty())
        .collect()
}

fn kind(word: &str) -> Word {
    let shape: String = word
        .chars()
        .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
        .collect();
    let hex = |letter: char| letter.is_ascii_hexdigit() || letter == '-';
    let parts: Vec<usize> = word.split('-').map(str::len).collect();
    if parts == [8, 4, 4, 4, 12] && word.chars().all(hex) {
        Word::Id
    } else if shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z') {
        Word::Instant
    } else if shape
        .strip_suffix('s')
        .is_some_and(|number| number.starts_with('0') && number.contains('.'))
    {
        Word::Duration
    } else {
        Word::Itself
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20c29-d190-70b0-8f09-da9ce661a54f";
    const OTHER: &str = "01a20c29-d276-7608-a694-827c0221781b";

    fn alike(expected: &str, printed: &str) -> bool {
        Ids::default().compare(expected, printed).is_ok()
    }

    #[test]
    fn white_space_does_not_count_and_words_do() {
        assert!(alike("{\n  \"a\": \"b\"\n}", "{ \n\"a\":  \"b\"\n\n}\n"));
        assert!(!alike("{ \"a\": \"b\" }", "{ \"a\": \"c\" }"));
        assert!(!alike("a b", "a"));
    }

    #[test]
    fn instants_and_durations_are_placeholders_and_whole_seconds_are_not() {
        assert!(alike(
            "2026-11-24T06:06:36.944043Z 0.003003s",
            "2027-01-01T00:00:00Z 1.5s"
        ));
        assert!(!alike("2026-11-24T06:06:36Z", "soon"));
        assert!(!alike("60s", "61s"));
    }

    #[test]
    fn an_id_stands_for_one_id_throughout() {
        let mut ids = Ids::default();
        assert!(ids.compare(ID, OTHER).is_ok());
        assert!(ids.compare(ID, OTHER).is_ok());
        assert!(ids.compare(ID, ID).is_err());
    }

    #[test]
    fn an_ellipsis_stands_for_any_lines() {
        assert!(alike("a\n…\nz", "a\nb\nc\nz"));
        assert!(alike("a\n…", "a\nb\nc"));
        assert!(!alike("a\n…\nz", "a\nb\nc"));
    }

    #[test]
    fn lines_too_many_or_too_few_are_told() {
        let told = |expected, printed| Ids::default().compare(expected, printed).expect_err("differs");
        assert_eq!(told("a", "a\nb"), "`b` is not in the document");
        assert_eq!(told("a\nb", "a"), "nothing like `b` where it should be");
    }
}
