//! The baseline of keyword rules: what can be had by matching words, without understanding a sentence.
//!
//! Reads the situation from the prompt and nothing else. Chooses the endpoints whose name or description shares a word
//! with a signal that is away from zero, or with the phase of a sale that is on, unless they are paused, cooling down or
//! have just succeeded; orders them by what kind of deed their words name.

use std::{collections::BTreeSet, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::model::{ErrorKind, Message, Model, ModelError, Reply, Role, Usage};

/// Words of each kind of deed, in the order in which deeds are done. The first that occurs decides.
const DEEDS: [&[&str]; 4] = [
    &["checks", "probe", "measure", "monitor", "count", "watch"],
    &["find", "trace", "analy", "investigat", "diagnos", "inspect", "look"],
    &[
        "restart", "scale", "warm", "flush", "drain", "switch", "repair", "rebuild", "purge", "move", "open",
    ],
    &[
        "tell", "notif", "alert", "page", "mail", "post", "inform", "publish", "announce",
    ],
];
const SHORTEST_WORD: usize = 4;
const JUST_S: f64 = 300.0;
const MAX_STEPS: usize = 50;

/// Answers by the rules above.
pub(super) struct KeywordRules;

#[async_trait]
impl Model for KeywordRules {
    fn name(&self) -> &str {
        "keyword rules"
    }

    async fn ask(&self, messages: &[Message], _: &Value, _: Duration) -> Result<Reply, ModelError> {
        let situation = messages.iter().find_map(situation);
        let situation = situation.ok_or_else(|| ModelError::new(ErrorKind::Empty, "the prompt has no situation"))?;
        Ok(Reply {
            text: answer(&situation).to_string(),
            usage: Usage::default(),
        })
    }
}

fn situation(message: &Message) -> Option<Value> {
    let text = (message.role == Role::User).then_some(message.content.as_str())?;
    let (_, rest) = text.split_once("<situation>")?;
    let (document, _) = rest.split_once("</situation>")?;
    serde_json::from_str(document).ok()
}

fn answer(situation: &Value) -> Value {
    let topics = topics(situation);
    let mut chosen: Vec<(usize, &Value)> = items(&situation["endpoints"])
        .filter(|endpoint| is_ready(endpoint))
        .filter_map(|endpoint| {
            let words = words(&format!(
                "{} {}",
                text(&endpoint["name"]),
                text(&endpoint["description"])
            ));
            (!words.is_disjoint(&topics)).then(|| (deed(&words), &endpoint["alias"]))
        })
        .collect();
    chosen.sort_by_key(|(deed, _)| *deed);
    chosen.truncate(MAX_STEPS);
    let deeds: BTreeSet<usize> = chosen.iter().map(|(deed, _)| *deed).collect();
    let step = |(deed, alias): &(usize, &Value)| {
        let wave = deeds.range(..=*deed).count();
        json!({"endpoint": alias, "wave": wave, "delay_s": 0, "reason": "shares a word with what is going on"})
    };
    json!({
        "assessment": "Scripted keyword rules, not a language model.",
        "steps": chosen.iter().map(step).collect::<Vec<_>>(),
        "hints": [],
        "review_after_s": 120,
    })
}

/// Words of what is going on in sales that are not over.
fn topics(situation: &Value) -> BTreeSet<String> {
    let active = items(&situation["sales"]).filter(|sale| sale["seconds_left"].as_f64().unwrap_or_default() > 0.0);
    active
        .flat_map(|sale| {
            let signals = sale["signals"].as_object().into_iter().flatten();
            let raised = signals.filter(|(_, value)| value.as_f64() != Some(0.0));
            let mut topics: BTreeSet<String> = raised.flat_map(|(name, _)| words(name)).collect();
            topics.extend(words(text(&sale["phase"])));
            topics
        })
        .collect()
}

fn is_ready(endpoint: &Value) -> bool {
    let cooling = endpoint["cooldown_left_s"].as_f64().unwrap_or_default() > 0.0;
    let last = items(&endpoint["recent_runs"]).next();
    let just_done = last.is_some_and(|run| {
        run["status"] == "succeeded"
            && run["source"] == "ai-hint"
            && run["seconds_ago"].as_f64().is_some_and(|ago| ago < JUST_S)
    });
    !cooling && !just_done && endpoint["paused"] != true
}

fn deed(words: &BTreeSet<String>) -> usize {
    let names = |deed: &&[&str]| deed.iter().any(|stem| words.iter().any(|word| word.starts_with(stem)));
    DEEDS.iter().position(names).unwrap_or(DEEDS.len())
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words
        .filter(|word| word.chars().count() >= SHORTEST_WORD)
        .map(str::to_lowercase)
        .collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eval_keyword_rules_choose_by_shared_words_and_order_by_deeds() {
        let situation = json!({
            "sales": [
                {"phase": "rush", "seconds_left": 60, "signals": {"checkout_errors": 9, "stock_lag": 0}},
                {"phase": "archive", "seconds_left": 0, "signals": {"mail_bounces": 5}},
            ],
            "endpoints": [
                {"alias": "e1", "name": "a", "description": "Tells the desk about checkout trouble."},
                {"alias": "e2", "name": "b", "description": "Restarts the checkout."},
                {"alias": "e3", "name": "c", "description": "Checkout too, but paused.", "paused": true},
                {"alias": "e4", "name": "d", "description": "Rebuilds the stock index."},
                {"alias": "e5", "name": "e", "description": "Checkout, done.", "recent_runs": [
                    {"status": "succeeded", "source": "ai-hint", "seconds_ago": 30}]},
                {"alias": "e6", "name": "f", "description": "Looks at mail bounces."},
            ],
        });
        let answer = answer(&situation);
        let steps: Vec<_> = items(&answer["steps"])
            .map(|step| (text(&step["endpoint"]), step["wave"].as_i64()))
            .collect();
        assert_eq!(steps, [("e2", Some(1)), ("e1", Some(2))]);
    }
}
