//! What an ask leaves on record: the account of its requests, and texts cut to what the record takes.

use std::time::Duration;

use baton_proto::v1::ModelCall;

use crate::{metrics::Metrics, model::Usage, scale::wire_duration};

const MAX_RAW_BYTES: usize = 64 * 1024;
const MAX_DETAIL_CHARS: usize = 4_000;
const MAX_LOG_CHARS: usize = 500;

/// What a million tokens of the model cost, in any currency: the record is in millionths of its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prices {
    pub input: f64,
    pub output: f64,
}

impl Prices {
    /// A price per million tokens is the millionths that one token costs.
    fn cost_micros(self, usage: Usage) -> i64 {
        let cost = usage.input_tokens as f64 * self.input + usage.output_tokens as f64 * self.output;
        cost.round() as i64
    }
}

/// What the requests of one ask were and cost.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub prompt_digest: String,
    pub prompt_chars: usize,
    /// Something was left out of it.
    pub prompt_cut: bool,
    pub usage: Usage,
    /// Over every request.
    pub latency: Duration,
    pub requests: i32,
    /// Of the last request that gave anything.
    raw_answer: String,
}

impl Account {
    /// Adds what a request gave and cost.
    pub fn note(&mut self, raw: &str, usage: Usage) {
        self.usage += usage;
        if !raw.is_empty() {
            raw.clone_into(&mut self.raw_answer);
        }
    }

    /// The last text that came, whole.
    pub fn raw_answer(&self) -> &str {
        &self.raw_answer
    }

    /// The record, counted in the metrics as well.
    pub fn into_call(self, model: &str, prices: Option<Prices>, metrics: &Metrics) -> ModelCall {
        metrics.tokens(self.usage);
        let cost_micros = prices.map(|prices| prices.cost_micros(self.usage));
        metrics.cost(cost_micros.unwrap_or_default());
        ModelCall {
            model: model.to_owned(),
            prompt_digest: self.prompt_digest,
            input_tokens: i64::try_from(self.usage.input_tokens).unwrap_or(i64::MAX),
            output_tokens: i64::try_from(self.usage.output_tokens).unwrap_or(i64::MAX),
            latency: Some(wire_duration(self.latency)),
            requests: self.requests,
            raw_answer: storable(&self.raw_answer, MAX_RAW_BYTES),
            cost_micros,
        }
    }
}

/// A text of which at most so many bytes are kept, without NUL: PostgreSQL's text type has none.
fn storable(text: &str, max_bytes: usize) -> String {
    let end = text.floor_char_boundary(max_bytes);
    text[..end].replace('\0', " ")
}

/// A verdict's detail as FailPlan takes it.
pub(super) fn detail(text: &str) -> String {
    cut(text, MAX_DETAIL_CHARS).replace('\0', " ")
}

/// The start of a text, on one line: it may quote what a model or a server said.
pub(super) fn log_line(text: &str) -> String {
    cut(text, MAX_LOG_CHARS).replace(|c: char| c.is_control(), " ")
}

fn cut(text: &str, max_chars: usize) -> String {
    match text.char_indices().nth(max_chars - 1) {
        Some((end, last)) if end + last.len_utf8() < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_answers_are_cut_at_a_character_and_have_no_nul() {
        assert_eq!(storable("aäb", 2), "a");
        assert_eq!(storable("a\0b", 100), "a b");
        assert_eq!(
            storable(&"x".repeat(MAX_RAW_BYTES + 1), MAX_RAW_BYTES).len(),
            MAX_RAW_BYTES
        );
    }

    #[test]
    fn a_cost_is_in_millionths_of_the_prices_unit() {
        let prices = Prices {
            input: 0.4,
            output: 1.6,
        };
        let usage = Usage {
            input_tokens: 10_000,
            output_tokens: 500,
        };
        assert_eq!(prices.cost_micros(usage), 4_800);
    }

    #[test]
    fn details_are_cut_with_a_mark() {
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("abcde", 4), "abc…");
        assert_eq!(detail(&"ä".repeat(5_000)).chars().count(), MAX_DETAIL_CHARS);
    }

    #[test]
    fn a_log_line_is_one_line() {
        assert_eq!(log_line("a\nb\u{1b}[31mc"), "a b [31mc");
    }
}
