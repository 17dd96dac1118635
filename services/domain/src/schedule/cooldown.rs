//! The cooldown, asked once more when a planner's step or one-shot is about to start.
//!
//! A plan is checked when it is submitted, but two accepted wishes may come due closer together than their plans said. One
//! that was planned within the cooldown is refused; one that was planned far enough behind, and is only close because the
//! other started late, waits. Cadence times of a hint are no wishes of their own: their gap is never below the cooldown.

use crate::{
    ids::Chance,
    run::{Cause, LiveRun, Run, RunStatus, Slot, Source},
    time::{Timestamp, after},
};

use super::Schedule;

/// What stands against the start of a due row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooling {
    /// It may start at this time.
    Wait(Timestamp),
    Refuse,
}

impl Schedule {
    /// When the cooldown since the last start that a planner caused ends, or ended.
    pub fn cooldown_end(&self) -> Option<Timestamp> {
        Some(after(self.state.last_ai_start?, self.endpoint.cooldown?))
    }

    /// What the cooldown says about starting `row` at `now`; `None` when nothing. A run that has started once goes on.
    pub fn cooling(&self, row: &LiveRun, now: Timestamp) -> Option<Cooling> {
        let wish = matches!(row.run.cause, Cause::PlanStep | Cause::HintOneShot) && row.run.source == Source::AI_HINT;
        let end = self
            .cooldown_end()
            .filter(|end| wish && !row.has_place() && now < *end)?;
        let planned_end = after(self.state.last_ai_planned?, self.endpoint.cooldown?);
        Some(if row.run.planned_at >= planned_end {
            Cooling::Wait(end)
        } else {
            Cooling::Refuse
        })
    }

    /// Has the row wait until then.
    pub fn wait_out(&mut self, row: LiveRun, until: Timestamp) -> LiveRun {
        let mut row = row;
        row.run.due_at = until;
        if row.slot == Slot::Plan {
            self.plan_row = Some(row.clone());
        }
        row
    }

    /// Ends the row without a start. A one-shot hint is used up by that.
    pub fn refuse_cooling(&mut self, row: LiveRun, now: Timestamp, chance: &dyn Chance) -> Run {
        if row.slot == Slot::Plan {
            self.plan_row = None;
            self.dirty.plan_row = true;
            self.use_up(row.one_shot_id, now);
            self.rewrite_plan_row(now, chance);
        }
        Run {
            status: RunStatus::Skipped,
            finished_at: Some(now),
            reason: Some("cooldown".to_owned()),
            ..row.run
        }
    }
}
