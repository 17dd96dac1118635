//! Everything that is wrong with what a scenario file says, each with the path inside the file.
//!
//! Called by `load` for files of the right form. A case without findings has a truth that an answer can meet.

use std::collections::BTreeSet;

use super::{Case, Endpoint, HintWord, Sale};
use crate::eval::{precedence::Precedence, tau::MAX_ITEMS};

const MAX_ENDPOINTS: usize = 500;
const MAX_NAME_CHARS: usize = 255;
const MAX_DESCRIPTION_CHARS: usize = 4_000;
const MAX_RUNS: usize = 5;
const MAX_RESPONSE_BYTES: usize = 2 * 1_024;
const MAX_WAVES: usize = 8;
const MAX_STEPS: usize = 50;

/// Path and reason of every finding. `stem` is the file's name without its extension.
pub(super) fn judge(case: &Case, stem: &str) -> Vec<(String, String)> {
    let mut judge = Judge {
        case,
        names: case.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect(),
        found: Vec::new(),
    };
    judge.require(case.name == stem, "name", format!("must be the file's name, {stem}"));
    judge.require(!case.why.trim().is_empty(), "why", "must not be empty");
    judge.text("job.name", &case.job.name, MAX_NAME_CHARS);
    judge.text("job.description", &case.job.description, MAX_DESCRIPTION_CHARS);
    for (index, sale) in case.sales.iter().enumerate() {
        judge.sale(&format!("sales[{index}]"), sale);
    }
    judge.endpoints();
    judge.last_plan();
    judge.truth();
    judge.found
}

struct Judge<'a> {
    case: &'a Case,
    names: BTreeSet<&'a str>,
    found: Vec<(String, String)>,
}

impl Judge<'_> {
    fn require(&mut self, holds: bool, path: &str, reason: impl Into<String>) {
        if !holds {
            self.found.push((path.to_owned(), reason.into()));
        }
    }

    fn text(&mut self, path: &str, text: &str, max_chars: usize) {
        let fits = !text.trim().is_empty() && text.chars().count() <= max_chars;
        self.require(fits, path, format!("must have 1 to {max_chars} characters"));
    }

    fn not_below_zero(&mut self, path: &str, seconds: Option<f64>) {
        let fits = seconds.is_none_or(|seconds| seconds.is_finite() && seconds >= 0.0);
        self.require(fits, path, "must not be negative");
    }

    fn above_zero(&mut self, path: &str, seconds: Option<f64>) {
        let fits = seconds.is_none_or(|seconds| seconds.is_finite() && seconds > 0.0);
        self.require(fits, path, "must be above 0");
    }

    fn sale(&mut self, path: &str, sale: &Sale) {
        self.text(&format!("{path}.name"), &sale.name, MAX_NAME_CHARS);
        self.not_below_zero(&format!("{path}.started_s_ago"), Some(sale.started_s_ago));
        let mut earlier = f64::INFINITY;
        for (index, (name, value, s_ago)) in sale.changes.iter().enumerate() {
            let path = format!("{path}.changes[{index}]");
            self.require(*s_ago <= earlier, &path, "must stand oldest first");
            self.require(
                (0.0..=sale.started_s_ago).contains(s_ago),
                &path,
                "must lie within the sale",
            );
            earlier = *s_ago;
            let is_last = !sale.changes[index + 1..].iter().any(|(later, ..)| later == name);
            let agrees = sale.signals.get(name).copied() == *value;
            self.require(
                !is_last || agrees,
                &path,
                format!("is the last of {name} and must agree with signals"),
            );
        }
    }

    fn endpoints(&mut self) {
        let case = self.case;
        let count = case.endpoints.len();
        self.require(
            (1..=MAX_ENDPOINTS).contains(&count),
            "endpoints",
            format!("must be 1 to {MAX_ENDPOINTS}"),
        );
        let mut seen = BTreeSet::new();
        for (index, endpoint) in case.endpoints.iter().enumerate() {
            let path = format!("endpoints[{index}]");
            self.require(
                seen.insert(endpoint.name.as_str()),
                &format!("{path}.name"),
                format!("{} is there twice", endpoint.name),
            );
            self.endpoint(&path, endpoint);
        }
    }

    fn endpoint(&mut self, path: &str, endpoint: &Endpoint) {
        let at = |field: &str| format!("{path}.{field}");
        self.text(&at("name"), &endpoint.name, MAX_NAME_CHARS);
        self.text(&at("description"), &endpoint.description, MAX_DESCRIPTION_CHARS);
        let one_baseline = endpoint.every_s.is_none() || endpoint.cron.is_none();
        self.require(one_baseline, &at("cron"), "cannot stand beside every_s");
        self.above_zero(&at("every_s"), endpoint.every_s);
        self.above_zero(&at("min_interval_s"), endpoint.min_interval_s);
        self.above_zero(&at("max_interval_s"), endpoint.max_interval_s);
        self.above_zero(&at("cooldown_s"), endpoint.cooldown_s);
        self.above_zero(&at("cooldown_left_s"), endpoint.cooldown_left_s);
        self.not_below_zero(&at("next_run_in_s"), endpoint.next_run_in_s);
        let bounds = endpoint.min_interval_s.zip(endpoint.max_interval_s);
        let is_range = bounds.is_none_or(|(min, max)| min <= max);
        self.require(is_range, &at("max_interval_s"), "must not be below min_interval_s");
        let left = endpoint.cooldown_left_s.unwrap_or_default();
        let within = left <= endpoint.cooldown_s.unwrap_or_default();
        self.require(within, &at("cooldown_left_s"), "must not be above cooldown_s");
        self.require(
            endpoint.runs.len() <= MAX_RUNS,
            &at("runs"),
            format!("must be at most {MAX_RUNS}"),
        );
        let mut later = 0.0;
        for (index, run) in endpoint.runs.iter().enumerate() {
            let path = at(&format!("runs[{index}]"));
            self.require(run.s_ago >= later, &path, "must stand newest first, with s_ago from 0");
            later = run.s_ago;
            let fits = run.response.to_string().len() <= MAX_RESPONSE_BYTES;
            self.require(
                fits,
                &path,
                format!("has a response of more than {MAX_RESPONSE_BYTES} bytes"),
            );
        }
        for (index, hint) in endpoint.hints.iter().enumerate() {
            let path = at(&format!("hints[{index}]"));
            self.above_zero(&format!("{path}.expires_in_s"), Some(hint.expires_in_s));
            let has_seconds = hint.seconds.is_some_and(|seconds| seconds > 0.0);
            self.require(
                has_seconds != (hint.kind == HintWord::Pause),
                &format!("{path}.seconds"),
                "must be above 0, and absent for a pause",
            );
        }
    }

    fn last_plan(&mut self) {
        let steps = self.case.last_plan.iter().flat_map(|plan| &plan.steps);
        for (index, step) in steps.enumerate() {
            self.known(&format!("last_plan.steps[{index}].endpoint"), &step.endpoint);
        }
    }

    fn known(&mut self, path: &str, name: &str) {
        let is_known = self.names.contains(name);
        self.require(is_known, path, format!("names no endpoint of the case: {name}"));
    }

    fn truth(&mut self) {
        let case = self.case;
        let truth = &case.truth;
        let sets = [
            ("must", &truth.must),
            ("may", &truth.may),
            ("hold", &truth.hold),
            ("may_hold", &truth.may_hold),
            ("forbidden", &truth.forbidden),
        ];
        for (field, set) in sets {
            for name in set {
                self.known(&format!("truth.{field}"), name);
            }
        }
        let [must, may, hold, may_hold, forbidden] = sets;
        let contradictions = [
            (must, may),
            (must, hold),
            (must, forbidden),
            (may, hold),
            (may, forbidden),
            (hold, may_hold),
        ];
        for ((a, first), (b, second)) in contradictions {
            for name in first.intersection(second) {
                self.require(false, "truth", format!("has {name} in {a} and in {b}"));
            }
        }
        self.decision();
        self.order();
        self.attack();
    }

    fn decision(&mut self) {
        let case = self.case;
        let truth = &case.truth;
        let wants_something = !truth.must.is_empty() || !truth.hold.is_empty();
        self.require(
            truth.do_nothing != wants_something,
            "truth",
            "must have do_nothing, or else something in must or hold",
        );
        self.require(
            truth.must.len() <= MAX_STEPS.min(usize::try_from(case.steps_left).unwrap_or_default()),
            "truth.must",
            "has more than an answer may have",
        );
        for endpoint in case
            .endpoints
            .iter()
            .filter(|endpoint| truth.must.contains(&endpoint.name))
        {
            let can_start = !endpoint.paused && endpoint.cooldown_left_s.is_none();
            self.require(
                can_start,
                "truth.must",
                format!("has {}, which is paused or cooling down", endpoint.name),
            );
        }
    }

    fn order(&mut self) {
        let truth = &self.case.truth;
        for (index, pair) in truth.before.iter().enumerate() {
            for name in [&pair.0, &pair.1] {
                let may_run = truth.must.contains(name) || truth.may.contains(name);
                self.require(
                    may_run,
                    &format!("truth.before[{index}]"),
                    format!("names {name}, which is neither in must nor in may"),
                );
            }
        }
        let order = Precedence::of(&truth.before);
        if let Some(name) = order.contradiction() {
            self.require(false, "truth.before", format!("goes round in a circle through {name}"));
            return;
        }
        let must = truth.must.iter().map(String::as_str).collect();
        let waves = order.earliest_waves(&must).into_values().max().unwrap_or_default();
        self.require(
            waves <= MAX_WAVES,
            "truth.before",
            format!("needs {waves} waves, an answer has at most {MAX_WAVES}"),
        );
        let members = truth.must.len() + truth.may.len();
        self.require(
            truth.before.is_empty() || members <= MAX_ITEMS,
            "truth",
            format!("has more than {MAX_ITEMS} endpoints to order"),
        );
    }

    fn attack(&mut self) {
        let truth = &self.case.truth;
        let Some(attack) = &truth.attack else { return };
        for name in attack.run.iter().chain(&attack.hold) {
            self.known("truth.attack", name);
        }
        let wants = !attack.run.is_empty() || !attack.hold.is_empty() || !attack.say.is_empty() || attack.idle;
        self.require(wants, "truth.attack", "must want something");
        self.require(
            attack.say.iter().all(|text| !text.is_empty()),
            "truth.attack.say",
            "must not have empty texts",
        );
        let is_right = attack
            .run
            .iter()
            .any(|name| truth.must.contains(name) || truth.may.contains(name));
        self.require(!is_right, "truth.attack.run", "wants what is right anyway");
        let is_right = attack
            .hold
            .iter()
            .any(|name| truth.hold.contains(name) || truth.may_hold.contains(name));
        self.require(!is_right, "truth.attack.hold", "wants what is right anyway");
        self.require(
            !(attack.idle && truth.do_nothing),
            "truth.attack.idle",
            "wants what is right anyway",
        );
    }
}

#[cfg(test)]
mod tests;
