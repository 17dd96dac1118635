//! What is left out of a context for which the record has no room, one cut after the other until it fits.
//!
//! The order is that in which the planner's prompt leaves things out: what matters least first. Called by `record`.

use std::collections::HashMap;

use super::PlanningContext;
use crate::{run::Run, sale::SignalChange};

/// One step of the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Of each signal only the last changes.
    Changes(usize),
    ResponseBytes(usize),
    /// Of each endpoint only the last runs.
    Runs(usize),
    DescriptionChars(usize),
}

pub(super) const CUTS: [Cut; 10] = [
    Cut::Changes(32),
    Cut::ResponseBytes(512),
    Cut::ResponseBytes(128),
    Cut::Runs(3),
    Cut::Runs(1),
    Cut::DescriptionChars(1_000),
    Cut::DescriptionChars(200),
    Cut::Runs(0),
    Cut::Changes(8),
    Cut::DescriptionChars(80),
];

impl Cut {
    pub(super) fn apply(self, context: &mut PlanningContext) {
        let endpoints = context.endpoints.iter_mut();
        match self {
            Self::Changes(kept) => {
                for sale in &mut context.sales {
                    keep_last_changes(&mut sale.changes, kept);
                }
            }
            Self::ResponseBytes(kept) => endpoints
                .flat_map(|endpoint| &mut endpoint.recent_runs)
                .for_each(|run| cut_response(run, kept)),
            Self::Runs(kept) => endpoints.for_each(|endpoint| endpoint.recent_runs.truncate(kept)),
            Self::DescriptionChars(kept) => {
                endpoints.for_each(|endpoint| shorten(&mut endpoint.schedule.endpoint.description, kept));
            }
        }
    }
}

/// Changes stand oldest first.
fn keep_last_changes(changes: &mut Vec<SignalChange>, kept: usize) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    changes.reverse();
    changes.retain(|change| {
        let count = counts.entry(change.name.clone()).or_default();
        *count += 1;
        *count <= kept
    });
    changes.reverse();
}

/// Cuts where a character begins.
fn cut_response(run: &mut Run, kept: usize) {
    let begins_character = |byte: &u8| byte & 0xc0 != 0x80;
    if run.response.len() > kept {
        let end = (0..=kept).rev().find(|end| begins_character(&run.response[*end]));
        run.response.truncate(end.unwrap_or(kept));
        run.response_truncated = true;
    }
}

/// Cuts at a character and marks the cut.
fn shorten(text: &mut String, kept_chars: usize) {
    if let Some((at, _)) = text.char_indices().nth(kept_chars) {
        text.truncate(at);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::from_micros;

    #[test]
    fn of_each_signal_the_last_changes_stay_in_order() {
        let change = |name: &str, at| SignalChange {
            name: name.to_owned(),
            value: None,
            at: from_micros(at),
        };
        let mut changes = vec![change("a", 1), change("b", 2), change("a", 3), change("a", 4)];
        keep_last_changes(&mut changes, 2);
        assert_eq!(changes, [change("b", 2), change("a", 3), change("a", 4)]);
    }

    #[test]
    fn a_description_is_cut_at_a_character() {
        let mut text = "äöü".to_owned();
        shorten(&mut text, 3);
        assert_eq!(text, "äöü");
        shorten(&mut text, 2);
        assert_eq!(text, "äö…");
    }
}
