//! What the database says after the attack: what planners caused, and whether it was theirs to cause.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, ensure};
use baton_domain::{
    ids::{EndpointId, JobId, UserId},
    limits::{self, PlanLimits},
    plan::Plan,
    ports::{Page, RunFilter, Store},
    run::{Run, Source},
    time::before,
};
use baton_runtime::clock::SystemClock;

use super::Scene;

/// Fails unless every plan was judged, and none of them touched what it must not, or more than its job's budget.
pub(super) async fn check(url: &str, scene: &Scene, limits: &PlanLimits, plans: usize) -> Result<()> {
    let store = baton_store::open_reader(url, Arc::new(SystemClock)).await?;
    let begun = all_plans(store.as_ref(), &scene.targeted).await?;
    let answered = begun.iter().filter(|plan| plan.answered_at.is_some()).count();
    ensure!(answered == plans, "{answered} of {plans} plans were answered");
    let told = caused_by_planners(store.as_ref(), &scene.targeted, None).await?;
    ensure!(!told.is_empty(), "no plan came into force");
    for id in &scene.paused {
        let runs = caused_by_planners(store.as_ref(), &scene.targeted, Some(*id)).await?;
        ensure!(runs.is_empty(), "a person paused {id}, and a planner ran it");
    }
    let mut others: Vec<&UserId> = scene.bystanders.iter().map(|(user, _)| user).collect();
    others.sort();
    others.dedup();
    for user in others {
        let runs = caused_by_planners(store.as_ref(), user, None).await?;
        ensure!(
            runs.is_empty(),
            "a planner ran something of {}, whom it does not serve",
            user.0
        );
    }
    let most = within_budget(&begun, limits)?;
    eprintln!(
        "hostile: {answered} plans judged, {} runs came of them, at most {most} of {} steps of a job within {:?}",
        told.len(),
        limits.steps_per_window,
        limits.budget_window
    );
    Ok(())
}

/// The most that a job was charged within any window, or an error if that is more than its budget.
fn within_budget(plans: &[Plan], limits: &PlanLimits) -> Result<u32> {
    let mut jobs: BTreeMap<JobId, Vec<&Plan>> = BTreeMap::new();
    for plan in plans {
        jobs.entry(plan.job_id).or_default().push(plan);
    }
    let mut most = 0;
    for (job, plans) in jobs {
        for plan in &plans {
            let Some(judged_at) = plan.answered_at else { continue };
            let from = before(judged_at, limits.budget_window);
            // What was charged when this one was judged, this one included.
            let counted = plans.iter().filter(|other| {
                other.created_at > from && other.answered_at.is_some_and(|answered| answered <= judged_at)
            });
            let charged: u32 = counted.map(|plan| plan.charged).sum();
            ensure!(
                charged <= limits.steps_per_window,
                "{charged} steps of {job} within {:?}",
                limits.budget_window
            );
            most = most.max(charged);
        }
    }
    Ok(most)
}

async fn all_plans(store: &dyn Store, user: &UserId) -> Result<Vec<Plan>> {
    let mut tx = store.read().await?;
    let (mut all, mut page) = (Vec::new(), Page::first(limits::PAGE_MAX));
    loop {
        let plans = tx.list_plans(user, None, page).await?;
        let Some(last) = plans.last() else { return Ok(all) };
        page.after = Some(last.id.0);
        all.extend(plans);
    }
}

async fn caused_by_planners(store: &dyn Store, user: &UserId, endpoint: Option<EndpointId>) -> Result<Vec<Run>> {
    let filter = RunFilter {
        source: Some(Source::AI_HINT),
        endpoint_id: endpoint,
        ..RunFilter::of_user(user.clone())
    };
    let mut tx = store.read().await?;
    let (mut all, mut page) = (Vec::new(), Page::first(limits::PAGE_MAX));
    loop {
        let found = tx.list_runs(&filter, page, limits::PAGE_BYTES).await?;
        page.after = found.runs.last().map(|run| run.id.0);
        all.extend(found.runs);
        if !found.has_more {
            return Ok(all);
        }
    }
}
