//! Reads the text of an answer strictly, and tells everything that is wrong with its form at once.
//!
//! A library that stops at the first mistake would cost one repair round per mistake; this walk goes on. Called by
//! [`crate::check`]; it does not judge what the answer says.

use serde_json::{Map, Value};

use super::{Answer, Hint, HintKind, Step};
use crate::check::{Verdict, Violation};

/// The answer in the text.
///
/// # Errors
/// Every violation of the form; exactly one when the text is not JSON at all.
pub fn read(text: &str) -> Result<Answer, Vec<Violation>> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        vec![Violation::new(
            Verdict::NotJson,
            "",
            format!("the answer is not a JSON document: {error}"),
        )]
    })?;
    let mut reader = Reader::default();
    let answer = reader.answer(&value);
    if reader.violations.is_empty() {
        Ok(answer)
    } else {
        Err(reader.violations)
    }
}

/// Collects violations. After one, reading goes on with a placeholder that [`read`] never returns. A field that is not
/// there was told by its object, so the readers of fields pass over it.
#[derive(Default)]
struct Reader {
    violations: Vec<Violation>,
}

impl Reader {
    fn answer(&mut self, value: &Value) -> Answer {
        let fields = self.object(value, "", &["assessment", "steps", "hints", "review_after_s"]);
        let steps = self.items(fields.get("steps"), "steps");
        let hints = self.items(fields.get("hints"), "hints");
        Answer {
            assessment: self.text(&fields, "", "assessment"),
            steps: steps.iter().map(|(path, step)| self.step(step, path)).collect(),
            hints: hints.iter().map(|(path, hint)| self.hint(hint, path)).collect(),
            review_after_s: self.number(&fields, "", "review_after_s"),
        }
    }

    fn step(&mut self, value: &Value, path: &str) -> Step {
        let fields = self.object(value, path, &["endpoint", "wave", "delay_s", "reason"]);
        Step {
            endpoint: self.text(&fields, path, "endpoint"),
            wave: self.integer(&fields, path, "wave"),
            delay_s: self.number(&fields, path, "delay_s"),
            reason: self.text(&fields, path, "reason"),
        }
    }

    fn hint(&mut self, value: &Value, path: &str) -> Hint {
        let fields = self.object(value, path, &["endpoint", "kind", "seconds", "ttl_s", "reason"]);
        Hint {
            endpoint: self.text(&fields, path, "endpoint"),
            kind: self.kind(&fields, path),
            seconds: self.number(&fields, path, "seconds"),
            ttl_s: self.number(&fields, path, "ttl_s"),
            reason: self.text(&fields, path, "reason"),
        }
    }

    /// The fields of an object that has all of `names` and no other.
    fn object(&mut self, value: &Value, path: &str, names: &[&str]) -> Map<String, Value> {
        let Value::Object(fields) = value else {
            self.wrong(path, "must be an object");
            return Map::new();
        };
        for name in names.iter().filter(|name| !fields.contains_key(**name)) {
            self.wrong(&field(path, name), "is missing");
        }
        for name in fields.keys().filter(|name| !names.contains(&name.as_str())) {
            self.wrong(
                &field(path, &name.escape_debug().take(64).collect::<String>()),
                "is not a known property",
            );
        }
        fields.clone()
    }

    fn items(&mut self, value: Option<&Value>, name: &str) -> Vec<(String, Value)> {
        match value {
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (format!("{name}[{index}]"), item.clone()))
                .collect(),
            Some(_) => {
                self.wrong(name, "must be an array");
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn text(&mut self, fields: &Map<String, Value>, path: &str, name: &str) -> String {
        match fields.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                self.wrong(&field(path, name), "must be a string");
                String::new()
            }
            None => String::new(),
        }
    }

    fn number(&mut self, fields: &Map<String, Value>, path: &str, name: &str) -> f64 {
        match fields.get(name) {
            Some(Value::Number(number)) => number.as_f64().unwrap_or(f64::MAX),
            Some(_) => {
                self.wrong(&field(path, name), "must be a number");
                0.0
            }
            None => 0.0,
        }
    }

    fn integer(&mut self, fields: &Map<String, Value>, path: &str, name: &str) -> i64 {
        let number = self.number(fields, path, name);
        if number.fract() != 0.0 {
            self.wrong(&field(path, name), "must be an integer");
        }
        // Saturates where an i64 ends; the checks refuse such a wave.
        number as i64
    }

    fn kind(&mut self, fields: &Map<String, Value>, path: &str) -> HintKind {
        let word = self.text(fields, path, "kind");
        let known = HintKind::ALL.iter().find(|(_, known)| *known == word);
        if known.is_none() && fields.get("kind").is_some_and(Value::is_string) {
            self.wrong(&field(path, "kind"), "must be interval, one_shot or pause");
        }
        known.map_or(HintKind::Interval, |(kind, _)| *kind)
    }

    fn wrong(&mut self, path: &str, message: &str) {
        self.violations
            .push(Violation::new(Verdict::SchemaViolation, path, message));
    }
}

fn field(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}
