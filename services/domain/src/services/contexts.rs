//! Planning contexts: all that a model may know about one job, put together in one place.

mod cuts;
mod record;

use crate::{
    credential::Reach,
    error::{Error, Resource},
    hint::Author,
    ids::{EndpointId, JobId, PlanId, RunId, UserId},
    job::Job,
    limits::{self, PlanLimits},
    plan::{AskDue, JobPlanning, Plan, PlanState},
    ports::{Page, PlanUsage, PlanningHead, Tx},
    run::Run,
    sale::{FlashSale, SaleState, SignalChange},
    schedule::Schedule,
    time::{Timestamp, before},
};

use super::{Services, endpoints::is_active, found, outcomes::wave_result};

/// One endpoint as a planner sees it.
#[derive(Debug, Clone)]
pub struct ContextEndpoint {
    pub schedule: Schedule,
    /// The last runs that started, the last planned first.
    pub recent_runs: Vec<Run>,
    /// Runs that started, planned for the start of the earliest active sale or later.
    pub runs_in_sale: u32,
    /// Present while the cooldown refuses steps.
    pub cooldown_ends_at: Option<Timestamp>,
}

/// One sale with what its signals did.
#[derive(Debug, Clone, PartialEq)]
pub struct ContextSale {
    pub sale: FlashSale,
    pub changes: Vec<SignalChange>,
}

/// A plan with the runs of its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanView {
    pub plan: Plan,
    pub runs: Vec<Run>,
}

impl PlanView {
    /// The run of a step, once there is one.
    pub fn run(&self, id: Option<RunId>) -> Option<&Run> {
        self.runs.iter().find(|run| Some(run.id) == id)
    }
}

/// What decides whether the model may be asked about a job: little to load beside the context.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub job: Job,
    pub planning: JobPlanning,
    /// Those that are on, will come, or have ended since the last ask.
    pub sales: Vec<FlashSale>,
    pub ask: Option<AskDue>,
    /// The planner that holds the lease, and until when.
    pub holder: Option<(String, Timestamp)>,
    /// Within the window of the budgets.
    pub usage: PlanUsage,
}

/// All that a model may know about one job.
#[derive(Debug, Clone)]
pub struct PlanningContext {
    pub job: Job,
    pub endpoints: Vec<ContextEndpoint>,
    pub sales: Vec<ContextSale>,
    pub last_plan: Option<PlanView>,
    /// The last plan that was put before a person, unless another was answered since.
    pub suggestion: Option<Plan>,
    pub planning: JobPlanning,
    pub now: Timestamp,
    pub ask: Option<AskDue>,
    pub limits: PlanLimits,
    pub steps_left: u32,
    /// The planner that holds the lease, and until when.
    pub holder: Option<(String, Timestamp)>,
    /// A plan whose next wave can start.
    pub advance: Option<(PlanId, u32)>,
}

impl PlanningContext {
    /// The JSON document that is stored with a plan. What has no room in it is cut from the context as well, so that
    /// nobody is asked about anything that is not on record.
    pub fn freeze(&mut self) -> String {
        record::freeze(self)
    }
}

impl Services {
    /// Jobs within reach whose contexts planners should see, with their revisions.
    pub async fn planning_heads(&self, reach: &Reach) -> Result<Vec<PlanningHead>, Error> {
        let mut tx = self.store.read().await?;
        Ok(tx.planning_heads(reach).await?)
    }

    /// The revision of one job's context, without the context.
    pub async fn context_revision(&self, user: &UserId, job: JobId) -> Result<i64, Error> {
        let mut tx = self.store.read().await?;
        found(Resource::Job, tx.get_job(user, job).await?)?;
        Ok(found(Resource::Job, tx.get_planning(job).await?)?.context_revision)
    }

    /// The context of one job as of now.
    pub async fn planning_context(&self, user: &UserId, job: JobId) -> Result<PlanningContext, Error> {
        let mut tx = self.store.read().await?;
        self.load_context(tx.as_mut(), user, job).await
    }

    pub(super) async fn load_context(
        &self,
        tx: &mut dyn Tx,
        user: &UserId,
        id: JobId,
    ) -> Result<PlanningContext, Error> {
        let standing = self.load_standing(tx, user, id).await?;
        self.fill_context(tx, standing).await
    }

    pub(super) async fn load_standing(&self, tx: &mut dyn Tx, user: &UserId, id: JobId) -> Result<Standing, Error> {
        let now = tx.now();
        let job = found(Resource::Job, tx.get_job(user, id).await?)?;
        let planning = found(Resource::Job, tx.get_planning(id).await?)?;
        let ended_after = planning.asked_at.unwrap_or(job.created_at);
        let sales = tx.sales_of_job(id, ended_after).await?;
        let holder = match planning.holder(now) {
            Some((plan, until)) => tx.get_plan(user, plan).await?.map(|plan| (plan.planner, until)),
            None => None,
        };
        let usage = tx.plan_usage(id, before(now, self.limits.budget_window)).await?;
        Ok(Standing {
            ask: planning.ask_due(&sales, now),
            job,
            planning,
            sales,
            holder,
            usage,
        })
    }

    /// The context of a job that stands so, in the transaction that found it so.
    pub(super) async fn fill_context(&self, tx: &mut dyn Tx, standing: Standing) -> Result<PlanningContext, Error> {
        let Standing {
            job,
            planning,
            sales,
            ask,
            holder,
            usage,
        } = standing;
        let user = &job.user_id;
        let endpoints = load_endpoints(tx, user, job.id, &sales).await?;
        let last_plan = match planning.accepted {
            Some(plan) => load_plan(tx, user, plan).await?,
            None => None,
        };
        let suggestion = match planning.suggested {
            Some(plan) => tx.get_plan(user, plan).await?,
            None => None,
        };
        let advance = match &last_plan {
            Some(view) => next_wave(tx, &view.plan).await?,
            None => None,
        };
        Ok(PlanningContext {
            endpoints,
            ask,
            sales: with_changes(tx, sales).await?,
            last_plan,
            suggestion,
            planning,
            now: tx.now(),
            limits: self.limits,
            steps_left: self.limits.steps_per_window.saturating_sub(usage.steps),
            holder,
            advance,
            job,
        })
    }
}

async fn with_changes(tx: &mut dyn Tx, sales: Vec<FlashSale>) -> Result<Vec<ContextSale>, Error> {
    let mut with = Vec::with_capacity(sales.len());
    for sale in sales {
        let changes = tx
            .signal_changes(sale.id, sale.starts_at, limits::SIGNAL_CHANGES)
            .await?;
        with.push(ContextSale { sale, changes });
    }
    Ok(with)
}

async fn load_endpoints(
    tx: &mut dyn Tx,
    user: &UserId,
    job: JobId,
    sales: &[FlashSale],
) -> Result<Vec<ContextEndpoint>, Error> {
    let now = tx.now();
    let mut schedules = tx
        .list_schedules(user, Some(job), Page::first(limits::PAGE_MAX))
        .await?;
    schedules.retain(is_active);
    let ids: Vec<EndpointId> = schedules.iter().map(|schedule| schedule.endpoint.id).collect();
    let runs = tx
        .recent_runs(&ids, limits::CONTEXT_RUNS, limits::CONTEXT_RESPONSE_BYTES)
        .await?;
    let active = sales.iter().filter(|sale| sale.state(now) == SaleState::Active);
    let starts = match active.map(|sale| sale.starts_at).min() {
        Some(since) => tx.count_starts(&ids, since).await?,
        None => std::collections::BTreeMap::new(),
    };
    Ok(schedules
        .into_iter()
        .map(|schedule| ContextEndpoint {
            recent_runs: runs
                .iter()
                .filter(|run| run.endpoint_id == schedule.endpoint.id)
                .cloned()
                .collect(),
            runs_in_sale: starts.get(&schedule.endpoint.id).copied().unwrap_or_default(),
            cooldown_ends_at: schedule.cooldown_end().filter(|end| *end > now),
            schedule,
        })
        .collect())
}

/// A plan with the runs that its steps have so far.
pub(super) async fn load_plan(tx: &mut dyn Tx, user: &UserId, id: PlanId) -> Result<Option<PlanView>, Error> {
    let Some(plan) = tx.get_plan(user, id).await? else {
        return Ok(None);
    };
    let mut runs = Vec::new();
    for run_id in plan.steps.iter().filter_map(|step| step.run_id) {
        runs.extend(tx.get_run_details(user, run_id).await?);
    }
    Ok(Some(PlanView { plan, runs }))
}

async fn next_wave(tx: &mut dyn Tx, plan: &Plan) -> Result<Option<(PlanId, u32)>, Error> {
    let Some(wave) = plan.next_wave().filter(|_| plan.state == PlanState::Running) else {
        return Ok(None);
    };
    let succeeded = wave_result(tx, plan).await? == Some(false);
    Ok(succeeded.then_some((plan.id, wave)))
}

/// Hints of planners on an endpoint.
pub(super) fn is_planners(hint: &crate::hint::Hint) -> bool {
    hint.author == Author::Planner
}
