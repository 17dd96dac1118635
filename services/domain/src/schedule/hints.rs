//! Transitions that hints cause, and the bounds that keep a planner from starving an endpoint.
//!
//! A slowing hint or planner's pause that follows another without a break counts as the same one. After it has ended,
//! a cadence run must start before the planner may slow the endpoint down again.

use std::time::Duration;

use crate::{
    endpoint::{Baseline, Slowed},
    hint::{Author, Hint, Instruction},
    ids::{Chance, HintId, PlanId, uuid_at},
    limits::{HINT_SLOWDOWN, PlanLimits},
    run::Cause,
    time::{Timestamp, after, elapsed},
};

use super::{Schedule, Trigger};

/// A hint that somebody wants, within the bounds that do not depend on the endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HintDraft {
    pub author: Author,
    pub instruction: Instruction,
    pub expires_at: Timestamp,
    pub reason: String,
    pub plan_id: Option<PlanId>,
}

/// What became of a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HintVerdict {
    Accepted,
    /// In force with another value.
    Clamped {
        asked: Duration,
        effective: Duration,
    },
    /// Below the cooldown, which exceeds the baseline interval.
    Cooldown,
    /// A cadence run must start first.
    Starve,
}

impl HintVerdict {
    /// True when the hint is in force.
    pub fn is_in_force(&self) -> bool {
        matches!(self, Self::Accepted | Self::Clamped { .. })
    }
}

/// The longest unbroken pause that a planner may cause on an endpoint of this baseline.
pub fn pause_cap(limits: &PlanLimits, baseline: &Baseline) -> Duration {
    let scaled = match baseline {
        Baseline::Interval(interval) => interval.saturating_mul(HINT_SLOWDOWN),
        Baseline::Cron(_) | Baseline::Dormant => Duration::ZERO,
    };
    limits.pause_ceiling.min(limits.pause_floor.max(scaled))
}

impl Schedule {
    /// Puts a hint into force in place of the author's earlier one of the same kind, as far as the guardrails allow.
    pub fn apply_hint(
        &mut self,
        draft: HintDraft,
        limits: &PlanLimits,
        now: Timestamp,
        chance: &dyn Chance,
    ) -> HintVerdict {
        self.note_end_of_slowing(now);
        let mut draft = draft;
        let verdict = match draft.author {
            Author::Person => self.clamp(&draft, None),
            Author::Planner => self.bound_planner(&mut draft, limits, now),
        };
        if verdict.is_in_force() {
            self.catch_up(now, chance);
            self.write_hint(draft, now, chance);
            self.replan_unless_due(Trigger::HintApplied, now, chance);
        }
        verdict
    }

    /// Removes the hints that `unwanted` names. Returns how many.
    pub fn clear_hints(&mut self, unwanted: impl Fn(&Hint) -> bool, now: Timestamp, chance: &dyn Chance) -> usize {
        self.note_end_of_slowing(now);
        let count = self.hints.iter().filter(|hint| unwanted(hint)).count();
        if count == 0 {
            return 0;
        }
        self.catch_up(now, chance);
        for hint in self.hints.iter().filter(|hint| unwanted(hint) && hint.is_pause()) {
            self.state.cursor = self.state.cursor.max(hint.expires_at.min(now));
        }
        self.hints.retain(|hint| !unwanted(hint));
        self.dirty.hints = true;
        self.mark_changed(now);
        self.end_slowing_if_gone(now);
        self.replan_unless_due(Trigger::HintsCleared, now, chance);
        count
    }

    /// Forgets hints that have expired and that no account of passed times needs any more; the end of a pause stays in
    /// the cursor.
    pub(super) fn drop_expired_hints(&mut self, now: Timestamp) {
        self.note_end_of_slowing(now);
        let accounted = self.state.cursor.max(self.state.anchor).max(self.state.changed_at);
        let expired = self.hints.iter().filter(|hint| hint.expires_at <= now);
        if let Some(end) = expired.filter(|hint| hint.is_pause()).map(|hint| hint.expires_at).max() {
            self.move_cursor(end);
        }
        let before = self.hints.len();
        self.hints.retain(|hint| {
            let needed = hint.held || (hint.interval().is_some() && hint.expires_at > accounted);
            hint.expires_at > now || needed
        });
        self.dirty.hints |= self.hints.len() != before;
    }

    /// Notes a change of what times are judged by. Those before it must be accounted for.
    pub(super) fn mark_changed(&mut self, now: Timestamp) {
        self.state.changed_at = now;
        self.dirty.state = true;
        self.drop_expired_hints(now);
    }

    fn clamp(&self, draft: &HintDraft, floor: Option<Duration>) -> HintVerdict {
        let Instruction::Interval(asked) = draft.instruction else {
            return HintVerdict::Accepted;
        };
        let effective = self
            .endpoint
            .clamp_hint_interval(asked.max(floor.unwrap_or(Duration::ZERO)));
        if effective == asked {
            HintVerdict::Accepted
        } else {
            HintVerdict::Clamped { asked, effective }
        }
    }

    /// The rules that hold for planners only. May shorten a pause or raise an interval to the cooldown.
    fn bound_planner(&mut self, draft: &mut HintDraft, limits: &PlanLimits, now: Timestamp) -> HintVerdict {
        let verdict = self.clamp(draft, self.endpoint.cooldown);
        if let (Instruction::Interval(asked), Some(cooldown)) = (draft.instruction, self.endpoint.cooldown)
            && asked < cooldown
        {
            let bound = self.endpoint.interval().unwrap_or(Duration::MAX);
            if cooldown > bound.min(self.endpoint.hint_interval_max()) {
                return HintVerdict::Cooldown;
            }
            draft.instruction = Instruction::Interval(cooldown);
        }
        if self.slows(&draft.instruction) {
            return self.slow_down(draft, limits, now).unwrap_or(verdict);
        }
        verdict
    }

    /// Takes a slowing hint or a pause into the account of slowing, or says what stands against it or shortens it.
    fn slow_down(&mut self, draft: &mut HintDraft, limits: &PlanLimits, now: Timestamp) -> Option<HintVerdict> {
        if self.state.cadence_owed && self.endpoint.baseline != Baseline::Dormant {
            return Some(HintVerdict::Starve);
        }
        let since = self.state.slowed.map_or(now, |slowed| slowed.since);
        let mut verdict = None;
        if draft.instruction == Instruction::Pause {
            let latest = after(since, pause_cap(limits, &self.endpoint.baseline));
            if latest <= now {
                return Some(HintVerdict::Starve);
            }
            if draft.expires_at > latest {
                verdict = Some(HintVerdict::Clamped {
                    asked: elapsed(now, draft.expires_at),
                    effective: elapsed(now, latest),
                });
                draft.expires_at = latest;
            }
        }
        let until = self
            .state
            .slowed
            .map_or(draft.expires_at, |slowed| slowed.until.max(draft.expires_at));
        self.state.slowed = Some(Slowed { since, until });
        self.dirty.state = true;
        verdict
    }

    /// True for an instruction that delays the endpoint's own cadence. A cron is never slowed by an interval.
    fn slows(&self, instruction: &Instruction) -> bool {
        match instruction {
            Instruction::Interval(asked) => self
                .endpoint
                .interval()
                .is_some_and(|interval| self.endpoint.clamp_hint_interval(*asked) > interval),
            Instruction::OneShot(_) => false,
            Instruction::Pause => true,
        }
    }

    fn write_hint(&mut self, draft: HintDraft, now: Timestamp, chance: &dyn Chance) {
        let fresh = Hint {
            id: HintId(uuid_at(now, chance)),
            endpoint_id: self.endpoint.id,
            author: draft.author,
            instruction: draft.instruction,
            written_at: now,
            expires_at: draft.expires_at,
            reason: draft.reason,
            plan_id: draft.plan_id,
            held: false,
        };
        match self.hints.iter_mut().find(|hint| hint.replaces(&fresh)) {
            // The same value again: the same hint, living longer, explained by the newer plan.
            Some(hint) if hint.instruction == fresh.instruction && hint.expires_at > now => {
                hint.expires_at = fresh.expires_at;
                hint.reason = fresh.reason;
                hint.plan_id = fresh.plan_id;
            }
            Some(hint) => *hint = fresh,
            None => self.hints.push(fresh),
        }
        self.dirty.hints = true;
        self.mark_changed(now);
        self.end_slowing_if_gone(now);
    }

    /// What is already due stands: a hint moves the times after it. A one-shot goes when it is cleared or replaced, or
    /// when a cadence time has come due as well.
    fn replan_unless_due(&mut self, trigger: Trigger, now: Timestamp, chance: &dyn Chance) {
        let due = self.plan_row.as_ref().filter(|row| row.run.due_at <= now);
        let one_shot = due.filter(|row| row.run.cause == Cause::HintOneShot);
        let stands = one_shot.is_some_and(|row| self.hints.iter().any(|hint| Some(hint.id) == row.one_shot_id));
        if !stands
            || self
                .next(now)
                .is_some_and(|next| next.cause.is_cadence() && next.due_at <= now)
        {
            self.replan(trigger, now, chance);
        } else {
            self.record(trigger, now);
        }
    }

    /// Notices that the last slowing hint has expired.
    pub(super) fn note_end_of_slowing(&mut self, now: Timestamp) {
        if self.state.slowed.is_some_and(|slowed| slowed.until <= now) {
            self.state.slowed = None;
            self.state.cadence_owed = true;
            self.dirty.state = true;
        }
    }

    /// After a removal or a replacement: what still slows the endpoint down, if anything.
    fn end_slowing_if_gone(&mut self, now: Timestamp) {
        let Some(slowed) = self.state.slowed else { return };
        let planners = self
            .hints
            .iter()
            .filter(|hint| hint.author == Author::Planner && hint.expires_at > now);
        let until = planners
            .filter(|hint| self.slows(&hint.instruction))
            .map(|hint| hint.expires_at)
            .max();
        self.state.slowed = until.map(|until| Slowed { until, ..slowed });
        self.state.cadence_owed |= until.is_none();
        self.dirty.state = true;
    }
}
