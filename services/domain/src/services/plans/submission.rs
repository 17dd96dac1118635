//! An answer on its way into force: what is refused, what starts now, what waits for its wave or for a person.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    error::Error,
    ids::{Chance, EndpointId, RunId, UserId, uuid_at},
    job::PlannerMode,
    limits::PlanLimits,
    plan::{JobPlanning, Plan, PlanState, Verdict, VerdictCode},
    ports::Tx,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    schedule::{Schedule, Trigger},
    time::{Timestamp, after, before},
};

use super::{
    super::{
        contexts::is_planners,
        outcomes::dropped,
        verdicts::{Judge, of_hint, refusals},
    },
    Answer,
};

/// Why something of an earlier plan came to nothing.
const SUPERSEDED: &str = "superseded";

/// What a submission works on within its transaction.
pub(super) struct Submission<'a> {
    pub plan: Plan,
    pub planning: JobPlanning,
    pub schedules: BTreeMap<EndpointId, Schedule>,
    pub limits: &'a PlanLimits,
    pub chance: &'a dyn Chance,
    pub now: Timestamp,
    /// Of the request that starts runs.
    pub trace_parent: Option<String>,
}

impl<'a> Submission<'a> {
    pub(super) fn record(&mut self, answer: Answer) {
        let plan = &mut self.plan;
        plan.waves = answer.steps.iter().map(|step| step.wave).max().unwrap_or_default();
        plan.steps = answer.steps;
        plan.hints = answer.hints;
        plan.rationale = answer.rationale;
        plan.call = answer.call;
        plan.answered_at = Some(self.now);
        plan.review_at = Some(after(self.now, answer.review_after));
    }

    pub(super) fn refuse(&mut self, verdict: &str, detail: String) {
        verdict.clone_into(&mut self.plan.verdict);
        self.plan.detail = detail;
        self.plan.close(PlanState::Refused, self.now);
        self.planning.fail(after(self.now, self.limits.review_min));
    }

    /// Refuses the plan as a whole for what no single step can be blamed for.
    pub(super) fn judge_whole(&mut self) {
        let refusals = refusals(&self.plan.steps, &self.plan.hints, &self.schedules);
        let Some(first) = refusals.first() else { return };
        let code = first.code.as_str();
        let detail = refusals
            .iter()
            .map(|refusal| refusal.message.as_str())
            .collect::<Vec<_>>()
            .join("; ");
        self.refuse(code, detail);
    }

    /// Does with the answer what the job's mode allows: keeps it, puts it before a person, or puts it into force.
    pub(super) async fn settle(&mut self, tx: &mut dyn Tx, mode: PlannerMode) -> Result<(), Error> {
        let review_at = self.plan.review_at.unwrap_or(self.now);
        self.planning.answer(self.plan.created_at, review_at);
        match mode {
            PlannerMode::Observe => {
                self.judge_wishes(tx).await?;
                self.plan.close(PlanState::Observed, self.now);
                Ok(())
            }
            PlannerMode::Suggest if self.changes_something(tx).await? => {
                self.judge_wishes(tx).await?;
                withdraw_suggestion(tx, &self.plan.user_id, &mut self.planning, SUPERSEDED).await?;
                self.plan.state = PlanState::Suggested;
                self.planning.suggested = Some(self.plan.id);
                Ok(())
            }
            PlannerMode::Suggest | PlannerMode::Act => {
                withdraw_suggestion(tx, &self.plan.user_id, &mut self.planning, SUPERSEDED).await?;
                self.take_into_force(tx).await
            }
        }
    }

    /// False for an answer that finds nothing to do where the planner has nothing in force: no person need approve that.
    async fn changes_something(&self, tx: &mut dyn Tx) -> Result<bool, Error> {
        let wants = !self.plan.steps.is_empty() || !self.plan.hints.is_empty();
        let hinted = self
            .schedules
            .values()
            .any(|schedule| schedule.hints.iter().any(is_planners));
        Ok(wants || hinted || self.running_before(tx).await?.is_some())
    }

    /// Supersedes the plan before, and starts what stands of this one.
    pub(super) async fn take_into_force(&mut self, tx: &mut dyn Tx) -> Result<(), Error> {
        self.supersede(tx).await?;
        self.plan.charged = self.judge_wishes(tx).await?;
        self.note_acceptance();
        tx.save_schedules(&self.schedules.values().cloned().collect::<Vec<_>>())
            .await?;
        self.planning.accepted = Some(self.plan.id);
        match self.plan.next_wave() {
            Some(wave) => self.enqueue_wave(tx, wave).await,
            None => {
                self.plan.close(PlanState::Completed, self.now);
                Ok(())
            }
        }
    }

    /// Gives every step and hint its verdict, in the schedules as they would be; returns what the budget is charged.
    async fn judge_wishes(&mut self, tx: &mut dyn Tx) -> Result<u32, Error> {
        let mut judge = self.judge(tx).await?;
        let mut steps = std::mem::take(&mut self.plan.steps);
        for step in &mut steps {
            if let Some(schedule) = self.schedules.get(&step.endpoint_id) {
                step.verdict = judge.step(step, schedule);
            }
        }
        self.plan.steps = steps;
        self.apply_hints(&mut judge);
        Ok(judge.charged)
    }

    /// What the budgets, and the starts that earlier plans were granted, leave to this one.
    async fn judge(&self, tx: &mut dyn Tx) -> Result<Judge<'a>, Error> {
        let usage = tx
            .plan_usage(self.plan.job_id, before(self.now, self.limits.budget_window))
            .await?;
        let ids: Vec<EndpointId> = self.schedules.keys().copied().collect();
        let mut granted = BTreeMap::new();
        for row in tx.waiting_runs(&ids).await? {
            let superseded = row.run.plan_id == self.planning.accepted && is_unsent(&row, self.now);
            if row.run.source == Source::AI_HINT && !superseded {
                let at = granted.entry(row.run.endpoint_id).or_insert(row.run.due_at);
                *at = row.run.due_at.max(*at);
            }
        }
        let steps_left = self.limits.steps_per_window.saturating_sub(usage.steps);
        Ok(Judge {
            limits: self.limits,
            now: self.now,
            steps_left,
            charged: 0,
            granted,
        })
    }

    /// Ends the plan before this one: what it has not started will not start. Rows of endpoints that are not locked, as they
    /// have left the job, are not this plan's to end.
    async fn supersede(&mut self, tx: &mut dyn Tx) -> Result<(), Error> {
        let Some(mut old) = self.running_before(tx).await? else {
            return Ok(());
        };
        old.close(PlanState::Superseded, self.now);
        tx.update_plan(&old).await?;
        let rows = tx.live_runs_of_plan(old.id).await?.into_iter();
        let unsent: Vec<Run> = rows
            .filter(|row| is_unsent(row, self.now) && self.schedules.contains_key(&row.run.endpoint_id))
            .map(|row| dropped(row.run, SUPERSEDED, self.now))
            .collect();
        tx.move_to_history(&unsent).await?;
        Ok(())
    }

    /// The plan in force, while steps of it are under way or wait.
    async fn running_before(&self, tx: &mut dyn Tx) -> Result<Option<Plan>, Error> {
        let Some(before) = self.planning.accepted else {
            return Ok(None);
        };
        let old = tx.get_plan(&self.plan.user_id, before).await?;
        Ok(old.filter(|old| old.state == PlanState::Running))
    }

    /// A plan's hints are the whole wanted set: what it does not repeat is cleared.
    fn apply_hints(&mut self, judge: &mut Judge<'_>) {
        for schedule in self.schedules.values_mut() {
            let id = schedule.endpoint.id;
            let wanted = |kind: &str| {
                self.plan
                    .hints
                    .iter()
                    .any(|hint| hint.endpoint_id == id && hint.wish.kind() == kind)
            };
            schedule.clear_hints(
                |hint| is_planners(hint) && !wanted(hint.instruction.kind()),
                self.now,
                self.chance,
            );
        }
        for hint in &mut self.plan.hints {
            let Some(schedule) = self.schedules.get_mut(&hint.endpoint_id) else {
                continue;
            };
            hint.verdict = match judge.hint(hint, schedule, self.plan.id) {
                Ok(draft) => of_hint(&schedule.apply_hint(draft, self.limits, self.now, self.chance)),
                Err(refused) => refused,
            };
        }
    }

    /// Steps change no schedule by themselves; the record says that from here on a plan may run the endpoint.
    fn note_acceptance(&mut self) {
        let accepted = self.plan.steps.iter().filter(|step| step.verdict.is_accepted());
        for id in accepted.map(|step| step.endpoint_id).collect::<BTreeSet<_>>() {
            if let Some(schedule) = self.schedules.get_mut(&id) {
                schedule.record(Trigger::PlanAccepted, self.now);
            }
        }
    }

    /// Judges the wave's steps again, as time has passed since the plan was accepted, and starts what stands.
    pub(super) async fn start_wave(&mut self, tx: &mut dyn Tx, wave: u32) -> Result<(), Error> {
        let mut steps = std::mem::take(&mut self.plan.steps);
        let mut judge = Judge {
            limits: self.limits,
            now: self.now,
            // Charged when the plan was accepted.
            steps_left: u32::MAX,
            charged: 0,
            granted: BTreeMap::new(),
        };
        for step in steps
            .iter_mut()
            .filter(|step| step.wave == wave && step.verdict.is_accepted())
        {
            step.verdict = match self.schedules.get(&step.endpoint_id) {
                Some(schedule) => judge.step(step, schedule),
                None => Verdict::new(VerdictCode::UnknownEndpoint, "endpoint is gone"),
            };
        }
        self.plan.steps = steps;
        self.enqueue_wave(tx, wave).await
    }

    async fn enqueue_wave(&mut self, tx: &mut dyn Tx, wave: u32) -> Result<(), Error> {
        let mut rows = Vec::new();
        let plan = &mut self.plan;
        plan.wave = wave;
        plan.state = PlanState::Running;
        for step in plan
            .steps
            .iter_mut()
            .filter(|step| step.wave == wave && step.verdict.is_accepted())
        {
            let at = after(self.now, step.delay);
            let id = RunId(uuid_at(at, self.chance));
            step.run_id = Some(id);
            let user = plan.user_id.clone();
            let mut run = Run::planned(id, step.endpoint_id, user, Source::AI_HINT, Cause::PlanStep, at);
            run.job_id = Some(plan.job_id);
            run.plan_id = Some(plan.id);
            run.step = Some(step.step);
            run.plan_reason = Some(step.reason.clone()).filter(|reason| !reason.is_empty());
            let mut row = LiveRun::waiting(run, Slot::Extra);
            row.trace_parent.clone_from(&self.trace_parent);
            rows.push(row);
        }
        if rows.is_empty() && plan.next_wave().is_none() {
            plan.close(PlanState::Completed, self.now);
        }
        Ok(tx.enqueue(&rows).await?)
    }
}

/// A step that has not come due.
fn is_unsent(row: &LiveRun, now: Timestamp) -> bool {
    let waits = row.run.status == RunStatus::Planned && !row.has_place();
    row.slot == Slot::Extra && waits && row.run.due_at > now
}

/// Ends the suggestion that waits for a person, if there is one.
pub(in crate::services) async fn withdraw_suggestion(
    tx: &mut dyn Tx,
    user: &UserId,
    planning: &mut JobPlanning,
    why: &str,
) -> Result<(), Error> {
    let now = tx.now();
    let Some(id) = planning.suggested.take() else {
        return Ok(());
    };
    let waiting = tx.get_plan(user, id).await?;
    if let Some(mut plan) = waiting.filter(|plan| plan.state == PlanState::Suggested) {
        why.clone_into(&mut plan.detail);
        plan.close(PlanState::Superseded, now);
        tx.update_plan(&plan).await?;
    }
    Ok(())
}
