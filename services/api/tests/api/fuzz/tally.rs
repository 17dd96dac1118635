//! How often an RPC gave which answer, and whether it was reached at all.

use std::{collections::BTreeMap, fmt};

use prost_reflect::MethodDescriptor;
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
        let code = answer.as_ref().err().map_or(Code::Ok, tonic::Status::code);
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

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total: usize = self.answers.values().sum();
        write!(formatter, "{:24} {total:6} requests:", self.method)?;
        self.answers
            .iter()
            .try_for_each(|(code, count)| write!(formatter, " {code} {count}"))
    }
}
