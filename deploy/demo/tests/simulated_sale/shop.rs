//! A toy scheduler in virtual time: interval baselines, one interval hint per endpoint, steps, cooldowns.
//!
//! It follows the governor's rows on anchor, cursor, hint expiry and a hint's first time, and nothing else.

use std::collections::BTreeMap;

use baton_demo::{expectations::ObservedRun, scenario::Scenario};
use baton_proto::v1::Cause;
use serde_json::{Value, json};

/// How long every call takes.
const CALL_S: f64 = 0.75;

pub struct Shop {
    pub endpoints: Vec<Endpoint>,
    pub signals: BTreeMap<String, f64>,
    /// Name, value and time of every change.
    pub changes: Vec<(String, f64, f64)>,
    /// Grows with every change of phase.
    pub revision: usize,
    pub length_s: f64,
    responses: BTreeMap<String, Value>,
    runs: Vec<Run>,
}

pub struct Endpoint {
    pub name: String,
    pub description: String,
    pub baseline: Option<f64>,
    pub hint: Option<Hint>,
    cooldown: Option<f64>,
    anchor: f64,
    cursor: f64,
}

#[derive(Clone, Copy)]
pub struct Hint {
    pub interval: f64,
    pub written: f64,
    pub expires: f64,
}

struct Run {
    observed: ObservedRun,
    response: Value,
}

impl Endpoint {
    /// The next cadence time and its cause.
    fn next(&self, now: f64) -> Option<(f64, Cause)> {
        let hinted = self
            .hint
            .filter(|hint| hint.expires > now)
            .map(|hint| (self.phase_time(hint.interval).max(hint.written), hint));
        match hinted {
            Some((time, hint)) if time <= hint.expires => Some((time, Cause::HintInterval)),
            _ => self
                .baseline
                .map(|interval| (self.phase_time(interval), Cause::Interval)),
        }
    }

    fn phase_time(&self, interval: f64) -> f64 {
        let passed = ((self.cursor - self.anchor) / interval).floor().max(0.0);
        self.anchor + (passed + 1.0) * interval
    }
}

impl Shop {
    pub fn new(scenario: &Scenario) -> Self {
        let endpoint = |endpoint: &baton_demo::scenario::Endpoint| Endpoint {
            name: endpoint.name.clone(),
            description: endpoint.description.clone(),
            baseline: endpoint.baseline_interval.map(|interval| interval.as_secs_f64()),
            cooldown: endpoint.cooldown.map(|cooldown| cooldown.as_secs_f64()),
            hint: None,
            anchor: -1.0,
            cursor: -1.0,
        };
        Self {
            endpoints: scenario.endpoints.iter().map(endpoint).collect(),
            signals: BTreeMap::new(),
            changes: vec![],
            revision: 0,
            length_s: scenario.length_s(),
            responses: BTreeMap::new(),
            runs: vec![],
        }
    }

    pub fn enter_phase(&mut self, scenario: &Scenario, now: f64) {
        let phase = scenario.phase_at(now).unwrap();
        if self.signals == phase.signals {
            return;
        }
        for (name, value) in phase
            .signals
            .iter()
            .filter(|(name, value)| self.signals.get(*name) != Some(*value))
        {
            self.changes.push((name.clone(), *value, now));
        }
        self.signals.clone_from(&phase.signals);
        self.responses.clone_from(&phase.responses);
        self.revision += 1;
    }

    pub fn start_due_runs(&mut self, now: f64) {
        for index in 0..self.endpoints.len() {
            let Some((planned, cause)) = self.endpoints[index].next(now).filter(|(planned, _)| *planned <= now) else {
                continue;
            };
            self.start(index, planned, cause, now);
            self.endpoints[index].anchor = planned;
            self.endpoints[index].cursor = now + CALL_S;
        }
    }

    /// Starts a step at once; its cooldown has been asked about before.
    pub fn start_step(&mut self, index: usize, now: f64) -> String {
        self.start(index, now, Cause::PlanStep, now)
    }

    fn start(&mut self, index: usize, planned_s: f64, cause: Cause, now: f64) -> String {
        let id = format!("run-{}", self.runs.len());
        let endpoint = self.endpoints[index].name.clone();
        let source = if cause == Cause::Interval {
            "baseline"
        } else {
            "ai-hint"
        }
        .to_owned();
        let response = self.responses[&endpoint].clone();
        let finished_s = Some(now + CALL_S);
        let observed = ObservedRun {
            id: id.clone(),
            endpoint,
            source,
            cause,
            planned_s,
            started_s: now,
            finished_s,
            attempts: 1,
        };
        self.runs.push(Run { observed, response });
        id
    }

    pub fn is_over(&self, run_id: &str, now: f64) -> bool {
        self.runs
            .iter()
            .any(|run| run.observed.id == run_id && run.observed.finished_s.unwrap() <= now)
    }

    pub fn cooldown_left(&self, index: usize, now: f64) -> Option<f64> {
        let endpoint = &self.endpoints[index];
        let told = self
            .runs_of(&endpoint.name)
            .rfind(|run| run.observed.source == "ai-hint")?;
        Some(told.observed.started_s + endpoint.cooldown? - now).filter(|left| *left > 0.0)
    }

    pub fn planner_hints(&self, now: f64) -> Vec<String> {
        let hinted = self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.hint.is_some_and(|hint| hint.expires > now));
        hinted.map(|endpoint| format!("{}: interval", endpoint.name)).collect()
    }

    pub fn into_runs(self) -> Vec<ObservedRun> {
        self.runs.into_iter().map(|run| run.observed).collect()
    }

    fn runs_of(&self, name: &str) -> impl DoubleEndedIterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.observed.endpoint == name)
    }

    /// How many runs of the endpoint have started, and the last five as the prompt shows them.
    pub fn shown_runs(&self, name: &str, now: f64) -> (usize, Vec<Value>) {
        let shown = self.runs_of(name).rev().take(5).map(|run| {
            let over = run.observed.finished_s.unwrap() <= now;
            json!({
                "source": run.observed.source,
                "cause": format!("{:?}", run.observed.cause),
                "status": if over { "succeeded" } else { "running" },
                "seconds_ago": now - run.observed.started_s,
                "status_code": over.then_some(200),
                "response": if over { run.response.to_string() } else { String::new() },
                "error": ""
            })
        });
        (self.runs_of(name).count(), shown.collect())
    }
}
