//! Keeps the document within its length, by leaving out what matters least first.
//!
//! The rule, one cut after the other until the document fits:
//! 1. changes of each signal beyond its last 32;
//! 2. responses beyond 512, then 128 characters;
//! 3. runs of each endpoint beyond its last 3, then its last;
//! 4. descriptions of endpoints beyond 1000, then 200 characters;
//! 5. the last run, and changes of each signal beyond its last 8;
//! 6. fields that are null, zero, false or empty, and descriptions of endpoints beyond 80 characters.
//!
//! The job's own description, the current signals, schedules and guardrails are never cut. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    escape,
    situation::{SaleView, Situation},
};

/// One step of the rule above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Changes { kept: usize },
    Responses { kept_chars: usize },
    Runs { kept: usize },
    Descriptions { kept_chars: usize },
    EmptyFields,
}

const CUTS: [Cut; 10] = [
    Cut::Changes { kept: 32 },
    Cut::Responses { kept_chars: 512 },
    Cut::Responses { kept_chars: 128 },
    Cut::Runs { kept: 3 },
    Cut::Runs { kept: 1 },
    Cut::Descriptions { kept_chars: 1_000 },
    Cut::Descriptions { kept_chars: 200 },
    Cut::Runs { kept: 0 },
    Cut::Changes { kept: 8 },
    Cut::EmptyFields,
];
const SHORTEST_DESCRIPTION: usize = 80;

/// The document does not fit even with everything cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the situation needs {needed} characters after every cut, {allowed} are allowed")]
pub struct TooLong {
    pub needed: usize,
    pub allowed: usize,
}

/// The document as escaped JSON of at most `allowed` characters, and what was cut for it.
pub(super) fn fit(mut situation: Situation, allowed: usize) -> Result<(String, Vec<Cut>), TooLong> {
    let mut document = write(&situation, false);
    let mut cuts = Vec::new();
    for cut in CUTS {
        if document.chars().count() <= allowed {
            break;
        }
        apply(cut, &mut situation);
        cuts.push(cut);
        document = write(&situation, cut == Cut::EmptyFields);
    }
    let needed = document.chars().count();
    if needed <= allowed {
        Ok((document, cuts))
    } else {
        Err(TooLong { needed, allowed })
    }
}

fn apply(cut: Cut, situation: &mut Situation) {
    match cut {
        Cut::Changes { kept } => situation
            .sales
            .iter_mut()
            .for_each(|sale| keep_last_changes(sale, kept)),
        Cut::Responses { kept_chars } => {
            let runs = situation
                .endpoints
                .iter_mut()
                .flat_map(|endpoint| &mut endpoint.recent_runs);
            runs.for_each(|run| shorten(&mut run.response, kept_chars));
        }
        Cut::Runs { kept } => situation
            .endpoints
            .iter_mut()
            .for_each(|endpoint| endpoint.recent_runs.truncate(kept)),
        Cut::Descriptions { kept_chars } => shorten_descriptions(situation, kept_chars),
        Cut::EmptyFields => shorten_descriptions(situation, SHORTEST_DESCRIPTION),
    }
}

fn shorten_descriptions(situation: &mut Situation, kept_chars: usize) {
    situation
        .endpoints
        .iter_mut()
        .for_each(|endpoint| shorten(&mut endpoint.description, kept_chars));
}

/// Changes stand oldest first; of each signal the last ones stay.
fn keep_last_changes(sale: &mut SaleView, kept: usize) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut newest_first: Vec<_> = std::mem::take(&mut sale.signal_changes).into_iter().rev().collect();
    newest_first.retain(|change| {
        let count = counts.entry(change.name.clone()).or_default();
        *count += 1;
        *count <= kept
    });
    newest_first.reverse();
    sale.signal_changes = newest_first;
}

/// Cuts at a character and marks the cut.
fn shorten(text: &mut String, kept_chars: usize) {
    if let Some((at, _)) = text.char_indices().nth(kept_chars) {
        text.truncate(at);
        text.push('…');
    }
}

fn write(situation: &Situation, without_empty_fields: bool) -> String {
    let text = if without_empty_fields {
        serde_json::to_value(situation).map(|mut value| {
            value["endpoints"]
                .as_array_mut()
                .into_iter()
                .flatten()
                .for_each(drop_empty_fields);
            value.to_string()
        })
    } else {
        serde_json::to_string(situation)
    };
    escape(&text.expect("maps with string keys and finite numbers always serialise"))
}

fn drop_empty_fields(endpoint: &mut Value) {
    if let Some(fields) = endpoint.as_object_mut() {
        fields.retain(|_, value| !is_empty(value));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(true) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;
