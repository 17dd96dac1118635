//! Planners' wishes that came due within a cooldown: what is written instead of their start.
//!
//! Used by claims, in the transaction of the claim or, where that has no room for plans, in one of its own behind it.

use crate::{
    error::Error,
    ids::Chance,
    ports::Tx,
    run::{LiveRun, Run},
    schedule::{Cooling, Schedule},
    time::Timestamp,
};

use super::{outcomes::note_over, settlement::Over};

#[derive(Default)]
pub(super) struct HeldBack {
    waiting: Vec<LiveRun>,
    refused: Vec<Over>,
}

impl HeldBack {
    /// Takes a due row that must not start yet, or not at all; gives back one that may.
    pub fn take(
        &mut self,
        row: LiveRun,
        schedule: &mut Schedule,
        now: Timestamp,
        chance: &dyn Chance,
    ) -> Option<LiveRun> {
        match schedule.cooling(&row, now) {
            None => return Some(row),
            Some(Cooling::Wait(until)) => self.waiting.push(schedule.wait_out(row, until)),
            Some(Cooling::Refuse) => self.refused.push(Over {
                run: schedule.refuse_cooling(row, now, chance),
                class_changed: false,
            }),
        }
        None
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.refused.is_empty()
    }

    /// Writes what became of them; their plans hear of it. The schedules are saved before.
    pub async fn write(self, tx: &mut dyn Tx) -> Result<(), Error> {
        if !self.waiting.is_empty() {
            tx.update_live(&self.waiting).await?;
        }
        if self.refused.is_empty() {
            return Ok(());
        }
        let runs: Vec<Run> = self.refused.iter().map(|over| over.run.clone()).collect();
        tx.move_to_history(&runs).await?;
        note_over(tx, &self.refused).await
    }
}
