//! How often an RPC gave which answer, and whether it was reached at all.

use std::{collections::BTreeMap, fmt};

use prost_reflect::{DynamicMessage, MethodDescriptor};
use tonic::Code;

use super::call::Answer;

pub struct Tally {
    method: String,
    answers: BTreeMap<String, usize>,
}

impl Tally {
    pub fn of(method: &MethodDescriptor) -> Self {
        Self {
            method: method.name().to_owned(),
            answers: BTreeMap::new(),
        }
    }

    pub fn count(&mut self, answer: &Answer) {
        match answer {
            Err(status) => self.add(status.code()),
            Ok(messages) => {
                self.add(Code::Ok);
                // Where each item has an answer of its own.
                let refused: Vec<Code> = messages.iter().flat_map(refused_items).collect();
                refused.into_iter().for_each(|code| self.add(code));
            }
        }
    }

    fn add(&mut self, code: Code) {
        *self.answers.entry(format!("{code:?}")).or_default() += 1;
    }

    /// Fails unless requests were both accepted and refused.
    pub fn check(&self) {
        for (code, word) in [(Code::Ok, "accepted"), (Code::InvalidArgument, "refused as invalid")] {
            assert!(
                self.answers.contains_key(&format!("{code:?}")),
                "no request of {} was ever {word}, so it is not covered: teach `values` its fields, and `stage` what it \
                 needs ({self})",
                self.method
            );
        }
    }
}

/// The codes of the items of an answer that were refused.
fn refused_items(answer: &DynamicMessage) -> Vec<Code> {
    let results = answer.get_field_by_name("results");
    let items = results
        .as_ref()
        .and_then(|results| results.as_list())
        .unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.as_message()?.get_field_by_name("error"))
        .filter_map(|error| error.as_message()?.get_field_by_name("code")?.as_i32())
        .filter(|code| *code != 0)
        .map(Code::from_i32)
        .collect()
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.answers.values().sum();
        write!(formatter, "{:24} {total:6} requests:", self.method)?;
        self.answers
            .iter()
            .try_for_each(|(code, count)| write!(formatter, " {code} {count}"))
    }
}
