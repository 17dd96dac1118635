//! A toy planner in virtual time: asks when it should, shows the situation in the agreed form, and applies the answer
//! as late as it is told to.

use baton_demo::scripted::{answer::Answer, rules::RuleFile, situation::Situation};
use serde_json::{Value, json};

use crate::shop::{Hint, Shop};

pub struct Planner {
    rules: RuleFile,
    asks: usize,
    slowest_s: f64,
    seen_revision: usize,
    plan_finished: bool,
    review_at: f64,
    in_flight: Option<(f64, Answer)>,
    plan: Option<Plan>,
}

struct Plan {
    at: f64,
    wave: u32,
    steps: Vec<Step>,
}

struct Step {
    endpoint: usize,
    wave: u32,
    verdict: &'static str,
    run_id: Option<String>,
}

impl Planner {
    pub fn new(rules: RuleFile) -> Self {
        Self {
            rules,
            asks: 0,
            slowest_s: 0.0,
            seen_revision: 0,
            plan_finished: false,
            review_at: f64::INFINITY,
            in_flight: None,
            plan: None,
        }
    }

    pub fn slowest_answer_s(&self) -> Option<f64> {
        (self.asks > 0).then_some(self.slowest_s)
    }

    pub fn act(&mut self, shop: &mut Shop, now: f64, latency: &dyn Fn(usize) -> f64) {
        self.follow(shop, now);
        if let Some((_, answer)) = self.in_flight.take_if(|(ready, _)| *ready <= now) {
            self.apply(answer, shop, now);
        }
        let due = shop.revision != self.seen_revision || self.plan_finished || self.review_at <= now;
        if due && self.in_flight.is_none() {
            self.ask(shop, now, latency);
        }
    }

    /// The situation is the one at the time of asking, however late the answer.
    fn ask(&mut self, shop: &Shop, now: f64, latency: &dyn Fn(usize) -> f64) {
        let prompt = format!(
            "What should run now?\n<situation>{}</situation>",
            self.situation(shop, now)
        );
        let answer = self.rules.answer(&Situation::from_message(&prompt).unwrap());
        let late = latency(self.asks);
        self.asks += 1;
        self.slowest_s = self.slowest_s.max(late);
        self.seen_revision = shop.revision;
        self.plan_finished = false;
        self.review_at = f64::INFINITY;
        self.in_flight = Some((now + late, answer));
    }

    fn apply(&mut self, answer: Answer, shop: &mut Shop, now: f64) {
        let index = |alias: &str| alias[1..].parse::<usize>().unwrap() - 1;
        for endpoint in 0..shop.endpoints.len() {
            let wanted = answer.hints.iter().find(|hint| index(&hint.endpoint) == endpoint);
            let old = shop.endpoints[endpoint].hint.filter(|old| old.expires > now);
            shop.endpoints[endpoint].hint = wanted.map(|wanted| {
                let kept = old.filter(|old| old.interval == wanted.seconds).map(|old| old.written);
                Hint {
                    interval: wanted.seconds,
                    written: kept.unwrap_or(now),
                    expires: now + wanted.ttl_s,
                }
            });
        }
        let steps = answer.steps.iter().map(|step| {
            let endpoint = index(&step.endpoint);
            let verdict = if shop.cooldown_left(endpoint, now).is_some() {
                "cooldown"
            } else {
                "accepted"
            };
            Step {
                endpoint,
                wave: step.wave,
                verdict,
                run_id: None,
            }
        });
        self.plan = Some(Plan {
            at: now,
            wave: 0,
            steps: steps.collect(),
        });
        self.review_at = now + answer.review_after_s;
        self.follow(shop, now);
    }

    /// Starts the next wave once the one before is over; asks again after the last one.
    fn follow(&mut self, shop: &mut Shop, now: f64) {
        let Some(plan) = &mut self.plan else { return };
        let under_way = plan
            .steps
            .iter()
            .filter_map(|step| step.run_id.as_ref())
            .any(|run| !shop.is_over(run, now));
        let accepted = || plan.steps.iter().filter(|step| step.verdict == "accepted");
        let last = accepted().map(|step| step.wave).max().unwrap_or(0);
        if under_way || plan.wave > last {
            return;
        }
        if plan.wave == last {
            self.plan_finished = last > 0;
        }
        plan.wave += 1;
        let wave = plan.wave;
        for step in plan
            .steps
            .iter_mut()
            .filter(|step| step.wave == wave && step.verdict == "accepted")
        {
            step.run_id = Some(shop.start_step(step.endpoint, now));
        }
    }

    fn situation(&self, shop: &Shop, now: f64) -> Value {
        let changes = shop
            .changes
            .iter()
            .map(|(name, value, at)| json!({ "name": name, "value": value, "seconds_ago": now - at }));
        let sale = json!({
            "name": "sale", "description": "", "phase": "untold", "seconds_since_start": now,
            "seconds_left": shop.length_s - now, "signals": shop.signals, "signal_changes": changes.collect::<Vec<_>>()
        });
        let endpoints: Vec<Value> = (0..shop.endpoints.len())
            .map(|index| endpoint(index, shop, now))
            .collect();
        json!({
            "job": { "name": "job", "description": "" }, "asked_because": ["signal-changed"], "sales": [sale],
            "endpoints": endpoints, "last_plan": self.plan.as_ref().map(|plan| last_plan(plan, shop, now)),
            "limits": { "max_steps": 50 }
        })
    }
}

fn endpoint(index: usize, shop: &Shop, now: f64) -> Value {
    let endpoint = &shop.endpoints[index];
    let (runs_in_sale, recent_runs) = shop.shown_runs(&endpoint.name, now);
    json!({
        "alias": format!("e{}", index + 1), "name": endpoint.name, "description": endpoint.description,
        "schedule": endpoint.baseline.map_or("none: runs only when told".to_owned(), |seconds| format!("every {seconds} s")),
        "paused": false, "failures": 0, "hints": [], "cooldown_left_s": shop.cooldown_left(index, now),
        "runs_in_sale": runs_in_sale, "recent_runs": recent_runs
    })
}

fn last_plan(plan: &Plan, shop: &Shop, now: f64) -> Value {
    let outcome = |step: &Step| {
        let over = step.run_id.as_ref().map(|run| shop.is_over(run, now));
        over.map_or("", |over| if over { "succeeded" } else { "running" })
    };
    let steps = plan.steps.iter().map(|step| {
        let alias = format!("e{}", step.endpoint + 1);
        json!({ "endpoint": alias, "wave": step.wave, "verdict": step.verdict, "outcome": outcome(step) })
    });
    let open = plan
        .steps
        .iter()
        .any(|step| step.verdict == "accepted" && outcome(step) != "succeeded");
    let state = if open { "running" } else { "completed" };
    json!({ "seconds_ago": now - plan.at, "state": state, "assessment": "", "steps": steps.collect::<Vec<_>>() })
}
