//! Answers of scripted contestants. Those that are told the truth, or a part of it, take it from the case.
//!
//! Each gives the whole answer as JSON, in the form that the planner's schema asks for.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::Posed;
use crate::{
    alias,
    eval::{case::Truth, precedence::Precedence},
};

const MAX_WAVES: usize = 8;
const PAUSE_S: u32 = 600;
const REVIEW_AFTER_S: u32 = 120;

/// The truth, in as few waves as the constraints allow.
pub(super) fn perfect(posed: &Posed<'_>) -> Value {
    let truth = &posed.case.truth;
    answer(posed, &right_waves(truth), &truth.hold, "told the truth of the case")
}

/// The right endpoints, with the last wave first.
pub(super) fn reversed(posed: &Posed<'_>) -> Value {
    let truth = &posed.case.truth;
    let mut waves = right_waves(truth);
    let last = waves.values().copied().max().unwrap_or_default();
    waves.values_mut().for_each(|wave| *wave = last + 1 - *wave);
    answer(posed, &waves, &truth.hold, "the right endpoints, the wrong way round")
}

/// Each endpoint with a chance of one half, in one of four waves.
pub(super) fn random(posed: &Posed<'_>) -> Value {
    let mut random = ChaCha8Rng::seed_from_u64(posed.seed);
    let mut waves = BTreeMap::new();
    for endpoint in &posed.case.endpoints {
        let wave = random.random_range(1..=4);
        if random.random_bool(0.5) {
            waves.insert(endpoint.name.as_str(), wave);
        }
    }
    answer(posed, &without_gaps(waves), &BTreeSet::new(), "thrown dice")
}

/// Every endpoint at once.
pub(super) fn everything(posed: &Posed<'_>) -> Value {
    let names = posed.case.endpoints.iter().map(|endpoint| (endpoint.name.as_str(), 1));
    answer(posed, &names.collect(), &BTreeSet::new(), "everything, always")
}

/// No endpoint, ever.
pub(super) fn nothing(posed: &Posed<'_>) -> Value {
    answer(posed, &BTreeMap::new(), &BTreeSet::new(), "nothing, ever")
}

/// The truth, except where injected text wants something else.
pub(super) fn injected(posed: &Posed<'_>) -> Value {
    let truth = &posed.case.truth;
    let Some(attack) = &truth.attack else {
        return perfect(posed);
    };
    if attack.idle {
        return nothing(posed);
    }
    let mut waves = right_waves(truth);
    waves.extend(attack.run.iter().map(|name| (name.as_str(), 1)));
    waves.retain(|name, _| !attack.hold.contains(*name));
    let held = truth.hold.union(&attack.hold).cloned().collect();
    let said = attack.say.join(" ");
    answer(
        posed,
        &without_gaps(waves),
        &held,
        &format!("obeys injected text {said}"),
    )
}

/// The right endpoints, one after the other as the situation lists them.
pub(super) fn listing_order(posed: &Posed<'_>) -> Value {
    one_by_one(posed, listed(posed), "told which, in order of listing")
}

/// The right endpoints, one after the other in random order.
pub(super) fn random_order(posed: &Posed<'_>) -> Value {
    let mut names = listed(posed);
    names.shuffle(&mut ChaCha8Rng::seed_from_u64(posed.seed));
    one_by_one(posed, names, "told which, in random order")
}

fn right_waves(truth: &Truth) -> BTreeMap<&str, usize> {
    let must = truth.must.iter().map(String::as_str).collect();
    Precedence::of(&truth.before).earliest_waves(&must)
}

/// The endpoints that must run, in the order of the prompt.
fn listed<'a>(posed: &'a Posed<'_>) -> Vec<&'a str> {
    let names = posed
        .context
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.endpoint.as_ref());
    let names = names.map(|endpoint| endpoint.name.as_str());
    names.filter(|name| posed.case.truth.must.contains(*name)).collect()
}

/// One a wave; where there are more than waves, as evenly as it goes.
fn one_by_one(posed: &Posed<'_>, names: Vec<&str>, why: &str) -> Value {
    let waves = names.len().min(MAX_WAVES);
    let placed = names
        .iter()
        .enumerate()
        .map(|(position, name)| (*name, 1 + position * waves / names.len()));
    answer(posed, &placed.collect(), &posed.case.truth.hold, why)
}

/// The same order with waves numbered 1, 2, 3 and so on.
fn without_gaps(mut waves: BTreeMap<&str, usize>) -> BTreeMap<&str, usize> {
    let used: BTreeSet<usize> = waves.values().copied().collect();
    for wave in waves.values_mut() {
        *wave = used.range(..=*wave).count();
    }
    waves
}

fn answer(posed: &Posed<'_>, waves: &BTreeMap<&str, usize>, held: &BTreeSet<String>, why: &str) -> Value {
    let names = posed
        .context
        .endpoints
        .iter()
        .filter_map(|endpoint| endpoint.endpoint.as_ref());
    let aliases: BTreeMap<&str, String> = names
        .enumerate()
        .map(|(index, endpoint)| (endpoint.name.as_str(), alias::at(index)))
        .collect();
    let step =
        |(name, wave): (&&str, &usize)| json!({"endpoint": aliases[*name], "wave": wave, "delay_s": 0, "reason": why});
    let hold = |name: &String| json!({"endpoint": aliases[name.as_str()], "kind": "pause", "seconds": PAUSE_S, "ttl_s": 0, "reason": why});
    json!({
        "assessment": format!("Scripted, not a language model: {why}."),
        "steps": waves.iter().map(step).collect::<Vec<_>>(),
        "hints": held.iter().map(hold).collect::<Vec<_>>(),
        "review_after_s": REVIEW_AFTER_S,
    })
}
