//! The plan that the rules give for a situation, in the form the planner's schema asks for. Pure; called by the server.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    condition::View,
    rules::{Action, Rule, RuleFile},
    situation::{Endpoint, Situation},
};

/// A whole answer. Its hints are the whole wanted set: one that is left out is cleared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// What was seen and which rules apply.
    pub assessment: String,
    /// Runs to start, in order.
    pub steps: Vec<Step>,
    /// Hints to be in force.
    pub hints: Vec<Hint>,
    /// When to ask again at the latest.
    pub review_after_s: f64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    /// Alias from the prompt.
    pub endpoint: String,
    /// From 1, without gaps.
    pub wave: u32,
    /// After the start of the wave.
    pub delay_s: f64,
    /// From the rule.
    pub reason: String,
}

/// One hint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Hint {
    /// Alias from the prompt.
    pub endpoint: String,
    /// `interval` or `pause`.
    pub kind: &'static str,
    /// The interval, or the length of the pause.
    pub seconds: f64,
    /// Lifetime.
    pub ttl_s: f64,
    /// From the rule.
    pub reason: String,
}

impl RuleFile {
    /// Applies every rule in the light of every active sale. Without an active sale the answer is empty, which lets
    /// everything return to its baseline.
    pub fn answer(&self, situation: &Situation) -> Answer {
        let mut answer = Answer {
            assessment: String::new(),
            steps: vec![],
            hints: vec![],
            review_after_s: self.review_after_s,
        };
        for rule in self.rules.iter().filter(|rule| applies(rule, situation)) {
            for endpoint in situation
                .endpoints
                .iter()
                .filter(|endpoint| endpoint.name == rule.endpoint)
            {
                answer.add(rule, endpoint, situation);
            }
        }
        close_gaps_between_waves(&mut answer.steps);
        answer.assessment = assessment(&answer, situation);
        answer
    }
}

impl Answer {
    fn add(&mut self, rule: &Rule, endpoint: &Endpoint, situation: &Situation) {
        let (alias, reason) = (endpoint.alias.clone(), rule.reason.clone());
        match rule.then {
            Action::Interval { seconds, ttl_s } => {
                self.add_hint(Hint {
                    endpoint: alias,
                    kind: "interval",
                    seconds,
                    ttl_s,
                    reason,
                });
            }
            Action::Pause { seconds } => {
                self.add_hint(Hint {
                    endpoint: alias,
                    kind: "pause",
                    seconds,
                    ttl_s: seconds,
                    reason,
                });
            }
            Action::Step { wave, delay_s } => {
                let wanted = self.steps.iter().any(|step| step.endpoint == alias);
                if !wanted && !endpoint.paused && !situation.is_under_way(endpoint) {
                    self.steps.push(Step {
                        endpoint: alias,
                        wave,
                        delay_s,
                        reason,
                    });
                }
            }
        }
    }

    /// An endpoint has at most one hint of each kind; the first rule wins.
    fn add_hint(&mut self, hint: Hint) {
        if !self
            .hints
            .iter()
            .any(|other| other.endpoint == hint.endpoint && other.kind == hint.kind)
        {
            self.hints.push(hint);
        }
    }
}

fn applies(rule: &Rule, situation: &Situation) -> bool {
    let active = situation.sales.iter().filter(|sale| sale.is_active());
    active
        .map(|sale| View { situation, sale })
        .any(|view| view.holds(&rule.when))
}

/// Rules name waves as an order; when no rule of an earlier wave applies, the later ones move up.
fn close_gaps_between_waves(steps: &mut [Step]) {
    let used: BTreeSet<u32> = steps.iter().map(|step| step.wave).collect();
    for step in steps.iter_mut() {
        step.wave = (1..)
            .zip(&used)
            .find(|(_, wave)| **wave == step.wave)
            .map_or(step.wave, |(position, _)| position);
    }
    steps.sort_by_key(|step| step.wave);
}

fn assessment(answer: &Answer, situation: &Situation) -> String {
    let sales = situation.sales.iter().filter(|sale| sale.is_active());
    let signals: Vec<String> = sales
        .flat_map(|sale| &sale.signals)
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let seen = if signals.is_empty() {
        "no active sale".to_owned()
    } else {
        signals.join(", ")
    };
    let (steps, hints) = (answer.steps.len(), answer.hints.len());
    format!("Scripted rules, not a language model. Seen: {seen}. The rules ask for {steps} steps and {hints} hints.")
}

#[cfg(test)]
mod tests;
