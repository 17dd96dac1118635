//! "Why did this run happen?": the whole chain of one run, from its cause to what followed it.

mod fate;

pub use fate::{HintFate, HintRecord};

use crate::{
    error::{Error, Resource},
    ids::{PlanId, RunId, UserId},
    run::Run,
    schedule::Schedule,
};

use super::{PlanView, Services, contexts::load_plan, found};

/// Changes of a schedule that are searched for what became of a hint, newest first.
const CHANGES: usize = 1_000;

/// One run with everything that is known of why it was.
#[derive(Debug, Clone)]
pub struct Explanation {
    pub run: Run,
    /// Attempts that did not end it, oldest first.
    pub attempts: Vec<Run>,
    /// As it is now; `None` once it is deleted.
    pub endpoint: Option<Schedule>,
    /// The hint that set its time, as far as the record reaches back.
    pub hint: Option<HintRecord>,
    /// The plan it is a step of, or whose hint set its time, with the context that the model saw.
    pub plan: Option<PlanView>,
    pub replaced_by: Option<PlanId>,
    /// The endpoint's run with the next planned time.
    pub next: Option<Run>,
}

impl Services {
    /// The chain of one run, in one view of the store.
    pub async fn explain_run(&self, user: &UserId, id: RunId) -> Result<Explanation, Error> {
        let mut tx = self.store.read().await?;
        let now = tx.now();
        let run = found(Resource::Run, tx.get_run_details(user, id).await?)?;
        let endpoint = tx.get_schedule(user, run.endpoint_id).await?;
        let hint = match run.hint_id {
            Some(hint) => {
                let changes = tx.list_schedule_changes(run.endpoint_id, CHANGES).await?;
                let hints = endpoint.as_ref().map_or(&[][..], |schedule| &schedule.hints);
                fate::record_of(hint, run.endpoint_id, hints, &changes, now)
            }
            None => None,
        };
        let plan = match run.plan_id {
            Some(plan) => load_plan(tx.as_mut(), user, plan).await?,
            None => None,
        };
        let replaced_by = match &plan {
            Some(view) => tx.replacing_plan(view.plan.job_id, view.plan.id).await?,
            None => None,
        };
        Ok(Explanation {
            attempts: tx.list_attempts(id).await?,
            next: tx.next_run(user, run.endpoint_id, id).await?,
            run,
            endpoint,
            hint,
            plan,
            replaced_by,
        })
    }
}
