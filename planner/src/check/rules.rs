//! The rules that an answer of the right form must keep. Each adds its violations and lets the next one speak too.

use std::collections::{BTreeSet, HashSet};

use super::{
    Verdict, Violation,
    frame::{Frame, LONGEST_INTERVAL_S},
};
use crate::answer::{Answer, Hint, HintKind, Step};

const MAX_ASSESSMENT_CHARS: usize = 4_000;
const MAX_REASON_CHARS: usize = 1_000;
/// Bounds are shown rounded to milliseconds, so an answer may pass them by as much.
const ROUNDING_S: f64 = 0.001;

/// Everything that is wrong with what the answer says.
pub(super) fn violations(answer: &Answer, frame: &Frame<'_>) -> Vec<Violation> {
    let mut found = Found {
        frame,
        violations: Vec::new(),
    };
    found.text("assessment", &answer.assessment, MAX_ASSESSMENT_CHARS);
    found.counts(answer);
    found.waves(&answer.steps);
    found.duplicates(answer);
    for (index, step) in answer.steps.iter().enumerate() {
        found.step(&format!("steps[{index}]"), step);
    }
    for (index, hint) in answer.hints.iter().enumerate() {
        found.hint(&format!("hints[{index}]"), hint);
    }
    let bounds = frame.bounds;
    found.range(
        "review_after_s",
        answer.review_after_s,
        frame.shown(bounds.min_review_after),
        frame.shown(bounds.max_review_after),
    );
    found.violations
}

struct Found<'a> {
    frame: &'a Frame<'a>,
    violations: Vec<Violation>,
}

impl Found<'_> {
    fn counts(&mut self, answer: &Answer) {
        let max_steps = self.frame.bounds.max_steps;
        if answer.steps.len() > max_steps {
            let message = format!("has {} steps, at most {max_steps} are allowed", answer.steps.len());
            self.add(Verdict::TooMany, "steps", message);
        }
        let max_waves = self.frame.bounds.max_waves;
        if answer.steps.iter().any(|step| step.wave > max_waves) {
            self.add(Verdict::TooMany, "steps", format!("has more than {max_waves} waves"));
        }
    }

    fn waves(&mut self, steps: &[Step]) {
        let waves: BTreeSet<i64> = steps.iter().map(|step| step.wave).collect();
        let expected = (1..).take(waves.len());
        if !waves.iter().copied().eq(expected) {
            let named = waves
                .iter()
                .take(20)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            self.add(
                Verdict::WaveGap,
                "steps",
                format!("must have waves 1, 2, 3 and so on without a gap, not {named}"),
            );
        }
    }

    fn duplicates(&mut self, answer: &Answer) {
        let mut steps = HashSet::new();
        for (index, step) in answer.steps.iter().enumerate() {
            if !steps.insert((step.endpoint.as_str(), step.wave)) {
                let message = format!("repeats a step of the same endpoint in wave {}", step.wave);
                self.add(Verdict::DuplicateStep, &format!("steps[{index}]"), message);
            }
        }
        let mut hints = HashSet::new();
        for (index, hint) in answer.hints.iter().enumerate() {
            if !hints.insert((hint.endpoint.as_str(), hint.kind)) {
                let message = format!("is a second {} hint for the same endpoint", hint.kind.word());
                self.add(Verdict::DuplicateHint, &format!("hints[{index}]"), message);
            }
        }
    }

    fn step(&mut self, path: &str, step: &Step) {
        self.alias(path, &step.endpoint);
        self.range(
            &format!("{path}.delay_s"),
            step.delay_s,
            0.0,
            self.frame.shown(self.frame.bounds.max_step_delay),
        );
        self.text(&format!("{path}.reason"), &step.reason, MAX_REASON_CHARS);
    }

    fn hint(&mut self, path: &str, hint: &Hint) {
        self.alias(path, &hint.endpoint);
        self.text(&format!("{path}.reason"), &hint.reason, MAX_REASON_CHARS);
        let seconds = format!("{path}.seconds");
        match hint.kind {
            // Not held to the endpoint's guardrails here: the scheduler clamps it and says so.
            HintKind::Interval => self.above_zero(&seconds, hint.seconds, LONGEST_INTERVAL_S),
            HintKind::OneShot => self.range(&seconds, hint.seconds, 0.0, hint.ttl_s.max(0.0)),
            HintKind::Pause => {
                let longest = self
                    .frame
                    .endpoint(&hint.endpoint)
                    .map(|endpoint| self.frame.longest_pause_s(endpoint));
                self.above_zero(&seconds, hint.seconds, longest.unwrap_or(f64::MAX));
            }
        }
        // A pause ends after its own seconds, whatever its ttl.
        if hint.kind != HintKind::Pause {
            self.above_zero(
                &format!("{path}.ttl_s"),
                hint.ttl_s,
                self.frame.shown(self.frame.bounds.max_hint_ttl),
            );
        }
    }

    fn alias(&mut self, path: &str, name: &str) {
        if self.frame.endpoint(name).is_none() {
            let shown: String = name.escape_debug().take(64).collect();
            self.add(
                Verdict::UnknownAlias,
                &format!("{path}.endpoint"),
                format!("names no endpoint of the situation: {shown}"),
            );
        }
    }

    fn range(&mut self, path: &str, value: f64, min: f64, max: f64) {
        if !(min - ROUNDING_S..=max + ROUNDING_S).contains(&value) {
            self.add(
                Verdict::OutOfRange,
                path,
                format!("is {value}, must be from {} to {}", millis(min), millis(max)),
            );
        }
    }

    fn above_zero(&mut self, path: &str, value: f64, max: f64) {
        if !(ROUNDING_S..=max + ROUNDING_S).contains(&value) {
            self.add(
                Verdict::OutOfRange,
                path,
                format!("is {value}, must be above 0 and at most {}", millis(max)),
            );
        }
    }

    fn text(&mut self, path: &str, text: &str, max_chars: usize) {
        let chars = text.chars().count();
        if chars > max_chars {
            self.add(
                Verdict::BadText,
                path,
                format!("has {chars} characters, at most {max_chars} are allowed"),
            );
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.add(Verdict::BadText, path, "has control characters");
        }
    }

    fn add(&mut self, verdict: Verdict, path: &str, message: impl Into<String>) {
        self.violations.push(Violation::new(verdict, path, message));
    }
}

fn millis(seconds: f64) -> f64 {
    (seconds * 1_000.0).round() / 1_000.0
}
