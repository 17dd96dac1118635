//! Transitions that hints cause, and the bounds that keep a planner from starving an endpoint.
//!
//! A slowing hint or planner's pause that follows another without a break counts as the same one. After it has ended,
//! a cadence run must start before the planner may slow the endpoint down again.

use std::time::Duration;

use crate::{
    endpoint::{Baseline, Slowed},
    governor,
    hint::{Author, Hint, Instruction},
    ids::{Chance, HintId, PlanId, uuid_at},
    limits::{HINT_SLOWDOWN, PlanLimits},
    time::{Timestamp, after},
};

use super::Schedule;

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
            self.settle_running(now, chance);
            self.write_hint(draft, now, chance);
            self.replan_unless_due("hint-applied", now, chance);
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
        self.settle_running(now, chance);
        for hint in self.hints.iter().filter(|hint| unwanted(hint) && hint.is_pause()) {
            self.state.cursor = self.state.cursor.max(hint.expires_at.min(now));
        }
        self.hints.retain(|hint| !unwanted(hint));
        self.state.changed_at = now;
        self.dirty.hints = true;
        self.dirty.state = true;
        self.end_slowing_if_gone(now);
        self.replan_unless_due("hints-cleared", now, chance);
        count
    }

    /// Forgets hints that have expired; the end of a pause stays in the cursor.
    pub(super) fn drop_expired_hints(&mut self, now: Timestamp) {
        self.note_end_of_slowing(now);
        for hint in self
            .hints
            .iter()
            .filter(|hint| hint.is_pause() && hint.expires_at <= now)
        {
            self.state.cursor = self.state.cursor.max(hint.expires_at);
        }
        let before = self.hints.len();
        self.hints.retain(|hint| hint.expires_at > now || hint.held);
        self.dirty.hints |= self.hints.len() != before;
    }

    /// One-shots that came due within their life while the endpoint was running stay due until they run.
    pub(super) fn hold_due_one_shots(&mut self, since: Timestamp, now: Timestamp) {
        for hint in &mut self.hints {
            let Some(asked) = hint.one_shot() else { continue };
            let due = governor::one_shot_due(&self.endpoint, &self.state, asked).max(hint.written_at);
            if !hint.held && due >= since && due <= now && due <= hint.expires_at {
                hint.held = true;
                self.dirty.hints = true;
            }
        }
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
        let mut verdict = self.clamp(draft, self.endpoint.cooldown);
        if let (Instruction::Interval(asked), Some(cooldown)) = (draft.instruction, self.endpoint.cooldown)
            && asked < cooldown
        {
            if self.endpoint.interval().is_some_and(|interval| cooldown > interval) {
                return HintVerdict::Cooldown;
            }
            draft.instruction = Instruction::Interval(cooldown);
        }
        if self.slows(&draft.instruction) {
            if self.state.cadence_owed {
                return HintVerdict::Starve;
            }
            let since = self.state.slowed.map_or(now, |slowed| slowed.since);
            if draft.instruction == Instruction::Pause {
                let latest = after(since, pause_cap(limits, &self.endpoint.baseline));
                if latest <= now {
                    return HintVerdict::Starve;
                }
                if draft.expires_at > latest {
                    let asked = crate::time::elapsed(now, draft.expires_at);
                    draft.expires_at = latest;
                    verdict = HintVerdict::Clamped {
                        asked,
                        effective: crate::time::elapsed(now, latest),
                    };
                }
            }
            let until = self
                .state
                .slowed
                .map_or(draft.expires_at, |slowed| slowed.until.max(draft.expires_at));
            self.state.slowed = Some(Slowed { since, until });
            self.dirty.state = true;
        }
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
            Instruction::Pause => self.endpoint.baseline != Baseline::Dormant,
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
        self.state.changed_at = now;
        self.dirty.hints = true;
        self.dirty.state = true;
        self.end_slowing_if_gone(now);
    }

    /// A cadence occurrence that is already due stands: a hint moves the times after it.
    fn replan_unless_due(&mut self, trigger: &'static str, now: Timestamp, chance: &dyn Chance) {
        let due = self
            .plan_row
            .as_ref()
            .is_some_and(|row| row.run.cause.is_cadence() && row.run.due_at <= now);
        if !due {
            self.replan(trigger, now, chance);
        }
    }

    /// Times that passed during a cadence run are judged by the hints of their time, so they are settled first.
    fn settle_running(&mut self, now: Timestamp, chance: &dyn Chance) {
        if self.state.busy.is_some_and(|busy| busy.cadence) {
            self.settle_passed("overlap", now, chance);
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
