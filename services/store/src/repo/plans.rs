//! Plans and the planning state of jobs.

use std::collections::HashMap;

use async_trait::async_trait;
use baton_domain::{
    credential::Reach,
    ids::{JobId, PlanId, UserId},
    plan::{JobPlanning, Plan, PlanHint, PlanStep},
    ports::{Page, PlanUsage, PlanningHead, PlansRepo, StoreResult},
    time::Timestamp,
};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, FromQueryResult, IntoActiveModel as _, Iterable as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait as _, Value, prelude::Uuid, sea_query::Expr,
};

use crate::{
    entity::{job_planning, plan, plan_hint, plan_step},
    error::store_error,
    mapping::{
        jobs::{planning_of, planning_row},
        plans::{plan_hint_of, plan_hint_row, plan_of, plan_row, step_of, step_row},
    },
    repo::rows_of,
    tx::SqlTx,
};

/// One row for each active job within reach with a sale that ends after $1, now, or after the job's last ask.
const HEADS: &str = "
    SELECT j.id AS job_id, j.user_id, p.context_revision
      FROM jobs j
      JOIN job_planning p ON p.job_id = j.id
     WHERE {reach}
       AND j.status = 'active'
       AND EXISTS (
           SELECT 1
             FROM flash_sale_jobs c
             JOIN flash_sales f ON f.id = c.flash_sale_id
            WHERE c.job_id = j.id
              AND (f.ends_at > $1 OR f.ends_at > COALESCE(p.asked_at, j.created_at)))
     ORDER BY j.id";

/// One row: how many plans of job $1 began after $2, when the first of them did, and what was charged after $2: when a
/// plan began, or when a person approved it.
const USAGE: &str = "
    SELECT COUNT(CASE WHEN created_at > $2 THEN 1 END) AS asks,
           CAST(COALESCE(SUM(CASE WHEN COALESCE(decided_at, created_at) > $2 THEN charged END), 0) AS BIGINT) AS steps,
           MIN(CASE WHEN created_at > $2 THEN created_at END) AS oldest
      FROM plans
     WHERE job_id = $1
       AND (created_at > $2 OR decided_at > $2)";

/// One row: the latest beginning of an ask of user $1 after $2 with which the asks since then have used $3 tokens. Only
/// asks that used any are read, which the budget keeps few.
const USED_UP: &str = "
    SELECT MAX(created_at) AS used_up
      FROM (SELECT created_at,
                   SUM(input_tokens + output_tokens) OVER (ORDER BY created_at DESC, id DESC) AS used
              FROM plans
             WHERE user_id = $1
               AND created_at > $2
               AND input_tokens + output_tokens > 0) asks
     WHERE used >= $3";

#[derive(FromQueryResult)]
struct UsedUp {
    used_up: Option<Timestamp>,
}

#[derive(FromQueryResult)]
struct Head {
    job_id: Uuid,
    user_id: String,
    context_revision: i64,
}

#[derive(FromQueryResult)]
struct Usage {
    asks: i64,
    steps: i64,
    oldest: Option<Timestamp>,
}

/// The condition on `j.user_id`, whose parameters follow the first.
fn within(reach: &Reach) -> (String, Vec<Value>) {
    let Reach::Users(users) = reach else {
        return ("TRUE".to_owned(), Vec::new());
    };
    let places: Vec<String> = (2..).take(users.len()).map(|place| format!("${place}")).collect();
    let values = users.iter().map(|user| user.0.as_str().into()).collect();
    (format!("j.user_id IN ({})", places.join(", ")), values)
}

#[async_trait]
impl PlansRepo for SqlTx {
    async fn get_planning(&mut self, job: JobId) -> StoreResult<Option<JobPlanning>> {
        let found = job_planning::Entity::find_by_id(job.0).one(&self.db).await;
        found.map_err(store_error)?.map(planning_of).transpose()
    }

    async fn lock_planning(&mut self, jobs: &[JobId]) -> StoreResult<Vec<JobPlanning>> {
        let found = job_planning::Entity::find()
            .filter(job_planning::Column::JobId.is_in(jobs.iter().map(|job| job.0)))
            .order_by_asc(job_planning::Column::JobId)
            .lock_exclusive()
            .all(&self.db)
            .await;
        found.map_err(store_error)?.into_iter().map(planning_of).collect()
    }

    async fn save_planning(&mut self, planning: &JobPlanning) -> StoreResult<()> {
        let written = job_planning::Entity::update_many()
            .set(planning_row(planning).into_active_model().reset_all())
            .filter(job_planning::Column::JobId.eq(planning.job_id.0))
            .exec(&self.db)
            .await;
        written.map(drop).map_err(store_error)
    }

    async fn planning_heads(&mut self, reach: &Reach) -> StoreResult<Vec<PlanningHead>> {
        let (reach, users) = within(reach);
        let values = std::iter::once(self.time().into()).chain(users).collect();
        let found: Vec<Head> = self.rows(HEADS.replace("{reach}", &reach), values).await?;
        let head = |head: Head| PlanningHead {
            job_id: JobId(head.job_id),
            user_id: UserId(head.user_id),
            context_revision: head.context_revision,
        };
        Ok(found.into_iter().map(head).collect())
    }

    async fn owner_of_plan(&mut self, id: PlanId) -> StoreResult<Option<UserId>> {
        let found: Option<String> = plan::Entity::find_by_id(id.0)
            .select_only()
            .column(plan::Column::UserId)
            .into_tuple()
            .one(&self.db)
            .await
            .map_err(store_error)?;
        Ok(found.map(UserId))
    }

    async fn insert_plan(&mut self, plan: &Plan) -> StoreResult<()> {
        self.insert::<plan::Entity>(vec![plan_row(plan)?]).await?;
        self.insert_parts(plan).await
    }

    async fn get_plan(&mut self, user: &UserId, id: PlanId) -> StoreResult<Option<Plan>> {
        let mine = plan::Entity::find_by_id(id.0).filter(plan::Column::UserId.eq(&user.0));
        let found = mine.all(&self.db).await.map_err(store_error)?;
        Ok(self.with_parts(found).await?.pop())
    }

    async fn list_plans(&mut self, user: &UserId, job: Option<JobId>, page: Page) -> StoreResult<Vec<Plan>> {
        let light = plan::Column::iter().filter(|column| !matches!(column, plan::Column::Context));
        let found = plan::Entity::find()
            .select_only()
            .columns(light)
            .column_as(Expr::value(""), plan::Column::Context)
            .filter(plan::Column::UserId.eq(&user.0))
            .apply_if(job, |plans, job| plans.filter(plan::Column::JobId.eq(job.0)))
            .apply_if(page.after, |plans, after| plans.filter(plan::Column::Id.lt(after)))
            .order_by_desc(plan::Column::Id)
            .limit(rows_of(page))
            .all(&self.db)
            .await;
        self.with_parts(found.map_err(store_error)?).await
    }

    async fn update_plan(&mut self, plan: &Plan) -> StoreResult<()> {
        self.upsert::<plan::Entity>(vec![plan_row(plan)?]).await?;
        let steps = plan_step::Entity::delete_many().filter(plan_step::Column::PlanId.eq(plan.id.0));
        steps.exec(&self.db).await.map_err(store_error)?;
        let hints = plan_hint::Entity::delete_many().filter(plan_hint::Column::PlanId.eq(plan.id.0));
        hints.exec(&self.db).await.map_err(store_error)?;
        self.insert_parts(plan).await
    }

    async fn plan_usage(&mut self, job: JobId, since: Timestamp) -> StoreResult<PlanUsage> {
        let found: Vec<Usage> = self.rows(USAGE, vec![job.0.into(), since.into()]).await?;
        let usage = found.into_iter().next().map(|usage| PlanUsage {
            asks: u32::try_from(usage.asks).unwrap_or(u32::MAX),
            steps: u32::try_from(usage.steps).unwrap_or(u32::MAX),
            oldest: usage.oldest,
        });
        Ok(usage.unwrap_or_default())
    }

    async fn tokens_used_up(&mut self, user: &UserId, since: Timestamp, budget: u64) -> StoreResult<Option<Timestamp>> {
        let budget = i64::try_from(budget).unwrap_or(i64::MAX);
        let values = vec![user.0.as_str().into(), since.into(), budget.into()];
        let found: Vec<UsedUp> = self.rows(USED_UP, values).await?;
        Ok(found.into_iter().next().and_then(|row| row.used_up))
    }
}

impl SqlTx {
    async fn insert_parts(&self, plan: &Plan) -> StoreResult<()> {
        let steps = plan.steps.iter().map(|step| step_row(plan.id, step));
        self.insert::<plan_step::Entity>(steps.collect::<Vec<_>>()).await?;
        let hints = plan
            .hints
            .iter()
            .zip(0..)
            .map(|(hint, position)| plan_hint_row(plan.id, position, hint));
        self.insert::<plan_hint::Entity>(hints.collect::<Vec<_>>()).await
    }

    /// The plans of these rows, in their order.
    async fn with_parts(&self, plans: Vec<plan::Model>) -> StoreResult<Vec<Plan>> {
        let ids: Vec<Uuid> = plans.iter().map(|plan| plan.id).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut steps = self.steps(&ids).await?;
        let mut hints = self.plan_hints(&ids).await?;
        let mut loaded = Vec::with_capacity(plans.len());
        for row in plans {
            let (steps, hints) = (steps.remove(&row.id), hints.remove(&row.id));
            loaded.push(plan_of(row, steps.unwrap_or_default(), hints.unwrap_or_default())?);
        }
        Ok(loaded)
    }

    async fn steps(&self, plans: &[Uuid]) -> StoreResult<HashMap<Uuid, Vec<PlanStep>>> {
        let wanted = plan_step::Entity::find().filter(plan_step::Column::PlanId.is_in(plans.iter().copied()));
        let found = wanted
            .order_by_asc(plan_step::Column::Step)
            .all(&self.db)
            .await
            .map_err(store_error)?;
        let mut steps: HashMap<Uuid, Vec<PlanStep>> = HashMap::new();
        for row in found {
            steps.entry(row.plan_id).or_default().push(step_of(row)?);
        }
        Ok(steps)
    }

    async fn plan_hints(&self, plans: &[Uuid]) -> StoreResult<HashMap<Uuid, Vec<PlanHint>>> {
        let wanted = plan_hint::Entity::find().filter(plan_hint::Column::PlanId.is_in(plans.iter().copied()));
        let found = wanted
            .order_by_asc(plan_hint::Column::Position)
            .all(&self.db)
            .await
            .map_err(store_error)?;
        let mut hints: HashMap<Uuid, Vec<PlanHint>> = HashMap::new();
        for row in found {
            hints.entry(row.plan_id).or_default().push(plan_hint_of(row)?);
        }
        Ok(hints)
    }
}
