//! What is judged: runs, hints and model answers in scenario time, taken from the scheduler's answers.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, anyhow};
use baton_proto::v1::{Cause, Endpoint, HintAuthor, Plan, PlanState, Run, hint::Instruction};

use crate::clock::ScenarioClock;

/// Everything that the expectations are judged by. All times are scenario seconds since the start of the sale.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Every run that started, in order of start.
    pub runs: Vec<ObservedRun>,
    /// Looks at the hints of all endpoints, in order of time.
    pub hint_samples: Vec<HintSample>,
    /// How long the slowest model answer took; `None` when the model was never asked.
    pub slowest_answer_s: Option<f64>,
    /// Slack of every comparison with scenario time.
    pub tolerance_s: f64,
}

/// A run that started.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedRun {
    /// Its id, which the sink received as the idempotency key.
    pub id: String,
    /// Name of its endpoint.
    pub endpoint: String,
    /// Who is behind it.
    pub source: String,
    /// The finer reason.
    pub cause: Cause,
    /// The time its schedule or hint named.
    pub planned_s: f64,
    /// Start of the last attempt.
    pub started_s: f64,
    /// Absent while it is running.
    pub finished_s: Option<f64>,
    /// Attempts started.
    pub attempts: usize,
}

/// One look at the hints.
#[derive(Debug, Clone, PartialEq)]
pub struct HintSample {
    /// When.
    pub at_s: f64,
    /// The planner's hints in force, each as "endpoint: kind".
    pub planner_hints: Vec<String>,
}

impl ObservedRun {
    /// Reads a run; `None` when it never started. `names` has the endpoints' names by id.
    ///
    /// # Errors
    /// When the scheduler's answer contradicts itself.
    pub fn read(run: &Run, names: &BTreeMap<String, String>, clock: &ScenarioClock) -> anyhow::Result<Option<Self>> {
        let Some(start) = run.start_time else { return Ok(None) };
        let seconds =
            |time: prost_types::Timestamp| Ok::<_, anyhow::Error>(clock.seconds_at(SystemTime::try_from(time)?));
        let planned = run
            .planned_time
            .with_context(|| format!("run {} has no planned time", run.id))?;
        let endpoint = names
            .get(&run.endpoint_id)
            .with_context(|| format!("run {} is of an unknown endpoint", run.id))?;
        Ok(Some(Self {
            id: run.id.clone(),
            endpoint: endpoint.clone(),
            source: run.source.clone(),
            cause: run.cause(),
            planned_s: seconds(planned)?,
            started_s: seconds(start)?,
            finished_s: run.finish_time.map(seconds).transpose()?,
            attempts: usize::try_from(run.attempt)
                .map_err(|_| anyhow!("run {} has attempt {}", run.id, run.attempt))?,
        }))
    }
}

impl HintSample {
    /// Reads the hints of these endpoints as of `now`.
    ///
    /// # Errors
    /// When a time cannot be read.
    pub fn read(endpoints: &[Endpoint], now: SystemTime, clock: &ScenarioClock) -> anyhow::Result<Self> {
        let mut planner_hints = Vec::new();
        for endpoint in endpoints {
            for hint in endpoint
                .hints
                .iter()
                .filter(|hint| hint.author() == HintAuthor::Planner)
            {
                let expiry = hint.expire_time.map(SystemTime::try_from).transpose()?;
                if expiry.is_none_or(|expiry| expiry > now) {
                    planner_hints.push(format!("{}: {}", endpoint.name, kind(hint.instruction.as_ref())));
                }
            }
        }
        Ok(Self {
            at_s: clock.seconds_at(now),
            planner_hints,
        })
    }
}

fn kind(instruction: Option<&Instruction>) -> &'static str {
    match instruction {
        Some(Instruction::Interval(_)) => "interval",
        Some(Instruction::OneShotTime(_)) => "one-shot",
        Some(Instruction::Pause(())) => "pause",
        None => "nothing",
    }
}

/// How long the slowest of these asks took to be answered, in scenario seconds. An ask whose planner was lost counts
/// with the time it was waited for.
pub fn slowest_answer_s(plans: &[Plan], clock: &ScenarioClock) -> Option<f64> {
    plans
        .iter()
        .filter_map(answer_time)
        .map(|wall| wall.as_secs_f64() * clock.speed)
        .max_by(f64::total_cmp)
}

fn answer_time(plan: &Plan) -> Option<Duration> {
    let call = plan
        .call
        .as_ref()
        .and_then(|call| call.latency)
        .and_then(|latency| Duration::try_from(latency).ok());
    match plan.state() {
        PlanState::Asking => None,
        PlanState::Expired => {
            let asked = SystemTime::try_from(plan.create_time?).ok()?;
            let given_up = SystemTime::try_from(plan.end_time.or(plan.lease_expire_time)?).ok()?;
            given_up.duration_since(asked).ok()
        }
        _ => call,
    }
}

#[cfg(test)]
mod tests {
    use baton_proto::v1::{Hint, ModelCall};
    use prost_types::Timestamp;

    use super::*;

    fn clock() -> ScenarioClock {
        ScenarioClock {
            start: SystemTime::UNIX_EPOCH + Duration::from_secs(1000),
            speed: 60.0,
        }
    }

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp {
            seconds: 1000 + seconds,
            nanos: 0,
        })
    }

    #[test]
    fn a_run_is_read_in_scenario_time_and_only_when_it_started() {
        let names = BTreeMap::from([("e".to_owned(), "probe".to_owned())]);
        let mut run = Run {
            id: "r".into(),
            endpoint_id: "e".into(),
            planned_time: at(1),
            attempt: 2,
            ..Run::default()
        };
        assert_eq!(ObservedRun::read(&run, &names, &clock()).unwrap(), None);
        run.start_time = at(2);
        run.set_cause(Cause::PlanStep);
        let read = ObservedRun::read(&run, &names, &clock()).unwrap().unwrap();
        assert_eq!((read.planned_s, read.started_s, read.finished_s), (60.0, 120.0, None));
        assert_eq!(
            (read.endpoint.as_str(), read.cause, read.attempts),
            ("probe", Cause::PlanStep, 2)
        );
        run.endpoint_id = "other".into();
        assert!(ObservedRun::read(&run, &names, &clock()).is_err());
    }

    #[test]
    fn only_a_planners_hint_that_has_not_expired_is_in_force() {
        let hint = |author: HintAuthor, expires: i64| Hint {
            author: author.into(),
            expire_time: at(expires),
            instruction: Some(Instruction::Pause(())),
            ..Hint::default()
        };
        let hints = vec![
            hint(HintAuthor::Planner, 10),
            hint(HintAuthor::Planner, 5),
            hint(HintAuthor::Person, 10),
        ];
        let endpoint = Endpoint {
            name: "probe".into(),
            hints,
            ..Endpoint::default()
        };
        let now = clock().start + Duration::from_secs(5);
        let sample = HintSample::read(&[endpoint], now, &clock()).unwrap();
        assert_eq!(
            sample,
            HintSample {
                at_s: 300.0,
                planner_hints: vec!["probe: pause".to_owned()]
            }
        );
    }

    #[test]
    fn the_slowest_answer_counts_lost_asks_but_not_open_ones() {
        let plan = |state: PlanState, millis: i32| {
            let latency = Some(prost_types::Duration {
                seconds: 0,
                nanos: millis * 1_000_000,
            });
            Plan {
                state: state.into(),
                call: Some(ModelCall {
                    latency,
                    ..ModelCall::default()
                }),
                ..Plan::default()
            }
        };
        let asking = Plan {
            state: PlanState::Asking.into(),
            create_time: at(0),
            lease_expire_time: at(9),
            ..Plan::default()
        };
        let mut plans = vec![plan(PlanState::Completed, 100), plan(PlanState::Failed, 250), asking];
        assert!((slowest_answer_s(&plans, &clock()).unwrap() - 15.0).abs() < 1e-9);
        plans[2].set_state(PlanState::Expired);
        assert!((slowest_answer_s(&plans, &clock()).unwrap() - 540.0).abs() < 1e-9);
        assert_eq!(slowest_answer_s(&[], &clock()), None);
    }
}
