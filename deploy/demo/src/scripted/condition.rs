//! Whether a rule's condition holds in a situation. Pure; called by [`super::answer`].

use super::{
    rules::{Condition, Listed, SignalTest},
    situation::{Endpoint, RecentRun, Sale, Situation},
};

/// A situation seen from one active sale.
#[derive(Debug, Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) situation: &'a Situation,
    pub(super) sale: &'a Sale,
}

impl View<'_> {
    /// True when the condition holds.
    pub(super) fn holds(&self, condition: &Condition) -> bool {
        match condition {
            Condition::All(conditions) => conditions.iter().all(|condition| self.holds(condition)),
            Condition::Any(conditions) => conditions.iter().any(|condition| self.holds(condition)),
            Condition::Not(condition) => !self.holds(condition),
            Condition::Signal(test) => self.held_for_s(test).is_some_and(|seconds| seconds >= test.for_s),
            Condition::Listed(listed) => self
                .runs_of(&listed.endpoint)
                .any(|run| names_an_entry(&run.response, listed)),
            Condition::Tried(tried) => self
                .runs_of(&tried.endpoint)
                .any(|run| run.is_over() && run.seconds_ago >= tried.at_least_s_ago),
            Condition::Succeeded(endpoint) => self.runs_of(endpoint).any(|run| run.status == "succeeded"),
            Condition::StartedSince(started) => self
                .held_for_s(&started.signal)
                .is_some_and(|held| self.runs_of(&started.endpoint).any(|run| run.seconds_ago <= held)),
            Condition::RunsInSale(runs) => self
                .endpoint(&runs.endpoint)
                .is_some_and(|endpoint| endpoint.runs_in_sale < runs.below),
            Condition::CooldownOver(name) => self
                .endpoint(name)
                .is_some_and(|endpoint| endpoint.cooldown_left_s.unwrap_or(0.0) <= 0.0),
        }
    }

    fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.situation.endpoint(name)
    }

    /// The endpoint's recent runs that started in this sale, the last planned first.
    fn runs_of(&self, name: &str) -> impl Iterator<Item = &RecentRun> {
        let since_start = self.sale.seconds_since_start;
        let runs = self.endpoint(name).map_or(&[][..], |endpoint| &endpoint.recent_runs);
        runs.iter().filter(move |run| run.seconds_ago <= since_start)
    }

    /// For how long the signal has been beyond its bound without a break; `None` when it is not now.
    fn held_for_s(&self, test: &SignalTest) -> Option<f64> {
        let value = self.sale.signals.get(&test.name)?;
        if !test.is.admits(*value) {
            return None;
        }
        let mut changes: Vec<_> = self
            .sale
            .signal_changes
            .iter()
            .filter(|change| change.name == test.name)
            .collect();
        if changes.is_empty() {
            return Some(self.sale.seconds_since_start);
        }
        changes.sort_by(|a, b| a.seconds_ago.total_cmp(&b.seconds_ago));
        let beyond = changes
            .iter()
            .take_while(|change| change.value.is_some_and(|value| test.is.admits(value)));
        Some(beyond.last().map_or(0.0, |change| change.seconds_ago))
    }
}

/// True when the response has the list with an entry that starts as wanted.
fn names_an_entry(response: &str, listed: &Listed) -> bool {
    match serde_json::from_str::<serde_json::Value>(response) {
        Ok(body) => body[&listed.field].as_array().is_some_and(|entries| {
            entries
                .iter()
                .any(|entry| entry.as_str().unwrap_or_default().starts_with(&listed.starting_with))
        }),
        Err(_) => first_entry_of_cut_json(response, &listed.field)
            .is_some_and(|entry| entry.starts_with(&listed.starting_with)),
    }
}

/// The start of the first string in a list, from a JSON text that was cut off somewhere after it began.
fn first_entry_of_cut_json<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("\"{field}\""))?;
    rest.trim_start()
        .strip_prefix(':')?
        .trim_start()
        .strip_prefix('[')?
        .trim_start()
        .strip_prefix('"')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn situation(endpoints: Value) -> Situation {
        let changes = json!([
            { "name": "load", "value": 5000, "seconds_ago": 20 },
            { "name": "load", "value": 4000, "seconds_ago": 80 },
            { "name": "load", "value": 1000, "seconds_ago": 200 },
            { "name": "load", "value": 9000, "seconds_ago": 400 },
            { "name": "load", "value": null, "seconds_ago": 500 },
            { "name": "other", "value": 1, "seconds_ago": 10 }
        ]);
        let sale = json!({
            "seconds_since_start": 600, "seconds_left": 60, "signals": { "load": 5000, "still": 7 }, "signal_changes": changes
        });
        serde_json::from_value(json!({ "sales": [sale], "endpoints": endpoints, "last_plan": null })).unwrap()
    }

    fn probe(runs: Value, cooldown_left_s: Value) -> Value {
        json!([{
            "alias": "e1", "name": "probe", "paused": false, "cooldown_left_s": cooldown_left_s, "runs_in_sale": 1,
            "recent_runs": runs
        }])
    }

    fn holds(situation: &Situation, condition: Value) -> bool {
        let condition: Condition = serde_json::from_value(condition).unwrap();
        View {
            situation,
            sale: &situation.sales[0],
        }
        .holds(&condition)
    }

    #[test]
    fn a_signal_holds_since_the_first_change_of_the_unbroken_stretch() {
        let now = situation(json!([]));
        let above = |bound: f64, for_s: f64| {
            holds(
                &now,
                json!({ "signal": { "name": "load", "is": { "above": bound }, "for_s": for_s } }),
            )
        };
        assert!(above(3000.0, 80.0));
        assert!(!above(3000.0, 81.0), "it was 1000 before");
        assert!(above(4500.0, 20.0) && !above(4500.0, 21.0));
        assert!(!above(5000.0, 0.0), "the bound itself is not above");
        assert!(
            above(500.0, 400.0) && !above(500.0, 401.0),
            "a removed signal breaks the stretch"
        );
    }

    #[test]
    fn a_signal_without_changes_has_held_since_the_start_and_an_unknown_one_does_not_hold() {
        let now = situation(json!([]));
        assert!(holds(
            &now,
            json!({ "signal": { "name": "still", "is": { "below": 8 }, "for_s": 600 } })
        ));
        assert!(!holds(
            &now,
            json!({ "signal": { "name": "still", "is": { "below": 8 }, "for_s": 601 } })
        ));
        assert!(!holds(
            &now,
            json!({ "signal": { "name": "unknown", "is": { "below": 8 } } })
        ));
    }

    #[test]
    fn a_listed_entry_is_found_in_whole_and_in_cut_responses() {
        let listed = |response: &str, prefix: &str| {
            let runs = json!([{ "status": "succeeded", "seconds_ago": 30, "response": response }]);
            let condition = json!({ "listed": { "endpoint": "probe", "field": "pages", "starting_with": prefix } });
            holds(&situation(probe(runs, Value::Null)), condition)
        };
        assert!(listed(r#"{"pages":["/a","/product/x"]}"#, "/product/"));
        assert!(listed(r#"{"pages":["/a"]}"#, "") && !listed(r#"{"pages":["/a"]}"#, "/product/"));
        assert!(!listed(r#"{"pages":[]}"#, "") && !listed(r#"{"other":["/a"]}"#, ""));
        assert!(listed(r#"{"pages": ["/product/x","/pro"#, "/product/"));
        assert!(!listed(r#"{"pages": ["#, "") && !listed(r#"{"pages": []"#, "") && !listed("", ""));
    }

    #[test]
    fn a_run_before_the_sale_does_not_count() {
        let runs = json!([{ "status": "succeeded", "seconds_ago": 601, "response": "{\"pages\":[\"/a\"]}" }]);
        let now = situation(probe(runs, Value::Null));
        assert!(!holds(&now, json!({ "succeeded": "probe" })));
        assert!(!holds(
            &now,
            json!({ "listed": { "endpoint": "probe", "field": "pages" } })
        ));
    }

    #[test]
    fn tried_means_over_and_succeeded_means_well() {
        let now = |status: &str| {
            situation(probe(
                json!([{ "status": status, "seconds_ago": 100, "response": "" }]),
                Value::Null,
            ))
        };
        let tried = json!({ "tried": { "endpoint": "probe", "at_least_s_ago": 100 } });
        assert!(holds(&now("failed"), tried.clone()) && holds(&now("succeeded"), tried.clone()));
        assert!(!holds(&now("running"), tried));
        assert!(!holds(
            &now("failed"),
            json!({ "tried": { "endpoint": "probe", "at_least_s_ago": 101 } })
        ));
        assert!(holds(&now("succeeded"), json!({ "succeeded": "probe" })));
        assert!(!holds(&now("failed"), json!({ "succeeded": "probe" })));
    }

    #[test]
    fn started_since_compares_the_run_with_the_stretch() {
        let started = |seconds_ago: u32| {
            let runs = json!([{ "status": "failed", "seconds_ago": seconds_ago, "response": "" }]);
            let signal = json!({ "name": "load", "is": { "above": 3000 } });
            let condition = json!({ "started_since": { "endpoint": "probe", "signal": signal } });
            holds(&situation(probe(runs, Value::Null)), condition)
        };
        assert!(started(79) && !started(81));
    }

    #[test]
    fn counts_cooldowns_and_connectives() {
        let now = situation(probe(json!([]), json!(12.0)));
        assert!(!holds(&now, json!({ "cooldown_over": "probe" })));
        assert!(holds(
            &situation(probe(json!([]), Value::Null)),
            json!({ "cooldown_over": "probe" })
        ));
        assert!(holds(
            &now,
            json!({ "runs_in_sale": { "endpoint": "probe", "below": 2 } })
        ));
        assert!(!holds(
            &now,
            json!({ "runs_in_sale": { "endpoint": "probe", "below": 1 } })
        ));
        let (yes, no) = (json!({ "all": [] }), json!({ "any": [] }));
        assert!(holds(&now, yes.clone()) && !holds(&now, no.clone()));
        assert!(holds(&now, json!({ "any": [no, yes] })));
        assert!(!holds(&now, json!({ "not": { "all": [] } })));
    }
}
